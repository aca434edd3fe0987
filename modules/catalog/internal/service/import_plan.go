package service

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
)

// plan is what a batch does to the shop.
type plan struct {
	create     []*store.Product
	change     []change
	categories []store.Category // to be made first
	known      map[string]store.Category
	moves      []store.Movement // of stock there is
	lines      []store.Movement // of the ledger, the moves among them
	errors     []store.RowError
	updated    int64 // products, also those of which only the stock changes
	same       int64 // products
	skipped    int64 // rows
	touched    []int64
}

// change is a product as it was and as it is to be.
type change struct{ before, after *store.Product }

// planner holds what a batch says against what the shop has.
type planner struct {
	*plan
	batch    *batch
	service  *Service
	now      time.Time
	products map[string]*store.Product // by slug
	owners   map[string]string         // slugs of products, by the SKUs of their variants
	stock    map[string]store.Stock    // by SKU
	made     map[string]int            // which of plan.categories has a path
}

// plan says what a batch does, on one state of the shop. It changes nothing.
func (s *Service) plan(ctx context.Context, c db.Conn, b *batch) (*plan, error) {
	p := &planner{plan: &plan{}, batch: b, service: s, now: s.clock.Now(), made: map[string]int{}}
	if err := p.read(ctx, c); err != nil {
		return nil, err
	}
	for i := range b.records {
		record := &b.records[i]
		errors := record.Errors
		if len(errors) == 0 {
			errors = p.add(record)
		}
		if len(errors) > 0 {
			p.skipped += int64(record.Rows)
		}
		for _, e := range errors {
			p.errors = append(p.errors, store.RowError{Row: int64(e.Row), Column: e.Column, Message: e.Message})
		}
	}
	return p.plan, nil
}

// read reads what the shop has of all that a batch names: a few statements,
// however many products there are.
func (p *planner) read(ctx context.Context, c db.Conn) error {
	var slugs, skus []string
	for i := range p.batch.records {
		if record := &p.batch.records[i]; len(record.Errors) == 0 {
			slugs = append(slugs, record.Product.Slug)
			for _, v := range record.Product.Variants {
				skus = append(skus, v.SKU)
			}
		}
	}
	numbers, err := store.ProductsWithSlugs(ctx, c, slugs)
	if err != nil {
		return err
	}
	known := slices.Sorted(maps.Values(numbers))
	if tx, ok := c.(*db.Tx); ok {
		if err := store.LockProducts(ctx, tx, known...); err != nil {
			return err
		}
	}
	loaded, err := store.LoadProducts(ctx, c, known)
	if err != nil {
		return err
	}
	if p.owners, err = store.SlugsWithSKUs(ctx, c, skus); err != nil {
		return err
	}
	// What no variant has may have stock of an earlier life.
	free := slices.DeleteFunc(skus, func(sku string) bool { return p.owners[sku] != "" })
	if p.stock, err = store.StockOf(ctx, c, free); err != nil {
		return err
	}
	p.products = make(map[string]*store.Product, len(loaded))
	for i := range loaded {
		known := &loaded[i]
		p.products[known.Slug] = known
		for _, v := range known.Variants {
			p.stock[v.SKU] = store.Stock{SKU: v.SKU, Product: known.Number, OnHand: *v.Stock.OnHand, Reserved: *v.Stock.Reserved}
		}
	}
	return p.readCategories(ctx, c)
}

// readCategories reads the categories that products stand in or are to, and all
// above them.
func (p *planner) readCategories(ctx context.Context, c db.Conn) (err error) {
	paths := map[string]bool{}
	add := func(path string) {
		if !paths[path] && depth(path) <= MaxCategoryDepth {
			for _, above := range store.Ancestry(path) {
				paths[above] = true
			}
		}
	}
	for i := range p.batch.records {
		for _, path := range p.batch.records[i].Product.Categories {
			add(path)
		}
	}
	for _, known := range p.products {
		for _, ref := range known.Categories {
			add(ref.Path)
		}
	}
	p.known, err = store.CategoriesByPath(ctx, c, slices.Sorted(maps.Keys(paths)))
	return err
}

func depth(path string) int { return strings.Count(path, "/") + 1 }

