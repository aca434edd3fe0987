package service_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/orders"
	"stoa/platform/saga"
)

// endless is a catalog that never sells out and takes no time.
type endless struct{ catalog.Service }

func (endless) GetOffers(_ context.Context, r catalog.GetOffersRequest) ([]catalog.Offer, error) {
	offers := make([]catalog.Offer, len(r.SKUs))
	for i, sku := range r.SKUs {
		offers[i] = catalog.Offer{SKU: sku, ProductID: ada.UserID, Title: sku, Price: usd(1999), Available: 1000}
	}
	return offers, nil
}

func (endless) Reserve(_ context.Context, r catalog.ReserveRequest) (catalog.Reservation, error) {
	return catalog.Reservation{OrderID: r.OrderID, Items: r.Items}, nil
}

func (endless) Commit(context.Context, catalog.CommitRequest) error { return nil }

// BenchmarkPlaceOrder places orders of two lines and waits for each to be
// confirmed, with neighbours that take no time: what is left is the orders
// module and its database. At 1 it tells the latency, at 64 what the database
// can take.
func BenchmarkPlaceOrder(b *testing.B) {
	for name, buyers := range map[string]int{"1 buyer": 1, "64 buyers": 64} {
		b.Run(name, func(b *testing.B) {
			s := newShop(b)
			var commits atomic.Int64
			s.trace = func(p saga.Point) {
				if p.Phase == "commit" {
					commits.Add(1)
				}
			}
			s.open()
			s.Service.Catalog = endless{}
			var (
				buying sync.WaitGroup
				mu     sync.Mutex
				took   = make([]time.Duration, 0, b.N)
				next   atomic.Int64
			)
			b.ResetTimer()
			for range buyers {
				buying.Go(func() {
					for next.Add(1) <= int64(b.N) {
						began := time.Now()
						o, err := s.PlaceOrder(b.Context(), ask("tok_approve", "lamp", "chair"))
						if err != nil || o.Status != orders.StatusConfirmed {
							b.Error(o.Status, err)
						}
						mu.Lock()
						took = append(took, time.Since(began))
						mu.Unlock()
					}
				})
			}
			buying.Wait()
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(1+float64(commits.Load())/float64(b.N), "commits/order")
		})
	}
}

func BenchmarkRebuild(b *testing.B) {
	s := newShop(b)
	s.sell("lamp", usd(500), 1<<40)
	s.open()
	for range 500 {
		s.buy("tok_approve", "lamp")
	}
	n := 0
	for b.Loop() {
		made, _ := s.rebuild("")
		n += made
	}
	require.Positive(b, n)
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "orders/s")
}
