// Package catalogtest is what neighbours of the catalog test with: a fake of
// its Service that lives in memory, and the contract suite that the fake, the
// service itself and its client all pass.
//
// Tests import it, and nothing else does.
package catalogtest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"stoa/modules/catalog"
	"stoa/platform/clock"
	"stoa/platform/errs"
)

// ReservationTTL is how long a reservation with the fake lasts.
const ReservationTTL = time.Hour

// Fake is a catalog in memory that keeps the contract of catalog.Service. It is
// safe for concurrent use.
type Fake struct {
	clock clock.Clock

	mu           sync.Mutex
	products     map[string]catalog.Product // by id, without stock
	offers       map[string]catalog.Offer   // by SKU, without Available
	stock        map[string]*shelf          // by SKU
	reservations map[string]*reservation    // by order
	before       func(ctx context.Context, method string) error
}

type shelf struct{ onHand, reserved int64 }

type state int

const (
	held state = iota
	committed
	released
	expired
)

type reservation struct {
	catalog.Reservation
	state    state
	returned bool
}

// NewFake gives an empty catalog.
func NewFake(c clock.Clock) *Fake {
	return &Fake{
		clock:        c,
		products:     map[string]catalog.Product{},
		offers:       map[string]catalog.Offer{},
		stock:        map[string]*shelf{},
		reservations: map[string]*reservation{},
	}
}

// Before has fn called with the name of each method before it does anything;
// what fn returns is the method's answer unless it is nil. It is for neighbours
// that are slow or away; nil ends it.
func (f *Fake) Before(fn func(ctx context.Context, method string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = fn
}

// Sell puts an active product with one variant on sale, with offer.Available
// on hand, and gives the offer as GetOffers does. An empty ProductID is filled in.
func (f *Fake) Sell(_ testing.TB, offer catalog.Offer) catalog.Offer {
	if offer.ProductID == "" {
		offer.ProductID = f.clock.ID()
	}
	now := f.clock.Now()
	f.AddProduct(catalog.Product{
		ID: offer.ProductID, Slug: "product-" + offer.ProductID, Title: offer.Title, Status: catalog.StatusActive,
		Tags: []string{}, Categories: []catalog.CategoryRef{}, Images: []catalog.Image{}, Options: []catalog.Option{},
		Variants: []catalog.Variant{{
			ID: f.clock.ID(), SKU: offer.SKU, Options: map[string]string{}, Price: offer.Price, Position: 1,
			Stock: catalog.Stock{Available: offer.Available},
		}},
		Version: 1, CreatedAt: now, UpdatedAt: now,
	})
	return offer
}

// AddProduct adds a product or replaces the one with its id. What each variant
// says is available is on hand from now on.
func (f *Fake) AddProduct(p catalog.Product) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, v := range f.products[p.ID].Variants {
		delete(f.offers, v.SKU)
	}
	for _, v := range p.Variants {
		title := p.Title
		if len(p.Variants) > 1 && v.Title != "" {
			title += " – " + v.Title
		}
		f.offers[v.SKU] = catalog.Offer{SKU: v.SKU, ProductID: p.ID, Title: title, Price: v.Price}
		s := f.shelf(v.SKU)
		s.onHand = s.reserved + v.Stock.Available
	}
	f.products[p.ID] = p
}

// Withdraw archives a product: it is no longer for sale, and not forgotten.
func (f *Fake) Withdraw(t testing.TB, productID string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.products[productID]
	if !ok {
		t.Fatalf("the fake catalog has no product %q", productID)
	}
	p.Status = catalog.StatusArchived
	f.products[productID] = p
}

// SetOnHand sets how many of a variant there are. It may not be below what is reserved.
func (f *Fake) SetOnHand(t testing.TB, sku string, onHand int64) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	s := f.shelf(sku)
	if onHand < s.reserved {
		t.Fatalf("%d of %s are reserved: there cannot be %d", s.reserved, sku, onHand)
	}
	s.onHand = onHand
}

// Stock tells how many of a variant there are, as staff see it.
func (f *Fake) Stock(_ testing.TB, sku string) catalog.Stock {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.expire()
	s := *f.shelf(sku)
	return catalog.Stock{OnHand: &s.onHand, Reserved: &s.reserved, Available: s.onHand - s.reserved}
}

func (f *Fake) shelf(sku string) *shelf {
	s, ok := f.stock[sku]
	if !ok {
		s = &shelf{}
		f.stock[sku] = s
	}
	return s
}

