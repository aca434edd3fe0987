package replay

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/replay/history"
	"stoa/platform/clock"
	"stoa/platform/money"
)

// What differs is looked at again so many times, after a pause each: money and
// stock go back some time after a cancellation was answered.
const verifyLooks, verifyPause = 60, time.Second

// check compares one thing in the shop with the file.
type check func(ctx context.Context) (difference string, err error)

// books is what the shop's payments say of the orders of the plan.
type books struct {
	captured, refunded map[string]money.Money // by order
}

// verify compares the shop with what was carried out of the file: the money of
// every order and the stock of every variant. It gives what differs.
func (r *replay) verify(ctx context.Context) (differences []string, b books, err error) {
	b = books{captured: map[string]money.Money{}, refunded: map[string]money.Money{}}
	var open []check
	for o, p := range r.result.placed {
		open = append(open, r.moneyOf(o, p, b))
	}
	for v, s := range r.stock {
		if s.usable {
			open = append(open, r.stockOf(v, s))
		}
	}
	r.progress.begin("checks", len(open))
	for looks := 1; ; looks++ {
		found := make([]string, len(open))
		err := r.each(ctx, len(open), func(ctx context.Context, i int) (err error) {
			if looks == 1 {
				defer r.progress.add(1)
			}
			found[i], err = open[i](ctx)
			return err
		})
		if err != nil {
			return nil, b, err
		}
		var still []check
		differences = nil
		for i, difference := range found {
			if difference != "" {
				differences = append(differences, difference)
				still = append(still, open[i])
			}
		}
		if open = still; len(open) == 0 || looks == verifyLooks {
			return differences, b, nil
		}
		if err := clock.Sleep(ctx, r.clock, verifyPause); err != nil {
			return nil, b, err
		}
	}
}

// moneyOf compares what payments and the order itself say with the file.
func (r *replay) moneyOf(o *history.Order, p *placed, b books) check {
	return func(ctx context.Context) (string, error) {
		paid, _, err := r.payment(ctx, p.id)
		if err != nil {
			return r.unread("payment of "+o.Mark(), err)
		}
		r.note(func(*result) { b.captured[p.id], b.refunded[p.id] = paid.Captured, paid.Refunded })
		if paid.Captured != o.Total || paid.Refunded != p.back {
			return fmt.Sprintf("%s: payments has taken %s and given back %s; the file says %s and %s",
				o.Mark(), paid.Captured, paid.Refunded, o.Total, p.back), nil
		}
		order := orders.Order{ID: p.id}
		if err := r.read(ctx, &order); err != nil {
			return r.unread("order "+o.Mark(), err)
		}
		if order.Payment.Captured != o.Total || order.Payment.Refunded != p.back {
			return fmt.Sprintf("%s: the order has %s taken and %s given back; the file says %s and %s",
				o.Mark(), order.Payment.Captured, order.Payment.Refunded, o.Total, p.back), nil
		}
		return "", nil
	}
}

// stockOf compares what is left of a variant with what was put in, sold, taken
// back and written off.
func (r *replay) stockOf(v *history.Variant, s *stock) check {
	return func(ctx context.Context) (string, error) {
		var l level
		if _, err := r.shop.do(ctx, call{method: http.MethodGet, path: "/inventory/" + url.PathEscape(v.SKU), as: r.admin}, &l); err != nil {
			return r.unread("stock of "+v.SKU, err)
		}
		want := s.others + r.result.moved[v]
		if l.OnHand != want || l.Reserved != 0 {
			return fmt.Sprintf("%s: %d on hand and %d reserved; the file leaves %d", v.SKU, l.OnHand, l.Reserved, want), nil
		}
		return "", nil
	}
}

// unread makes a difference of what the shop refuses to tell.
func (r *replay) unread(what string, err error) (string, error) {
	if p := refusal(err); p != nil {
		return what + ": " + p.Error(), nil
	}
	return "", err
}