// add plans what becomes of one product, or says why it is refused.
func (p *planner) add(record *format.Record) []format.RowError {
	before := p.products[record.Product.Slug]
	faults := p.faults(record, before)
	var after *store.Product
	if len(faults) == 0 {
		after = p.merged(record, before)
		if before == nil || !store.Same(before, after) {
			faults = faultsOf(after, record, before == nil)
		}
	}
	if len(faults) > 0 {
		errors := make([]format.RowError, len(faults))
		for i, fault := range faults {
			errors[i] = p.batch.reader.Locate(*record, fault)
		}
		return errors
	}
	for _, ref := range after.Categories {
		p.makeCategory(ref.Path)
	}
	for _, v := range after.Variants {
		p.owners[v.SKU] = after.Slug
	}
	moved := p.move(record)
	switch {
	case before == nil:
		p.create = append(p.create, after)
		return nil
	case !store.Same(before, after):
		after.Stamp(p.now)
		p.change = append(p.change, change{before, after})
	case !moved:
		p.same++
		return nil
	}
	p.updated++
	p.touched = append(p.touched, before.Number)
	return nil
}

// faults holds a product of the file against the others of the shop.
func (p *planner) faults(record *format.Record, before *store.Product) []format.Fault {
	var faults []format.Fault
	file := &record.Product
	if before != nil && p.batch.mode == ImportCreate {
		return []format.Fault{{Field: format.FieldSlug, Message: fmt.Sprintf("there is a product %q already", file.Slug)}}
	}
	for i, path := range file.Categories {
		if depth(path) > MaxCategoryDepth {
			faults = append(faults, format.Fault{Field: format.FieldCategories, Index: i, Message: fmt.Sprintf("is more than %d categories deep", MaxCategoryDepth)})
		}
	}
	for i, v := range file.Variants {
		owner := p.owners[v.SKU]
		if claimed, ok := p.batch.claims.of(v.SKU); ok && owner == "" {
			owner = claimed
		}
		if owner != "" && owner != file.Slug {
			faults = append(faults, format.Fault{Field: format.FieldSKU, Index: i, Message: fmt.Sprintf("%q is a variant of the product %q", v.SKU, owner)})
		}
		if v.Quantity == nil {
			continue
		}
		if held := p.stock[v.SKU].Reserved; *v.Quantity < held {
			faults = append(faults, format.Fault{Field: format.FieldQuantity, Index: i, Message: fmt.Sprintf("must not be below the %d that orders have reserved", held)})
		}
		if *v.Quantity > store.MaxOnHand {
			faults = append(faults, format.Fault{Field: format.FieldQuantity, Index: i, Message: fmt.Sprintf("must not be above %d", int64(store.MaxOnHand))})
		}
	}
	return faults
}

// faultsOf says what keeps a product from being one, in places of the file. Of
// one that is new the reader has checked the rest.
func faultsOf(p *store.Product, record *format.Record, isNew bool) []format.Fault {
	faults := checkPrices(p)
	if !isNew {
		merged := toFile(p.Product)
		faults = append(faults, merged.Check()...)
	}
	for i, fault := range faults {
		if fault.Field < format.FieldSKU {
			continue
		}
		sku := p.Variants[fault.Index].SKU
		at := slices.IndexFunc(record.Product.Variants, func(v format.Variant) bool { return v.SKU == sku })
		if at >= 0 {
			faults[i].Index = at
		} else {
			faults[i] = format.Fault{Field: format.FieldVariants, Message: fmt.Sprintf("together with the variant %q, which stays: %s", sku, fault.Message)}
		}
	}
	return faults
}

// merged gives the product as the file wants it.
func (p *planner) merged(record *format.Record, before *store.Product) *store.Product {
	after := &store.Product{Product: catalog.Product{
		Slug: record.Product.Slug, Version: 1, CreatedAt: p.now, UpdatedAt: p.now,
	}}
	if before == nil {
		after.ID = p.service.clock.ID()
	} else {
		*after = *before
		after.Variants, after.Options = slices.Clone(before.Variants), slices.Clone(before.Options)
	}
	m := merge{product: &after.Product, file: &record.Product, isNew: before == nil, newID: p.service.clock.ID, stock: p.stock}
	m.fields()
	m.variants()
	settle(&after.Product)
	return after
}