// enter begins a method; leave ends it.
func (f *Fake) enter(ctx context.Context, method string) error {
	f.mu.Lock()
	before := f.before
	f.mu.Unlock()
	if before != nil {
		if err := before(ctx, method); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	f.expire()
	return nil
}

func (f *Fake) leave() { f.mu.Unlock() }

// expire gives back what was reserved too long ago.
func (f *Fake) expire() {
	now := f.clock.Now()
	for _, r := range f.reservations {
		if r.state != held || r.ExpiresAt.After(now) {
			continue
		}
		for _, item := range r.Items {
			f.shelf(item.SKU).reserved -= item.Quantity
		}
		r.state = expired
	}
}

// GetOffers keeps the contract of catalog.Service.
func (f *Fake) GetOffers(ctx context.Context, r catalog.GetOffersRequest) ([]catalog.Offer, error) {
	if err := catalog.CheckBatch("skus", r.SKUs); err != nil {
		return nil, err
	}
	if err := f.enter(ctx, "GetOffers"); err != nil {
		return nil, err
	}
	defer f.leave()
	offers := []catalog.Offer{}
	for _, sku := range distinct(r.SKUs) {
		offer, ok := f.offers[sku]
		if !ok || f.products[offer.ProductID].Status != catalog.StatusActive {
			continue
		}
		s := f.shelf(sku)
		offer.Available = s.onHand - s.reserved
		offers = append(offers, offer)
	}
	return offers, nil
}

// GetProducts keeps the contract of catalog.Service.
func (f *Fake) GetProducts(ctx context.Context, r catalog.GetProductsRequest) ([]catalog.Product, error) {
	if err := catalog.CheckBatch("ids", r.IDs); err != nil {
		return nil, err
	}
	if err := f.enter(ctx, "GetProducts"); err != nil {
		return nil, err
	}
	defer f.leave()
	products := []catalog.Product{}
	for _, id := range distinct(r.IDs) {
		p, ok := f.products[id]
		if !ok {
			continue
		}
		p.Variants = slices.Clone(p.Variants)
		for i, v := range p.Variants {
			s := f.shelf(v.SKU)
			p.Variants[i].Stock = catalog.Stock{Available: s.onHand - s.reserved}
		}
		products = append(products, p)
	}
	return products, nil
}

// Reserve keeps the contract of catalog.Service.
func (f *Fake) Reserve(ctx context.Context, r catalog.ReserveRequest) (catalog.Reservation, error) {
	if err := r.Check(); err != nil {
		return catalog.Reservation{}, err
	}
	if err := f.enter(ctx, "Reserve"); err != nil {
		return catalog.Reservation{}, err
	}
	defer f.leave()
	switch known, ok := f.reservations[r.OrderID]; {
	case ok && (known.state == released || known.state == expired):
		return catalog.Reservation{}, catalog.ErrReservationClosed
	case ok:
		return known.Reservation, nil
	}
	items := slices.SortedFunc(slices.Values(r.Items), func(a, b catalog.Item) int { return cmp.Compare(a.SKU, b.SKU) })
	for _, item := range items {
		if _, ok := f.offers[item.SKU]; !ok {
			return catalog.Reservation{}, catalog.ErrVariantNotFound.With("there is no variant %q", item.SKU)
		}
		if s := f.shelf(item.SKU); s.onHand-s.reserved < item.Quantity {
			return catalog.Reservation{}, catalog.InsufficientStock(item.SKU, s.onHand-s.reserved)
		}
	}
	for _, item := range items {
		f.shelf(item.SKU).reserved += item.Quantity
	}
	made := &reservation{Reservation: catalog.Reservation{OrderID: r.OrderID, Items: items, ExpiresAt: f.clock.Now().Add(ReservationTTL)}}
	f.reservations[r.OrderID] = made
	return made.Reservation, nil
}

// Commit keeps the contract of catalog.Service.
func (f *Fake) Commit(ctx context.Context, r catalog.CommitRequest) error {
	if r.OrderID == "" {
		return errs.ErrInvalid.Field("order_id", "is missing")
	}
	if err := f.enter(ctx, "Commit"); err != nil {
		return err
	}
	defer f.leave()
	known, ok := f.reservations[r.OrderID]
	switch {
	case !ok || known.state == released:
		return catalog.ErrReservationClosed
	case known.state == committed:
		return nil
	case known.state == expired:
		for _, item := range known.Items {
			if s := f.shelf(item.SKU); s.onHand-s.reserved < item.Quantity {
				return catalog.ErrReservationClosed
			}
		}
	default:
		for _, item := range known.Items {
			f.shelf(item.SKU).reserved -= item.Quantity
		}
	}
	for _, item := range known.Items {
		f.shelf(item.SKU).onHand -= item.Quantity
	}
	known.state = committed
	return nil
}

// Release keeps the contract of catalog.Service.
func (f *Fake) Release(ctx context.Context, r catalog.ReleaseRequest) (catalog.Release, error) {
	if r.OrderID == "" {
		return catalog.Release{}, errs.ErrInvalid.Field("order_id", "is missing")
	}
	if err := f.enter(ctx, "Release"); err != nil {
		return catalog.Release{}, err
	}
	defer f.leave()
	known, ok := f.reservations[r.OrderID]
	if !ok {
		known = &reservation{Reservation: catalog.Reservation{OrderID: r.OrderID}, state: released}
		f.reservations[r.OrderID] = known
	}
	for _, item := range known.Items {
		switch known.state {
		case held:
			f.shelf(item.SKU).reserved -= item.Quantity
		case committed:
			f.shelf(item.SKU).onHand += item.Quantity
		}
	}
	known.returned = known.returned || known.state == committed
	known.state = released
	return catalog.Release{OrderID: r.OrderID, Items: known.Items, Returned: known.returned}, nil
}

// distinct gives the texts without repetitions, in order of their first appearance.
func distinct(list []string) []string {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(slices.Clone(list), func(text string) bool {
		again := seen[text]
		seen[text] = true
		return again
	})
}
