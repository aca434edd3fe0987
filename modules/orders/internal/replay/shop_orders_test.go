package replay

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"stoa/modules/orders"
	"stoa/platform/money"
)

func (s *fakeShop) createCart(r *fakeRequest) {
	var in struct{ Currency string }
	r.read(&in)
	id := s.clock.Secret()
	s.carts[id] = &fakeCart{owner: r.caller, items: map[string]int64{}, currency: in.Currency}
	r.reply(http.StatusCreated, orders.Cart{ID: id, Currency: in.Currency})
}

func (s *fakeShop) price(sku string) (money.Money, bool) {
	for _, p := range s.products {
		for _, v := range p.Variants {
			if v.SKU == sku {
				return v.Price, true
			}
		}
	}
	return money.Money{}, false
}

func (s *fakeShop) putItem(r *fakeRequest) {
	var in struct{ Quantity int64 }
	r.read(&in)
	c := s.carts[r.PathValue("id")]
	_, sold := s.price(r.PathValue("sku"))
	switch {
	case c == nil || c.owner != r.caller:
		r.fail(http.StatusNotFound, codeCartGone)
	case c.ordered != "":
		r.fail(http.StatusConflict, codeCheckedOut)
	case !sold:
		r.fail(http.StatusNotFound, "catalog.variant_not_found")
	case in.Quantity < 1 || in.Quantity > orders.MaxQuantity || len(c.items) > orders.MaxLines:
		r.fail(http.StatusUnprocessableEntity, "invalid")
	default:
		c.items[r.PathValue("sku")] = in.Quantity
		r.reply(http.StatusOK, orders.Cart{ID: r.PathValue("id")})
	}
}

func (s *fakeShop) placeOrder(r *fakeRequest) {
	var in struct {
		CartID          string                  `json:"cart_id"`
		ShippingAddress *orders.ShippingAddress `json:"shipping_address"`
		Payment         struct{ Method, Token string }
		ExpectedTotal   money.Money `json:"expected_total"`
	}
	r.read(&in)
	c := s.carts[in.CartID]
	if c == nil || c.owner != r.caller || len(c.items) == 0 {
		r.fail(http.StatusNotFound, codeCartGone)
		return
	}
	if c.ordered != "" {
		r.fail(http.StatusConflict, codeCheckedOut)
		return
	}
	total := money.Money{Currency: c.currency}
	for sku, pieces := range c.items {
		price, _ := s.price(sku)
		total.Amount += price.Amount * pieces
	}
	if total != in.ExpectedTotal || in.Payment.Method != "card" || in.Payment.Token != "tok_approve" {
		r.fail(http.StatusConflict, "orders.price_changed")
		return
	}
	id := s.clock.ID()
	o := &fakeOrder{owner: r.caller, Order: orders.Order{
		ID: id, UserID: r.caller, Status: orders.StatusPending, Total: total, ShippingAddress: in.ShippingAddress,
		Payment: orders.PaymentSummary{Captured: money.Money{Currency: total.Currency}, Refunded: money.Money{Currency: total.Currency}},
	}}
	for sku, pieces := range c.items {
		o.Items = append(o.Items, orders.Item{SKU: sku, Quantity: pieces})
	}
	s.orders = append(s.orders, o)
	c.ordered = id
	mark, _ := markOf(in.ShippingAddress.Line2)
	s.wrote("order " + mark)
	settle := func() { s.settle(o, c, mark) }
	if len(s.orders)%3 == 0 {
		s.later = append(s.later, settle) // it is still pending when it is answered
	} else {
		settle()
	}
	r.reply(http.StatusCreated, o.Order)
}

func (s *fakeShop) settle(o *fakeOrder, c *fakeCart, mark string) {
	if s.reject != nil {
		if why := s.reject(mark); why != "" {
			o.Status, o.Failure = orders.StatusRejected, &orders.Failure{Code: why, Message: "says the fake"}
			c.ordered = ""
			return
		}
	}
	for sku, pieces := range c.items {
		if s.stock[sku].onHand < pieces {
			s.t.Errorf("%s: %d of %s are ordered, and %d there", mark, pieces, sku, s.stock[sku].onHand)
		}
		s.stock[sku].move(movement{Quantity: -pieces, OrderID: o.ID})
	}
	o.Status, o.Payment.Captured = orders.StatusConfirmed, o.Total
}

