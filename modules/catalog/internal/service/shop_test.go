package service_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	catalogmigrations "stoa/migrations/catalog"
	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/money"
	"stoa/platform/outbox"
)

// shop is a catalog on a database of its own.
type shop struct {
	*service.Service
	clock *clock.Fake
	db    *db.DB
}

var begin = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// open gives an empty shop whose clock stands still until the test moves it.
func open(t testing.TB) *shop {
	t.Helper()
	s := &shop{clock: clock.NewFake(begin, 1), db: dbtest.Open(t, catalog.Name, catalogmigrations.FS)}
	s.Service = s.instance()
	return s
}

// instance gives a further instance of the catalog on the same database.
func (s *shop) instance() *service.Service {
	log := slog.New(slog.DiscardHandler)
	return service.New(service.Deps{
		DB: s.db, Clock: s.clock, Log: log, Config: service.DefaultConfig(), Shop: service.DefaultShopConfig(),
		Outbox: outbox.New(catalog.Name, s.db, bus.NewInProcess(), s.clock, log, outbox.Options{}),
	})
}

func usd(amount int64) money.Money { return money.Money{Amount: amount, Currency: "USD"} }

// Sell puts a product with one variant on sale.
func (s *shop) Sell(t testing.TB, offer catalog.Offer) catalog.Offer {
	t.Helper()
	p, err := s.CreateProduct(t.Context(), service.NewProduct{
		Title: offer.Title, Status: catalog.StatusActive, Variants: []service.NewVariant{{SKU: offer.SKU, Price: offer.Price}},
	})
	require.NoError(t, err)
	if offer.Available > 0 {
		s.adjust(t, offer.SKU, offer.Available)
	}
	offer.ProductID = p.ID
	return offer
}

// Withdraw archives a product.
func (s *shop) Withdraw(t testing.TB, productID string) {
	t.Helper()
	require.NoError(t, s.ArchiveProduct(t.Context(), productID, nil))
}

// Stock tells how many of a variant there are.
func (s *shop) Stock(t testing.TB, sku string) catalog.Stock {
	t.Helper()
	i, err := s.GetInventory(t.Context(), sku)
	require.NoError(t, err)
	return catalog.Stock{OnHand: &i.OnHand, Reserved: &i.Reserved, Available: i.Available}
}

// sell puts so many of a SKU on sale, as a product of its own.
func (s *shop) sell(t testing.TB, sku string, available int64) catalog.Offer {
	t.Helper()
	return s.Sell(t, catalog.Offer{SKU: sku, Title: "The " + sku, Price: usd(1999), Available: available})
}

func (s *shop) adjust(t testing.TB, sku string, delta int64) service.Adjustment {
	t.Helper()
	a, err := s.Adjust(t.Context(), sku, delta, "counted")
	require.NoError(t, err)
	return a
}

// wantStock holds what there is of a SKU against what should be.
func (s *shop) wantStock(t testing.TB, sku string, onHand, reserved int64) {
	t.Helper()
	i, err := s.GetInventory(t.Context(), sku)
	require.NoError(t, err)
	require.Equal(t, service.Inventory{SKU: sku, OnHand: onHand, Reserved: reserved, Available: onHand - reserved}, i)
}

func (s *shop) reserve(t testing.TB, order string, items ...catalog.Item) catalog.Reservation {
	t.Helper()
	r, err := s.Reserve(t.Context(), catalog.ReserveRequest{OrderID: order, Items: items})
	require.NoError(t, err)
	return r
}

func (s *shop) create(t testing.TB, n service.NewProduct) catalog.Product {
	t.Helper()
	if n.Status == "" {
		n.Status = catalog.StatusActive
	}
	p, err := s.CreateProduct(t.Context(), n)
	require.NoError(t, err)
	return p
}

func (s *shop) category(t testing.TB, slug string, parent *catalog.Category) catalog.Category {
	t.Helper()
	n := service.NewCategory{Slug: slug, Name: "Category " + slug}
	if parent != nil {
		n.ParentID = &parent.ID
	}
	c, err := s.CreateCategory(t.Context(), n)
	require.NoError(t, err)
	return c
}

// published gives what the shop has said so far, by way of a bus.
func (s *shop) published(t testing.TB) []bus.Event {
	t.Helper()
	b := bus.NewInProcess()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var events []bus.Event
	require.NoError(t, b.Subscribe(ctx, "test", []string{catalog.StockReleased{}.EventType()}, func(_ context.Context, list []bus.Event) error {
		events = append(events, list...)
		if len(list) < batch {
			defer cancel()
		}
		return nil
	}))
	relay := outbox.New(catalog.Name, s.db, b, s.clock, slog.New(slog.DiscardHandler), outbox.Options{})
	backlog, err := relay.Backlog(ctx)
	require.NoError(t, err)
	if backlog == 0 {
		return nil
	}
	require.NoError(t, relay.Relay(ctx))
	return events
}

// batch is how many events a relay hands over at once.
const batch = 256

// all gives every page of a list as staff see it.
func (s *shop) all(t testing.TB, q service.ListQuery) []catalog.Product {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 200
	}
	var list []catalog.Product
	for {
		page, next, err := s.ListProducts(t.Context(), q)
		require.NoError(t, err)
		list = append(list, page...)
		if next == nil {
			return list
		}
		require.Len(t, page, q.Limit)
		q.After = *next
	}
}

func slugs(products []catalog.Product) []string {
	list := make([]string, len(products))
	for i, p := range products {
		list[i] = p.Slug
	}
	return list
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// run runs a worker; the function it gives stops it and waits.
func (s *shop) run(t testing.TB, work func(ctx context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- work(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-ended)
		})
	}
	t.Cleanup(stop)
	return stop
}

// together calls fn n times at the same time and waits for all.
func together(n int, fn func(i int)) {
	var calls sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		calls.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	calls.Wait()
}

// inStock lists what something is available of, or the rest.
func inStock(yes bool) service.ListQuery { return service.ListQuery{InStock: &yes, Limit: 200} }
