package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
	"stoa/platform/errs"
)

// Match holds a product's version against what a caller means to change; its
// error is given back as it is. Nil matches all.
type Match func(version int64) error

// GetProducts keeps the contract of catalog.Service.
func (s *Service) GetProducts(ctx context.Context, r catalog.GetProductsRequest) ([]catalog.Product, error) {
	if err := catalog.CheckBatch("ids", r.IDs); err != nil {
		return nil, err
	}
	products := []catalog.Product{}
	err := s.db.Snapshot(ctx, func(ctx context.Context, c db.Conn) error {
		numbers, err := store.NumbersByID(ctx, c, r.IDs)
		if err != nil {
			return err
		}
		slices.Sort(numbers)
		loaded, err := store.LoadProducts(ctx, c, slices.Compact(numbers))
		for _, p := range loaded {
			products = append(products, forCustomers(p.Product))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("get products: %w", err)
	}
	return products, nil
}

// GetProduct gives a product by id or slug as staff see it. Errors:
// catalog.ErrProductNotFound.
func (s *Service) GetProduct(ctx context.Context, idOrSlug string) (catalog.Product, error) {
	var product store.Product
	err := s.db.Snapshot(ctx, func(ctx context.Context, c db.Conn) (err error) {
		product, err = load(ctx, c, idOrSlug)
		return err
	})
	if err != nil {
		return catalog.Product{}, fmt.Errorf("get product: %w", err)
	}
	return product.Product, nil
}

// load gives a product by id or slug. Errors: catalog.ErrProductNotFound.
func load(ctx context.Context, c db.Conn, idOrSlug string) (store.Product, error) {
	number, err := numberOf(ctx, c, idOrSlug, false)
	if err != nil {
		return store.Product{}, err
	}
	p, ok, err := store.LoadProduct(ctx, c, number)
	if err == nil && !ok {
		err = catalog.ErrProductNotFound
	}
	return p, err
}

// loadToChange gives a product that nobody else changes until the transaction
// ends. Errors: catalog.ErrProductNotFound.
func loadToChange(ctx context.Context, tx *db.Tx, idOrSlug string) (store.Product, error) {
	number, err := numberOf(ctx, tx, idOrSlug, false)
	if err != nil {
		return store.Product{}, err
	}
	if err := store.LockProducts(ctx, tx, number); err != nil {
		return store.Product{}, err
	}
	p, ok, err := store.LoadProduct(ctx, tx, number)
	if err == nil && (!ok || p.Slug != idOrSlug && p.ID != strings.ToLower(idOrSlug)) {
		err = catalog.ErrProductNotFound // it has another slug since
	}
	return p, err
}

// numberOf gives the number of a product. No slug has the shape of an id.
// Errors: catalog.ErrProductNotFound.
func numberOf(ctx context.Context, c db.Conn, idOrSlug string, activeOnly bool) (number int64, err error) {
	find := store.NumberBySlug
	if isID(idOrSlug) {
		find, idOrSlug = store.NumberByID, strings.ToLower(idOrSlug)
	}
	number, err = find(ctx, c, idOrSlug, activeOnly)
	if err == nil && number == 0 {
		err = catalog.ErrProductNotFound
	}
	return number, err
}

// isID tells whether a text has the shape of an id, as it is written here.
func isID(text string) bool { return len(text) == 36 && uuid.Validate(text) == nil }

// CreateProduct makes a product. Errors: catalog.ErrSlugTaken,
// catalog.ErrSKUTaken, errs.ErrInvalid.
func (s *Service) CreateProduct(ctx context.Context, n NewProduct) (catalog.Product, error) {
	now := s.clock.Now()
	made := catalog.Product{
		ID: s.clock.ID(), Slug: n.Slug, Title: n.Title, Description: n.Description, Status: n.Status, Vendor: n.Vendor,
		ProductType: n.ProductType, Tags: n.Tags, Images: newImages(n.Images), Options: n.Options,
		Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	if made.Slug == "" {
		made.Slug = format.Slug(n.Title)
	}
	var created store.Product
	err := s.writeProducts(ctx, func(ctx context.Context, tx *db.Tx) error {
		p := store.Product{Product: made}
		if n.Slug == "" {
			if err := numberSlug(ctx, tx, &p); err != nil {
				return err
			}
		}
		// SKUs may be made from the slug.
		for _, v := range n.Variants {
			newVariant(&p.Product, v, s.clock)
		}
		settle(&p.Product)
		if err := check(&p, ""); err != nil {
			return err
		}
		var err error
		if p.Categories, err = categoryRefs(ctx, tx, n.CategoryIDs); err != nil {
			return err
		}
		if err := unclaimed(ctx, tx, &p); err != nil {
			return err
		}
		places, err := placesOf(ctx, tx, &p)
		if err != nil {
			return err
		}
		if err := store.InsertProducts(ctx, tx, []*store.Product{&p}, places); err != nil {
			return err
		}
		created, _, err = store.LoadProduct(ctx, tx, p.Number)
		return err
	})
	if err != nil {
		return catalog.Product{}, fmt.Errorf("create product: %w", err)
	}
	return created.Product, nil
}

// PatchProduct changes a product. Errors: catalog.ErrProductNotFound,
// catalog.ErrSlugTaken, errs.ErrInvalid, and what match says.
func (s *Service) PatchProduct(ctx context.Context, idOrSlug string, patch ProductPatch, match Match) (catalog.Product, error) {
	p, err := s.change(ctx, idOrSlug, match, new(string), func(ctx context.Context, tx *db.Tx, p *store.Product) (err error) {
		patch.apply(&p.Product)
		if patch.CategoryIDs != nil {
			p.Categories, err = categoryRefs(ctx, tx, *patch.CategoryIDs)
		}
		return err
	})
	if err != nil {
		return catalog.Product{}, fmt.Errorf("change product: %w", err)
	}
	return p, nil
}

// ArchiveProduct takes a product out of the shop. It stays known to the orders
// that hold it. Errors: catalog.ErrProductNotFound, and what match says.
func (s *Service) ArchiveProduct(ctx context.Context, idOrSlug string, match Match) error {
	_, err := s.change(ctx, idOrSlug, match, new(string), func(_ context.Context, _ *db.Tx, p *store.Product) error {
		p.Status = catalog.StatusArchived
		return nil
	})
	if err != nil {
		return fmt.Errorf("archive product: %w", err)
	}
	return nil
}

// AddVariant adds a variant to a product; it gives the variant and the
// product's version. Errors: catalog.ErrProductNotFound, catalog.ErrSKUTaken,
// errs.ErrInvalid, and what match says.
func (s *Service) AddVariant(ctx context.Context, idOrSlug string, n NewVariant, match Match) (catalog.Variant, int64, error) {
	var sku string
	p, err := s.changeVariant(ctx, idOrSlug, match, &sku, func(p *store.Product) error {
		sku = newVariant(&p.Product, n, s.clock).SKU
		return nil
	})
	if err != nil {
		return catalog.Variant{}, 0, fmt.Errorf("add variant: %w", err)
	}
	return variantOf(p, sku), p.Version, nil
}

// PatchVariant changes a variant; it gives the variant and the product's
// version. Errors: catalog.ErrProductNotFound, catalog.ErrVariantNotFound,
// errs.ErrInvalid, and what match says.
func (s *Service) PatchVariant(ctx context.Context, idOrSlug, sku string, patch VariantPatch, match Match) (catalog.Variant, int64, error) {
	p, err := s.changeVariant(ctx, idOrSlug, match, &sku, func(p *store.Product) error {
		i := indexOf(p.Variants, sku)
		if i < 0 {
			return catalog.ErrVariantNotFound
		}
		patch.apply(&p.Variants[i])
		return nil
	})
	if err != nil {
		return catalog.Variant{}, 0, fmt.Errorf("change variant: %w", err)
	}
	return variantOf(p, sku), p.Version, nil
}

// DeleteVariant takes a variant off a product. Its stock and its ledger stay:
// orders may still commit what they hold or bring it back, and a variant that
// gets the SKU again gets them too. Errors: catalog.ErrProductNotFound,
// catalog.ErrVariantNotFound, and what match says.
func (s *Service) DeleteVariant(ctx context.Context, idOrSlug, sku string, match Match) error {
	_, err := s.changeVariant(ctx, idOrSlug, match, &sku, func(p *store.Product) error {
		i := indexOf(p.Variants, sku)
		if i < 0 {
			return catalog.ErrVariantNotFound
		}
		p.Variants = slices.Delete(p.Variants, i, i+1)
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete variant: %w", err)
	}
	return nil
}

func indexOf(variants []catalog.Variant, sku string) int {
	return slices.IndexFunc(variants, func(v catalog.Variant) bool { return v.SKU == sku })
}

func variantOf(p catalog.Product, sku string) catalog.Variant {
	if i := indexOf(p.Variants, sku); i >= 0 {
		return p.Variants[i]
	}
	return catalog.Variant{}
}

func (s *Service) changeVariant(ctx context.Context, idOrSlug string, match Match, sku *string, fn func(p *store.Product) error) (catalog.Product, error) {
	return s.change(ctx, idOrSlug, match, sku, func(_ context.Context, _ *db.Tx, p *store.Product) error { return fn(p) })
}

// change changes a product and its variants in one transaction. fn is handed a
// copy; where that stays the same, so does the version. Variant is the SKU of
// the one variant that it is about, as fn leaves it, or else "".
func (s *Service) change(ctx context.Context, idOrSlug string, match Match, variant *string,
	fn func(ctx context.Context, tx *db.Tx, p *store.Product) error,
) (catalog.Product, error) {
	var changed store.Product
	err := s.writeProducts(ctx, func(ctx context.Context, tx *db.Tx) error {
		before, err := loadToChange(ctx, tx, idOrSlug)
		if err != nil {
			return err
		}
		if match != nil {
			if err := match(before.Version); err != nil {
				return err
			}
		}
		after := before
		after.Variants, after.Options = slices.Clone(before.Variants), slices.Clone(before.Options)
		if err := fn(ctx, tx, &after); err != nil {
			return err
		}
		settle(&after.Product)
		if changed = before; store.Same(&before, &after) {
			return nil
		}
		if err := check(&after, *variant); err != nil {
			return err
		}
		if err := unclaimed(ctx, tx, &after); err != nil {
			return err
		}
		places, err := placesOf(ctx, tx, &before, &after)
		if err != nil {
			return err
		}
		after.Stamp(s.clock.Now())
		if err := store.UpdateProduct(ctx, tx, &before, &after, places); err != nil {
			return err
		}
		s.changed(tx, after.Number)
		changed, _, err = store.LoadProduct(ctx, tx, after.Number)
		return err
	})
	return changed.Product, err
}

// numberSlug has a slug that was made from a title told apart from those of
// other products: by a number, and after many of one title by the product's id.
func numberSlug(ctx context.Context, tx *db.Tx, p *store.Product) error {
	const most = 20
	candidates := []string{p.Slug}
	for n := 2; n <= most; n++ {
		candidates = append(candidates, fmt.Sprintf("%s-%d", p.Slug, n))
	}
	if err := tx.Lock(ctx, "slug/"+p.Slug); err != nil { // others may be numbering it too
		return err
	}
	taken, err := store.ProductsWithSlugs(ctx, tx, candidates)
	if err != nil {
		return err
	}
	for _, slug := range candidates {
		if taken[slug] == 0 {
			p.Slug = slug
			return nil
		}
	}
	p.Slug += "-" + p.ID[len(p.ID)-12:]
	return nil
}

// unclaimed sees that the slug and the SKUs of a product are no other's.
func unclaimed(ctx context.Context, tx *db.Tx, p *store.Product) error {
	slugs, err := store.ProductsWithSlugs(ctx, tx, []string{p.Slug})
	if err != nil {
		return err
	}
	if owner := slugs[p.Slug]; owner != 0 && owner != p.Number {
		return catalog.ErrSlugTaken.With("another product has the slug %q", p.Slug)
	}
	skus := make([]string, len(p.Variants))
	for i, v := range p.Variants {
		skus[i] = v.SKU
	}
	owners, err := store.ProductsWithSKUs(ctx, tx, skus)
	if err != nil {
		return err
	}
	for _, sku := range skus {
		if owner := owners[sku]; owner != 0 && owner != p.Number {
			return catalog.ErrSKUTaken.With("another variant has the SKU %q", sku)
		}
	}
	return nil
}

// categoryRefs gives the categories with these ids, each once.
func categoryRefs(ctx context.Context, tx *db.Tx, ids []string) ([]catalog.CategoryRef, error) {
	if len(ids) > format.MaxCategories {
		return nil, errs.ErrInvalid.Field("body.category_ids", "there are more than %d", format.MaxCategories)
	}
	known, err := store.CategoriesByID(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	refs := make([]catalog.CategoryRef, 0, len(ids))
	invalid := errs.ErrInvalid
	for i, id := range ids {
		c, ok := known[id]
		if !ok {
			invalid = invalid.Field(fmt.Sprintf("body.category_ids[%d]", i), "there is no such category")
			continue
		}
		if !slices.ContainsFunc(refs, func(r catalog.CategoryRef) bool { return r.ID == id }) {
			refs = append(refs, refOf(c.Category))
		}
	}
	if len(invalid.Fields) > 0 {
		return nil, invalid
	}
	return refs, nil
}

func refOf(c catalog.Category) catalog.CategoryRef {
	return catalog.CategoryRef{ID: c.ID, Slug: c.Slug, Name: c.Name, Path: c.Path}
}

var errUnplaced = errors.New("a product stands in a category that is not there")

// placesOf gives the numbers of the categories that products stand in, and of
// all above them.
func placesOf(ctx context.Context, c db.Conn, products ...*store.Product) (store.Places, error) {
	var paths []string
	for _, p := range products {
		for _, ref := range p.Categories {
			paths = append(paths, store.Ancestry(ref.Path)...)
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	categories, err := store.CategoriesByPath(ctx, c, paths)
	if err != nil {
		return nil, err
	}
	if len(categories) < len(paths) {
		return nil, errUnplaced
	}
	places := make(store.Places, len(paths))
	for path, category := range categories {
		places[path] = category.Number
	}
	return places, nil
}
