package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
)

// crash is what a shop promises that is killed at any moment.
func crash() []promise {
	return []promise{
		{"orders survive kill -9 at random moments", ordersSurvive},
		{"an import survives kill -9", importSurvives},
	}
}

const (
	crashWorkers = 12
	crashKills   = 5
	crashSKUs    = 4
	crashInitial = 120 // of each SKU
)

// attempt is one order that somebody wants, under a key of its own.
type attempt struct {
	buyer  *Caller
	key    string
	body   fields
	cancel bool // and then wants it no more

	mu     sync.Mutex
	orders map[string]bool // all orders that answers have named
	status int             // of the last answer
}

// try asks once; it tells whether an answer came that is final.
func (a *attempt) try(ctx context.Context) bool {
	answer := a.buyer.Try(ctx, http.MethodPost, base+"/orders", a.body, key(a.key))
	if answer.Err != nil || answer.Status >= 500 || answer.Status == http.StatusConflict && strings.Contains(string(answer.Body), "in_progress") {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status = answer.Status
	if answer.Status == http.StatusCreated {
		var o Order
		if json.Unmarshal(answer.Body, &o) == nil {
			a.orders[o.ID] = true
		}
	}
	return true
}

// storm places orders from many workers while the shop is killed and restarted.
type storm struct {
	w        *world
	buyers   []*Caller
	skus     []string
	answered atomic.Int64

	mu       sync.Mutex
	attempts []*attempt
}

// want makes the next order that somebody wants: of one or two things, mostly
// paid for, and under a new key.
func (s *storm) want() *attempt {
	tokens := []string{"tok_approve", "tok_approve", "tok_approve", "tok_approve", "tok_decline", "tok_flaky"}
	first := random(len(s.skus))
	items := []fields{line(s.skus[first], 1+random(2))}
	if random(2) == 0 {
		items = append(items, line(s.skus[(first+1)%len(s.skus)], 1))
	}
	a := &attempt{
		buyer: s.buyers[random(len(s.buyers))], key: unique("storm"), cancel: random(6) == 0,
		body: orderBody(tokens[random(len(tokens))], items...), orders: map[string]bool{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, a)
	return a
}

// work wants one order after the other until ctx ends. Most are asked for again
// until there is an answer, and some are left unanswered.
func (s *storm) work(ctx context.Context) {
	for ctx.Err() == nil {
		a := s.want()
		patient := random(4) != 0
		for ctx.Err() == nil {
			if a.try(ctx) {
				s.answered.Add(1)
				break
			}
			if !patient || clock.Sleep(ctx, system(), 20*time.Millisecond) != nil {
				break
			}
		}
		if a.cancel {
			s.callOff(ctx, a)
		}
	}
}

// callOff asks once for the cancellation of what an attempt has made.
func (s *storm) callOff(ctx context.Context, a *attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.orders {
		a.buyer.Try(ctx, http.MethodPost, base+"/orders/"+id+"/cancellation", fields{"reason": "changed my mind"})
	}
}

func ordersSurvive(t *testing.T, shared *world) {
	w := openEmpty(t, shared.topology, "orders.checkout_timeout=5s", "payments.provider_timeout=2s")
	s := &storm{w: w, buyers: []*Caller{w.newcomer(t), w.newcomer(t), w.newcomer(t)}}
	for i := range crashSKUs {
		sku, _ := w.sell(t, usd(int64(100+i)), crashInitial)
		s.skus = append(s.skus, sku)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var workers sync.WaitGroup
	for range crashWorkers {
		workers.Go(func() { s.work(ctx) })
	}
	for range crashKills {
		s.someAnswers(t, 20+random(40))
		w.Kill(t)
		w.Restart(t)
	}
	s.someAnswers(t, 20)
	stop()
	workers.Wait()
	s.askAgain(t)
	s.reckon(t)
}

// someAnswers waits until so many more orders were answered.
func (s *storm) someAnswers(t testing.TB, more int) {
	t.Helper()
	want := s.answered.Load() + int64(more)
	eventually(t, checkoutTimeout, "orders are answered", func() error {
		if now := s.answered.Load(); now < want {
			return fmt.Errorf("%d of %d", now, want)
		}
		return nil
	})
}

// askAgain asks for every order once more, answered or not: each key must have
// made exactly one order, or none where the answer was a refusal.
func (s *storm) askAgain(t testing.TB) {
	t.Helper()
	answers := together(len(s.attempts), func(i int) error {
		ctx, cancel := context.WithTimeout(t.Context(), checkoutTimeout)
		defer cancel()
		for !s.attempts[i].try(ctx) {
			if err := clock.Sleep(ctx, system(), 50*time.Millisecond); err != nil {
				return fmt.Errorf("%s is not answered: %w", s.attempts[i].key, err)
			}
		}
		return nil
	})
	for i, err := range answers {
		require.NoError(t, err)
		a := s.attempts[i]
		switch a.status {
		case http.StatusCreated:
			require.Len(t, a.orders, 1, "one key makes one order: %v", a.orders)
		default:
			require.Equal(t, http.StatusConflict, a.status, "what is ordered may be sold out, and no more")
			require.Empty(t, a.orders, "an order was accepted, and then refused under the same key")
		}
	}
}

// reckon holds the shop to its books once all is quiet.
func (s *storm) reckon(t testing.TB) {
	t.Helper()
	accepted := map[string]bool{}
	for _, a := range s.attempts {
		for id := range a.orders {
			accepted[id] = true
		}
	}
	kept := map[string]bool{}
	for _, o := range all[Order](t, s.w.staff, "/orders", nil) {
		kept[o.ID] = true
	}
	for id := range accepted {
		require.True(t, kept[id], "the order %s was accepted and is lost", id)
	}
	for id := range kept {
		require.True(t, accepted[id], "the order %s is a second one for its key", id)
	}
	require.Greater(t, len(kept), crashKills*20)
	for id := range kept {
		o := s.w.until(t, id, 30*time.Second, func(o Order) bool { return o.Status != "pending" })
		require.Contains(t, []string{"confirmed", "rejected", "canceled"}, o.Status)
	}
	s.w.balanced(t, s.skus, crashInitial)
}

// balanced holds all orders, the stock of SKUs that had so many each, and all
// payments to each other.
func (w *world) balanced(t testing.TB, skus []string, initial int64) {
	t.Helper()
	orders := all[Order](t, w.staff, "/orders", nil)
	sold := map[string]int64{}
	for _, o := range orders {
		if o.Status != "confirmed" {
			continue
		}
		for _, i := range o.Items {
			sold[i.SKU] += i.Quantity
		}
	}
	for _, sku := range skus {
		w.settled(t, sku, initial-sold[sku], 0)
	}
	for _, o := range orders {
		w.events(t, o.ID)
		eventually(t, 20*time.Second, "the money of order "+o.ID, func() error { return w.moneyRight(t, o) })
	}
}

// moneyRight tells what is wrong between an order and its payment.
func (w *world) moneyRight(t testing.TB, o Order) error {
	t.Helper()
	var want int64
	if o.Status == "confirmed" {
		want = o.Total.Amount
	}
	kept, err := w.money(t, o.ID)
	if err == nil && kept != want {
		err = fmt.Errorf("of an order of %d that is %s %d is kept", o.Total.Amount, o.Status, kept)
	}
	return err
}

func importSurvives(t *testing.T, shared *world) {
	w := openEmpty(t, shared.topology)
	const products = 5000
	prefix := unique("big")
	var file strings.Builder
	file.WriteString(shopifyHeader)
	for i := range products {
		fmt.Fprintf(&file, "%s-%05d,Product %d,,V,T,,true,Title,Default Title,%s-%05d,1,%d,9.99,,,,,,g,active\n", prefix, i, i, prefix, i, i%7)
	}
	location := w.upload(t, "format=shopify", file.String()).Want(t, http.StatusAccepted).Header.Get("Location")
	for part := int64(1); part <= 2; part++ {
		eventually(t, checkoutTimeout, "the import is under way", func() error {
			a := w.staff.Try(t.Context(), http.MethodGet, location, nil)
			if a.Status != http.StatusOK {
				return fmt.Errorf("%s", a)
			}
			if i := decode[Import](t, a); i.RowsDone < part*500 && i.Status != "succeeded" {
				return fmt.Errorf("%+v", i)
			}
			return nil
		})
		w.Kill(t)
		w.Restart(t)
	}
	i := w.importDone(t, location)
	require.Equal(t, "succeeded", i.Status, "%+v", i)
	require.EqualValues(t, products, i.RowsDone)
	require.EqualValues(t, products, i.RowsTotal)
	require.EqualValues(t, products, i.ProductsCreated+i.ProductsUpdated+i.RowsSkipped, "%+v", i)
	require.Empty(t, i.Errors)
	require.Len(t, all[Product](t, w.staff, "/products", nil), products)
	for _, n := range []int{0, 499, 500, 2501, products - 1} {
		sku := fmt.Sprintf("%s-%05d", prefix, n)
		w.wantStock(t, sku, int64(n%7), 0)
	}
}

func underWaySurvives(t *testing.T, shared *world) {
	recovery := shared.topology.Recovery()
	w := openEmpty(t, shared.topology, "orders.checkout_timeout="+(6*time.Second+recovery).String(), "payments.provider_timeout=2s")
	c := w.newcomer(t)
	sku, _ := w.sell(t, usd(100), 10)
	slow := decode[Order](t, c.Post(t, "/orders", orderBody("tok_slow", line(sku, 1))).Want(t, http.StatusCreated))
	never := decode[Order](t, c.Post(t, "/orders", orderBody("tok_timeout", line(sku, 1))).Want(t, http.StatusCreated))
	off := w.holding(t, c, line(sku, 1))
	w.cancel(t, c, off.ID)
	w.Kill(t)
	w.Restart(t)
	require.Equal(t, "confirmed", w.until(t, slow.ID, 20*time.Second+recovery, func(o Order) bool { return o.Status != "pending" }).Status)
	require.Equal(t, "rejected", w.until(t, never.ID, 20*time.Second+recovery, func(o Order) bool { return o.Status != "pending" }).Status)
	w.wantCanceled(t, off.ID)
	w.balanced(t, []string{sku}, 10)
}