// move plans what is to be on hand of a product's variants; false where that is
// what there is.
func (p *planner) move(record *format.Record) (moved bool) {
	for _, v := range record.Product.Variants {
		if v.Quantity == nil {
			continue
		}
		known, there := p.stock[v.SKU]
		quantity := *v.Quantity - known.OnHand
		if quantity == 0 {
			continue
		}
		line := store.Movement{SKU: v.SKU, ID: p.service.clock.ID(), Kind: store.MovementImport, Quantity: quantity, At: p.now}
		p.lines = append(p.lines, line)
		if there {
			p.moves = append(p.moves, line)
		}
		moved = true
	}
	return moved
}

// makeCategory plans a category and those above it, where they are not there.
func (p *planner) makeCategory(path string) {
	parent := ""
	for _, at := range store.Ancestry(path) {
		if _, there := p.known[at]; !there {
			if _, planned := p.made[at]; !planned {
				p.made[at] = len(p.categories)
				p.categories = append(p.categories, p.newCategory(at, parent))
			}
		}
		parent = at
	}
}

// newCategory gives a category that only a path is known of.
func (p *planner) newCategory(path, parent string) store.Category {
	c := store.Category{Depth: int64(depth(path)), Category: catalog.Category{ID: p.service.clock.ID(), Path: path, Slug: path}}
	if parent == "" {
		c.Name = nameOf(c.Slug)
		return c
	}
	c.Slug = strings.TrimPrefix(path, parent+"/")
	c.Name = nameOf(c.Slug)
	if known, there := p.known[parent]; there {
		c.Parent = known.Number
	} else {
		c.Parent = int64(p.made[parent] - len(p.categories)) // so many before it in the list
	}
	return c
}

// nameOf makes the name of a category from its slug: "garden-tools" becomes
// "Garden tools".
func nameOf(slug string) string {
	words := strings.FieldsFunc(slug, func(r rune) bool { return r == '-' || r == '_' })
	if len(words) == 0 {
		return slug
	}
	name := []rune(strings.Join(words, " "))
	name[0] = unicode.ToUpper(name[0])
	return string(name)
}

// began sees that the stock of what had none began with what is planned.
func (p *plan) began() error {
	planned := make(map[string]int64, len(p.lines))
	for _, line := range p.lines {
		planned[line.SKU] = line.Quantity
	}
	for _, line := range p.moves {
		delete(planned, line.SKU)
	}
	products := slices.Clone(p.create)
	for _, c := range p.change {
		products = append(products, c.after)
	}
	for _, product := range products {
		for _, v := range product.Variants {
			if quantity, isNew := planned[v.SKU]; isNew && *v.Stock.OnHand != quantity {
				return fmt.Errorf("the stock of %q: %w", v.SKU, errRaced)
			}
		}
	}
	return nil
}

// apply does what is planned.
func (s *Service) apply(ctx context.Context, tx *db.Tx, p *plan) error {
	places := make(store.Places, len(p.known)+len(p.categories))
	for path, c := range p.known {
		places[path] = c.Number
	}
	if len(p.categories) > 0 {
		if err := store.InsertCategories(ctx, tx, p.categories, s.clock.Now()); err != nil {
			return fmt.Errorf("make categories: %w", err)
		}
	}
	for _, c := range p.categories {
		places[c.Path] = c.Number
	}
	changes := make([]store.Change, 0, len(p.change))
	for _, c := range p.change {
		changes = append(changes, store.Change{Before: c.before, After: c.after})
	}
	if err := store.UpdateProducts(ctx, tx, changes, places); err != nil {
		return fmt.Errorf("change products: %w", err)
	}
	if len(p.create) > 0 {
		if err := store.InsertProducts(ctx, tx, p.create, places); err != nil {
			return fmt.Errorf("make products: %w", err)
		}
	}
	slices.SortFunc(p.moves, func(a, b store.Movement) int { return strings.Compare(a.SKU, b.SKU) })
	for _, line := range p.moves {
		switch _, ok, err := store.Move(ctx, tx, line.SKU, line.Quantity); {
		case err != nil:
			return fmt.Errorf("set stock of %q: %w", line.SKU, err)
		case !ok:
			return fmt.Errorf("the stock of %q cannot be changed by %d: %w", line.SKU, line.Quantity, errRaced)
		}
	}
	if err := p.began(); err != nil {
		return err
	}
	if err := store.AddMovements(ctx, tx, p.lines); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	touched := p.touched // and no more of the plan is kept until the commit
	tx.AfterCommit(func() {
		for _, number := range touched {
			s.views.forget(number)
		}
	})
	return nil
}
