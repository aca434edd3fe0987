package replay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/replay/history"
	"stoa/platform/clock"
	"stoa/platform/money"
)

const (
	// The card of the sandbox that pays.
	methodCard, tokenApprove = "card", "tok_approve"
	// An order that is not settled yet is looked at again so many times, after a
	// pause each.
	settleLooks, settlePause = 180, 500 * time.Millisecond
	// placeTries is how many carts an order may take, where keys of earlier runs
	// are in the way.
	placeTries = 5

	codeCheckedOut = "orders.cart_checked_out"
	codeCartGone   = "orders.cart_not_found"
	codeTransition = "orders.invalid_transition"
)

// serve has all customers do what they do, several at once, each in the order
// of the file.
func (r *replay) serve(ctx context.Context) error {
	began := r.clock.Now()
	defer func() { r.note(func(res *result) { res.serving = r.clock.Now().Sub(began) }) }()
	steps := 0
	for _, b := range r.buyers {
		steps += len(b.Steps)
	}
	r.progress.begin("invoices", steps)
	return r.each(ctx, len(r.buyers), func(ctx context.Context, i int) error {
		b := r.buyers[i]
		for _, s := range b.Steps {
			r.progress.add(1)
			if err := r.step(ctx, b, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *replay) step(ctx context.Context, b *buyer, s history.Step) error {
	if s.Order != nil {
		return r.refuse("order "+s.Order.Mark(), r.order(ctx, b, s.Order))
	}
	return r.refuse("return "+s.Return.Mark(), r.giveBack(ctx, b, s.Return))
}

// order has an order stand in the shop.
func (r *replay) order(ctx context.Context, b *buyer, o *history.Order) error {
	standing := r.standing(o.Mark())
	found := standing != nil
	if !found {
		if b.refused != nil {
			return fmt.Errorf("%w: the account cannot be used", errSkipped)
		}
		made, err := r.place(ctx, b, o)
		if err != nil {
			return err
		}
		standing = &made
	}
	settled, err := r.settled(ctx, *standing)
	if err != nil {
		return err
	}
	r.note(func(res *result) {
		res.placed[o] = &placed{id: settled.ID, back: money.Money{Currency: o.Total.Currency}}
		for _, item := range o.Items {
			res.moved[item.Variant] -= item.Pieces
		}
		if found {
			res.found++
		} else {
			res.orders++
		}
	})
	return nil
}

// settled waits until an order has left "pending". Error: a *problem with the
// order's failure where it was rejected.
func (r *replay) settled(ctx context.Context, o orders.Order) (orders.Order, error) {
	for looks := 0; o.Status == orders.StatusPending; looks++ {
		if looks == settleLooks {
			return o, &problem{Code: "replay.pending", Title: "its checkout has not ended"}
		}
		if err := clock.Sleep(ctx, r.clock, settlePause); err != nil {
			return o, err
		}
		if err := r.read(ctx, &o); err != nil {
			return o, err
		}
	}
	if o.Status == orders.StatusRejected {
		p := &problem{Code: "replay.rejected"}
		if o.Failure != nil {
			p.Code, p.Title = o.Failure.Code, o.Failure.Message
		}
		return o, p
	}
	return o, nil
}

func (r *replay) read(ctx context.Context, o *orders.Order) error {
	_, err := r.shop.do(ctx, call{method: http.MethodGet, path: "/orders/" + o.ID, as: r.admin}, o)
	return err
}

// place fills a cart and checks it out. Keys follow from the invoice and from
// how many orders for it were rejected before, so that a run that overlaps with
// another's last requests gives the same order again.
func (r *replay) place(ctx context.Context, b *buyer, o *history.Order) (orders.Order, error) {
	attempt := len(r.earlier.orders[o.Mark()])
	for tries := 1; ; tries++ {
		placed, err := r.checkOut(ctx, b, o, attempt)
		if err == nil || tries == placeTries || !refused(err, codeKeyReused, codeCheckedOut, codeCartGone) {
			return placed, err
		}
		// An earlier run has been here, whose order was not to be seen yet.
		standing, err := r.find(ctx, b, o)
		if err != nil {
			return orders.Order{}, err
		}
		if standing != nil {
			return *standing, nil
		}
		attempt++
	}
}

// checkOut fills a cart, has an order made of it and waits for what comes of that.
func (r *replay) checkOut(ctx context.Context, b *buyer, o *history.Order, attempt int) (orders.Order, error) {
	what := fmt.Sprintf("%s %d", o.Mark(), attempt)
	began := r.clock.Now()
	var cart orders.Cart
	_, err := r.shop.do(ctx, call{
		method: http.MethodPost, path: "/carts", body: map[string]string{"currency": r.plan.Currency}, key: "cart " + what, as: b.session,
	}, &cart)
	if err != nil {
		return orders.Order{}, err
	}
	for _, item := range o.Items {
		_, err := r.shop.do(ctx, call{
			method: http.MethodPut, path: "/carts/" + cart.ID + "/items/" + url.PathEscape(item.Variant.SKU),
			body: map[string]int64{"quantity": item.Pieces}, as: b.session,
		}, nil)
		if err != nil {
			return orders.Order{}, err
		}
	}
	asked := r.clock.Now()
	var placed orders.Order
	_, err = r.shop.do(ctx, call{
		method: http.MethodPost, path: "/orders", key: "order " + what, prefer: "wait=30", as: b.session,
		body: map[string]any{
			"cart_id":          cart.ID,
			"shipping_address": address(b, o),
			"payment":          map[string]string{"method": methodCard, "token": tokenApprove},
			"expected_total":   o.Total,
		},
	}, &placed)
	if err != nil {
		return orders.Order{}, err
	}
	if placed, err = r.settled(ctx, placed); err != nil {
		return orders.Order{}, err
	}
	now := r.clock.Now()
	r.note(func(res *result) {
		res.checkouts = append(res.checkouts, now.Sub(asked))
		res.baskets = append(res.baskets, now.Sub(began))
	})
	return placed, nil
}

// address is where an order goes; it names the invoice.
func address(b *buyer, o *history.Order) orders.ShippingAddress {
	return orders.ShippingAddress{
		Name: "Customer " + b.Name(), Line1: "Online Retail", Line2: orderMark(o),
		City: "Unknown", Region: o.Country, Country: countryCode(o.Country),
	}
}

// find looks for an order among those of its customer; nil where it is not there.
func (r *replay) find(ctx context.Context, b *buyer, o *history.Order) (*orders.Order, error) {
	var standing *orders.Order
	err := list(ctx, r.shop, b.session, "/orders", func(candidate orders.Order) {
		if a := candidate.ShippingAddress; a != nil && a.Line2 == orderMark(o) && candidate.Status != orders.StatusRejected {
			standing = &candidate
		}
	})
	return standing, err
}

// giveBack cancels an order, or refunds part of it and puts its stock back.
func (r *replay) giveBack(ctx context.Context, b *buyer, back *history.Return) error {
	r.mu.Lock()
	of := r.result.placed[back.Of]
	r.mu.Unlock()
	if of == nil {
		return fmt.Errorf("%w: order %s was not placed", errSkipped, back.Of.Mark())
	}
	standing := r.standing(back.Of.Mark())
	if back.Whole {
		if standing == nil || standing.Status != orders.StatusCanceled {
			if err := r.cancel(ctx, b, of.id, back); err != nil {
				return err
			}
		}
		r.note(func(res *result) {
			res.cancelled++
			of.back = back.Amount
			for _, item := range back.Items {
				res.moved[item.Variant] += item.Pieces
			}
		})
		return nil
	}
	if err := r.refund(ctx, of.id, back, standing != nil); err != nil {
		return err
	}
	sum, err := of.back.Add(back.Amount)
	if err != nil {
		return err
	}
	r.note(func(res *result) {
		res.refunded++
		of.back = sum
	})
	for _, item := range back.Items {
		if err := r.adjust(ctx, item.Variant, item.Pieces, returnReason(back)); err != nil {
			return err
		}
	}
	return nil
}

// cancel calls an order off, as its customer.
func (r *replay) cancel(ctx context.Context, b *buyer, orderID string, back *history.Return) error {
	_, err := r.shop.do(ctx, call{
		method: http.MethodPost, path: "/orders/" + orderID + "/cancellation", key: "cancel " + back.Mark(), as: b.session,
		body: map[string]string{"reason": returnReason(back)},
	}, nil)
	if !refused(err, codeTransition) {
		return err
	}
	o := orders.Order{ID: orderID}
	if readErr := r.read(ctx, &o); readErr != nil || o.Status != orders.StatusCanceled {
		return errors.Join(err, readErr)
	}
	return nil // somebody was quicker
}

// payment is what staff see of an order's money.
type payment struct {
	Captured money.Money `json:"captured"`
	Refunded money.Money `json:"refunded"`
	Refunds  []struct {
		Amount money.Money `json:"amount"`
		Reason string      `json:"reason"`
	} `json:"refunds"`
}

// payment reads the payment of an order; false where there is none.
func (r *replay) payment(ctx context.Context, orderID string) (payment, bool, error) {
	var p page[payment]
	_, err := r.shop.do(ctx, call{method: http.MethodGet, path: "/payments?order_id=" + url.QueryEscape(orderID), as: r.admin}, &p)
	if err != nil || len(p.Items) == 0 {
		return payment{}, false, err
	}
	return p.Items[0], true, nil
}

// refund gives part of an order's money back, where an earlier run has not.
func (r *replay) refund(ctx context.Context, orderID string, back *history.Return, look bool) error {
	reason := returnReason(back)
	if look {
		p, _, err := r.payment(ctx, orderID)
		if err != nil {
			return err
		}
		for _, done := range p.Refunds {
			if done.Reason == reason {
				return nil
			}
		}
	}
	_, err := r.shop.do(ctx, call{
		method: http.MethodPost, path: "/orders/" + orderID + "/refunds", key: "refund " + back.Mark(), as: r.admin,
		body: map[string]any{"amount": back.Amount, "reason": reason},
	}, nil)
	return err
}