// follow has happen what follows of events.
func (s *fakeShop) follow() {
	for _, do := range s.later {
		do()
	}
	s.later = nil
}

func (s *fakeShop) listOrders(r *fakeRequest) {
	s.follow()
	var seen []orders.Order
	for _, o := range slices.Backward(s.orders) {
		if r.admin() && !s.blind || o.owner == r.caller {
			seen = append(seen, o.Order)
		}
	}
	reply(r, seen)
}

func (s *fakeShop) find(r *fakeRequest, id string) *fakeOrder {
	for _, o := range s.orders {
		if o.ID == id && (r.admin() || o.owner == r.caller) {
			return o
		}
	}
	r.fail(http.StatusNotFound, "orders.order_not_found")
	return nil
}

func (s *fakeShop) getOrder(r *fakeRequest) {
	if o := s.find(r, r.PathValue("id")); o != nil {
		r.reply(http.StatusOK, o.Order)
		s.follow()
	}
}

func (s *fakeShop) cancel(r *fakeRequest) {
	o := s.find(r, r.PathValue("id"))
	switch {
	case o == nil:
	case o.Status != orders.StatusConfirmed:
		r.fail(http.StatusConflict, codeTransition)
	default:
		mark, _ := markOf(o.ShippingAddress.Line2)
		s.wrote("cancel " + mark)
		o.Status = orders.StatusCanceled
		r.reply(http.StatusAccepted, o.Order)
		s.later = append(s.later, func() {
			o.Payment.Refunded = o.Total
			for _, item := range o.Items {
				s.stock[item.SKU].move(movement{Quantity: item.Quantity, OrderID: o.ID})
			}
		})
	}
}

func (s *fakeShop) refund(r *fakeRequest) {
	var in struct {
		Amount money.Money
		Reason string
	}
	r.read(&in)
	o := s.find(r, r.PathValue("id"))
	switch {
	case o == nil:
	case !r.admin():
		r.fail(http.StatusForbidden, "forbidden")
	case o.Payment.Captured.Amount-o.Payment.Refunded.Amount < in.Amount.Amount:
		r.fail(http.StatusConflict, "payments.refund_exceeds_capture")
	default:
		s.wrote("refund " + in.Reason)
		o.Payment.Refunded.Amount += in.Amount.Amount
		o.refunds = append(o.refunds, map[string]any{"amount": in.Amount, "reason": in.Reason})
		r.reply(http.StatusCreated, in)
	}
}

func (s *fakeShop) getPayments(r *fakeRequest) {
	o := s.find(r, r.URL.Query().Get("order_id"))
	if o == nil {
		return
	}
	r.reply(http.StatusOK, map[string]any{"items": []any{map[string]any{
		"captured": o.Payment.Captured, "refunded": o.Payment.Refunded, "refunds": o.refunds,
	}}})
}

// doubled gives what was carried out more than once.
func (s *fakeShop) doubled() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(s.writes)) {
		if s.writes[what] > 1 && what != "refresh" {
			list = append(list, fmt.Sprintf("%s: %d times", what, s.writes[what]))
		}
	}
	return list
}

// disturb has requests go wrong from now on; nil ends that.
func (s *fakeShop) disturb(trouble func(n int, r *http.Request) trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = trouble
}

// count gives how many requests there were.
func (s *fakeShop) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// forgetCarts has the keys of carts forgotten, and those of nothing else.
func (s *fakeShop) forgetCarts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.keys {
		if strings.Contains(key, "\ncart ") {
			delete(s.keys, key)
		}
	}
}

// forgetKeys is a day that has gone by.
func (s *fakeShop) forgetKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.keys)
}

// sums gives what was captured and given back in all.
func (s *fakeShop) sums() (in, out int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow()
	for _, o := range s.orders {
		in += o.Payment.Captured.Amount
		out += o.Payment.Refunded.Amount
	}
	return in, out
}
