package service

import (
	"context"
	"slices"
	"sync"
	"time"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
)

// lookEvery finds orders that another process has settled.
const lookEvery = 500 * time.Millisecond

// waiting is who waits in this process for orders to be settled: to leave
// pending.
type waiting struct {
	mu      sync.Mutex
	byOrder map[string][]chan store.Order
}

func newWaiting() *waiting { return &waiting{byOrder: map[string][]chan store.Order{}} }

// add gives a channel that is sent the order once it is settled. Call leave in
// the end.
func (w *waiting) add(id string) (settled <-chan store.Order, leave func()) {
	c := make(chan store.Order, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.byOrder[id] = append(w.byOrder[id], c)
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		others := slices.DeleteFunc(w.byOrder[id], func(other chan store.Order) bool { return other == c })
		if w.byOrder[id] = others; len(others) == 0 {
			delete(w.byOrder, id)
		}
	}
}

// tell tells those who wait for an order that it is settled. It never waits.
func (w *waiting) tell(o store.Order) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.byOrder[o.ID] {
		c <- o
	}
	delete(w.byOrder, o.ID)
}

// await gives an order once it is settled, or as it is when the time is over
// or nobody waits any more. Who calls it has added itself before it saw o.
func (s *Service) await(ctx context.Context, settled <-chan store.Order, o store.Order, wait time.Duration) store.Order {
	over := s.Clock.NewTimer(wait)
	defer over.Stop()
	for o.Status == orders.StatusPending {
		look := s.Clock.NewTimer(lookEvery)
		select {
		case o = <-settled:
		case <-look.C():
			if now, err := store.ReadOrder(ctx, s.DB.Read(), o.ID, ""); err == nil {
				o = now
			}
		case <-over.C():
			look.Stop()
			return o
		case <-ctx.Done():
			look.Stop()
			return o
		}
		look.Stop()
	}
	return o
}
