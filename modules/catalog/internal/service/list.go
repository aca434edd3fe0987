package service

import (
	"context"
	"fmt"
	"math"
	"slices"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
	"stoa/platform/errs"
	"stoa/platform/money"
)

// ListQuery is which products to list, and how. Its zero value lists none of
// them, for Limit is 0.
type ListQuery struct {
	Text     string
	Category string // a path, or else a slug; what lies below it is included
	Tag      string
	Vendor   string
	SKU      string
	Status   string
	MinPrice *int64 // minor units of Currency
	MaxPrice *int64
	Currency string // "" is shop.currency where there is a price
	InStock  *bool
	Sort     string // one of the Sorts; "" is by relevance where there is a text, else the newest first
	After    Position
	Limit    int
}

// Position is a place in a list; the zero Position is before the first.
type Position = store.Position

// The orders of a list.
const (
	SortCreated     = string(store.ByAge)
	SortCreatedDesc = string(store.ByAgeDesc)
	SortPrice       = string(store.ByPrice)
	SortPriceDesc   = string(store.ByPriceDesc)
	SortTitle       = string(store.ByTitle)
	SortRelevance   = "relevance"
)

// ListProducts gives a page of products as staff see them, and where the next
// begins; nil on the last. Errors: errs.ErrInvalid.
func (s *Service) ListProducts(ctx context.Context, q ListQuery) ([]catalog.Product, *Position, error) {
	var (
		products = []catalog.Product{}
		next     *Position
	)
	err := s.db.Snapshot(ctx, func(ctx context.Context, c db.Conn) error {
		page, err := s.page(ctx, c, q)
		if err != nil {
			return err
		}
		page, next = cut(page, q.Limit)
		loaded, err := store.LoadProducts(ctx, c, numbersOf(page))
		for _, p := range loaded {
			products = append(products, p.Product)
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list products: %w", err)
	}
	return products, next, nil
}

// ListViews gives a page of products as customers see them. It asks the database
// for the page, and for those of its products only that it does not remember.
func (s *Service) ListViews(ctx context.Context, q ListQuery) ([]*View, *Position, error) {
	if q.Status != "" && q.Status != catalog.StatusActive {
		return nil, nil, nil
	}
	q.Status = catalog.StatusActive
	page, err := s.page(ctx, s.db.Read(), q)
	if err != nil {
		return nil, nil, fmt.Errorf("list products: %w", err)
	}
	page, next := cut(page, q.Limit)
	views, err := s.viewsOf(ctx, numbersOf(page))
	if err != nil {
		return nil, nil, fmt.Errorf("list products: %w", err)
	}
	return views, next, nil
}

// cut takes off what shows only that there is more.
func cut(page []Position, limit int) ([]Position, *Position) {
	if len(page) <= limit {
		return page, nil
	}
	page = page[:limit]
	return page, &page[limit-1]
}

func numbersOf(page []Position) []int64 {
	numbers := make([]int64, len(page))
	for i, p := range page {
		numbers[i] = p.Number
	}
	return numbers
}

// page gives the places of a page, and one more where there is one.
func (s *Service) page(ctx context.Context, c db.Conn, q ListQuery) ([]Position, error) {
	filter, some, err := s.filter(ctx, c, q)
	if err != nil || !some {
		return nil, err
	}
	limit := q.Limit + 1
	order := store.Order(q.Sort)
	if q.Sort == "" || q.Sort == SortRelevance {
		order = store.ByAgeDesc
	}
	if q.Text == "" {
		if q.SKU != "" {
			return store.ListSKU(ctx, c, q.SKU, filter, q.After)
		}
		return store.List(ctx, c, order, filter, q.After, limit)
	}
	text, some := store.ParseQuery(q.Text)
	switch {
	case !some:
		return nil, nil
	case (q.Sort == "" || q.Sort == SortRelevance) && q.SKU == "":
		return store.ListRelevant(ctx, c, text, filter, q.After, limit)
	}
	return store.ListMatching(ctx, c, text, order, filter, q.After, limit)
}

// filter turns a query into what the tables are asked; it is false where
// nothing can be found. Errors: errs.ErrInvalid.
func (s *Service) filter(ctx context.Context, c db.Conn, q ListQuery) (f store.Filter, some bool, err error) {
	f = store.Filter{Status: q.Status, MaxPrice: math.MaxInt64}
	if q.Tag != "" {
		f.Scopes = append(f.Scopes, store.TagScope(q.Tag))
	}
	if q.Vendor != "" {
		f.Scopes = append(f.Scopes, store.VendorScope(q.Vendor))
	}
	if q.MinPrice != nil || q.MaxPrice != nil || q.Currency != "" {
		if f.Currency = q.Currency; f.Currency == "" {
			f.Currency = s.shop.Currency
		}
		if !money.ValidCurrency(f.Currency) {
			return f, false, errs.ErrInvalid.Field("query.currency", "is no currency of ISO 4217")
		}
		if q.MinPrice != nil {
			f.MinPrice = *q.MinPrice
		}
		if q.MaxPrice != nil {
			f.MaxPrice = *q.MaxPrice
		}
		// A product without variants has no price; the largest number stands for it.
		if f.MaxPrice = min(f.MaxPrice, store.NoPrice-1); f.MinPrice > f.MaxPrice {
			return f, false, nil
		}
	}
	if q.Category != "" {
		number, several, err := store.FindCategory(ctx, c, q.Category)
		switch {
		case err != nil || number == 0:
			return f, false, err
		case several:
			f.Category = q.Category
		default:
			f.Scopes = append(f.Scopes, store.CategoryScope(number))
		}
	}
	if q.SKU != "" {
		if f.Product, err = store.NumberBySKU(ctx, c, q.SKU); err != nil || f.Product == 0 {
			return f, false, err
		}
	}
	if q.InStock != nil {
		if f.OutOfStock = !*q.InStock; *q.InStock {
			f.Scopes = append(f.Scopes, store.ScopeInStock)
		}
	}
	return f, true, nil
}

// ViewProduct gives an active product by id or slug as customers see it. Errors:
// catalog.ErrProductNotFound.
func (s *Service) ViewProduct(ctx context.Context, idOrSlug string) (*View, error) {
	if view := s.views.named(idOrSlug); view != nil {
		return view, nil
	}
	number, err := numberOf(ctx, s.db.Read(), idOrSlug, true)
	if err != nil {
		return nil, fmt.Errorf("view product: %w", err)
	}
	views, err := s.viewsOf(ctx, []int64{number})
	switch {
	case err != nil:
		return nil, fmt.Errorf("view product: %w", err)
	case len(views) == 0:
		return nil, catalog.ErrProductNotFound
	}
	s.views.name(idOrSlug, number)
	return views[0], nil
}

// viewsOf gives active products as customers see them; others are left out.
func (s *Service) viewsOf(ctx context.Context, numbers []int64) ([]*View, error) {
	views := make([]*View, len(numbers))
	var (
		missing []int64
		marks   = map[int64]uint64{}
	)
	for i, number := range numbers {
		if views[i] = s.views.get(number); views[i] == nil {
			missing = append(missing, number)
			marks[number] = s.views.mark(number)
		}
	}
	if len(missing) == 0 {
		return views, nil
	}
	readAt := s.clock.Now()
	read := make(map[int64]*View, len(missing))
	err := s.db.Snapshot(ctx, func(ctx context.Context, c db.Conn) error {
		products, err := store.LoadProducts(ctx, c, missing)
		for _, p := range products {
			if p.Status != catalog.StatusActive {
				continue // it was when the page was read
			}
			if read[p.Number], err = newView(p, readAt); err != nil {
				return err
			}
			s.views.put(p.Number, marks[p.Number], read[p.Number])
		}
		return err
	})
	for i, number := range numbers {
		if views[i] == nil {
			views[i] = read[number]
		}
	}
	return slices.DeleteFunc(views, func(v *View) bool { return v == nil }), err
}

// tidySearch merges what a large change has left of the index of words in many
// pieces. Between its steps others write; where it ends early, searches only
// take longer.
func (s *Service) tidySearch(ctx context.Context) {
	for begin, more := true, true; more; begin = false {
		err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			more, err = store.MergeSearch(ctx, tx, begin)
			return err
		})
		if err != nil {
			if ctx.Err() == nil {
				s.log.WarnContext(ctx, "the search index is not merged", "error", err)
			}
			return
		}
	}
}
