package service_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/modules/catalog"
	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/modules/payments"
	"stoa/platform/bus"
	"stoa/platform/db"
)

// projections gives all there is of the newest orders but their events.
func (s *shop) projections(limit int) []store.Order {
	s.t.Helper()
	list, err := store.ListOrders(s.t.Context(), s.db.Read(), store.Filter{}, limit)
	require.NoError(s.t, err)
	return list
}

func (s *shop) rebuild(after string) (orders int, last string) {
	s.t.Helper()
	require.NoError(s.t, s.Rebuild(s.t.Context(), after, func(n int, id string) { orders, last = orders+n, id }))
	return orders, last
}

// TestWhatIsMadeAnewIsWhatWasThere does at random what can be done to orders,
// in whatever order neighbours tell of it.
func TestWhatIsMadeAnewIsWhatWasThere(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.sell("lamp", usd(500), 1_000_000)
	s.start()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.RunCheckouts(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	after := ""
	rapid.Check(t, func(r *rapid.T) {
		ids := s.random(r)
		live := s.projections(len(ids))
		s.damage(
			"UPDATE orders SET status = 'lost', stock = '', items = '[]', subtotal = 7, total = 8, payment_status = '', captured = 9, refunded = 9, refund_ids = '[]', failure_code = 'x', updated_at = 1, version = version + 3 WHERE id > '"+ids[0]+"'",
			"DELETE FROM orders WHERE id = '"+ids[0]+"'")
		n, last := s.rebuild(after)
		require.Equal(t, len(ids), n)
		require.Equal(t, ids[len(ids)-1], last)
		require.Equal(t, live, s.projections(len(ids)))
		after = last
	})
}

// hear has the effect of an event.
func (s *shop) hear(effect db.Effect, err error) {
	s.t.Helper()
	require.NoError(s.t, err)
	require.NoError(s.t, s.db.Write(s.t.Context(), effect))
}

// random places orders, does something with them, and gives their ids.
func (s *shop) random(r *rapid.T) (ids []string) {
	for range rapid.IntRange(1, 4).Draw(r, "orders") {
		token := rapid.SampledFrom([]string{"tok_approve", "tok_approve", "tok_decline"}).Draw(r, "token")
		ids = append(ids, s.buy(token, "lamp").ID)
	}
	ctx, now := s.t.Context(), bus.Event{Time: time.Now().Add(-time.Second).UTC().Truncate(time.Microsecond)} // it came late
	for range rapid.IntRange(0, 12).Draw(r, "steps") {
		id := rapid.SampledFrom(ids).Draw(r, "id")
		switch rapid.SampledFrom([]string{"cancel", "ship", "deliver", "refund", "refunded", "voided", "released"}).Draw(r, "step") {
		case "cancel":
			_ = s.cancel(ada, id) // where it may not be, nothing happens
		case "ship":
			_ = s.ship(id)
		case "deliver":
			_, _ = s.DeliverOrder(ctx, staff, id, nil)
		case "refund":
			_, _ = s.RefundOrder(ctx, id, usd(rapid.Int64Range(1, 600).Draw(r, "amount")), "", nil)
		case "refunded":
			s.hear(s.OnPaymentRefunded(ctx, now, payments.Refunded{OrderID: id, RefundID: s.Clock.ID(), Amount: usd(1), Captured: usd(500)}))
		case "voided":
			s.hear(s.OnPaymentVoided(ctx, now, payments.Voided{OrderID: id, Amount: usd(500)}))
		case "released":
			s.hear(s.OnStockReleased(ctx, now, catalog.StockReleased{OrderID: id, Returned: true}))
		}
	}
	return ids
}

func (s *shop) damage(statements ...string) {
	s.t.Helper()
	require.NoError(s.t, s.db.Write(s.t.Context(), func(ctx context.Context, tx *db.Tx) error {
		for _, statement := range statements {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestOrdersMayChangeWhileTheyAreMadeAnew(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.sell("lamp", usd(500), 1000)
	s.open()
	const many = 110 // more than a batch
	ids := make([]string, many)
	var buying sync.WaitGroup
	for i := range ids {
		buying.Go(func() {
			o, err := s.PlaceOrder(t.Context(), ask("tok_approve", "lamp"))
			if err != nil {
				t.Error(err)
			}
			ids[i] = o.ID
		})
	}
	buying.Wait()

	done := make(chan struct{})
	var rebuilding sync.WaitGroup
	rebuilding.Go(func() {
		for {
			if err := s.Rebuild(t.Context(), "", func(int, string) {}); err != nil {
				t.Error(err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for _, id := range ids {
		if err := s.ship(id); err != nil {
			t.Error(err)
		}
	}
	close(done)
	rebuilding.Wait()
	for _, o := range s.projections(many) {
		require.Equal(t, orders.StatusShipped, o.Status)
		require.EqualValues(t, 7, o.Version)
	}
	live := s.projections(many)
	n, _ := s.rebuild("")
	require.Equal(t, many, n)
	require.Equal(t, live, s.projections(many))
}

func TestMakingAnewGoesOnWhereItStopped(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 1000)
		s.open()
		var ids []string
		for range 4 {
			ids = append(ids, s.buy("tok_approve", "lamp").ID)
		}
		live := s.projections(4)
		s.damage("UPDATE orders SET status = 'lost'")
		total, err := s.CountOrders(t.Context(), ids[1])
		require.NoError(t, err)
		require.EqualValues(t, 2, total)
		n, last := s.rebuild(ids[1])
		require.Equal(t, 2, n)
		require.Equal(t, ids[3], last)
		require.Equal(t, live[:2], s.projections(2))
		require.Equal(t, "lost", s.order(ids[0]).Status)
		n, _ = s.rebuild(last)
		require.Zero(t, n)
	})
}

func TestAStreamThatMakesNoSenseIsAnError(t *testing.T) {
	for name, damage := range map[string]string{
		"an unknown type": "UPDATE order_events SET type = 'order_vanished' WHERE sequence = 3",
		"a gap":           "DELETE FROM order_events WHERE sequence = 3",
		"no beginning":    "UPDATE order_events SET type = 'stock_reserved' WHERE sequence = 1",
		"no JSON":         "UPDATE order_events SET data = '{' WHERE sequence = 2",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *shop) {
				s.sell("lamp", usd(500), 1000)
				s.open()
				o := s.buy("tok_approve", "lamp")
				s.damage(damage)
				require.ErrorContains(t, s.Rebuild(t.Context(), "", func(int, string) {}), o.ID)
				require.Equal(t, o, s.order(o.ID), "nothing has changed")
			})
		})
	}
}
