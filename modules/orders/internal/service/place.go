package service

import (
	"context"
	"errors"
	"strconv"
	"time"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/modules/payments"
	"stoa/modules/users"
	"stoa/platform/auth"
	"stoa/platform/db"
	"stoa/platform/errs"
	"stoa/platform/idempotency"
	"stoa/platform/money"
)

// PlaceOrder is what somebody wants to buy, where it is to go, and how it is
// paid.
type PlaceOrder struct {
	By auth.Identity
	// CartID or Items, one of them.
	CartID string
	Items  []orders.Line
	// ShippingAddress or AddressID, one of them.
	ShippingAddress *orders.ShippingAddress
	AddressID       string
	Method, Token   string
	// ExpectedTotal is what the customer was told, nil where they were not.
	ExpectedTotal *money.Money
	// Wait is how long to wait for the checkout to end.
	Wait time.Duration
}

// PlaceOrder places an order and begins its checkout. It answers when the
// order has been settled, or the time to wait is over.
//
// Errors: orders.ErrCartNotFound, orders.ErrCartCheckedOut,
// orders.ErrCartChanged, orders.ErrPriceChanged (with the detail "total"),
// orders.ErrNotForSale, orders.ErrSeveralCurrencies, payments.ErrUnknownMethod,
// users.ErrAddressNotFound, money.ErrOverflow, errs.ErrInvalid.
func (s *Service) PlaceOrder(ctx context.Context, r PlaceOrder) (orders.Order, error) {
	id, made := idempotency.Claimed(ctx)
	if !made {
		id = s.Clock.ID()
	}
	settled, leave := s.waiting.add(id)
	defer leave()
	var (
		o   store.Order
		err error
	)
	if made {
		o, err = store.ReadOrder(ctx, s.DB.Read(), id, r.By.UserID)
	} else {
		o, err = s.placeNew(ctx, id, r)
	}
	if err != nil {
		return orders.Order{}, err
	}
	return contract(s.await(ctx, settled, o, r.Wait)), nil
}

// placeNew works out what an order comes to and writes it.
func (s *Service) placeNew(ctx context.Context, id string, r PlaceOrder) (store.Order, error) {
	if err := r.check(); err != nil {
		return store.Order{}, err
	}
	var (
		cart  store.Cart
		lines = r.Items
		err   error
	)
	if r.CartID != "" {
		if cart, err = s.readCart(ctx, r.By, r.CartID); err != nil {
			return store.Order{}, err
		}
		if cart.OrderID != "" {
			return store.Order{}, orders.ErrCartCheckedOut
		}
		lines = linesOf(cart)
	}
	if lines, err = added(lines); err != nil {
		return store.Order{}, err
	}
	items, currency, err := s.itemsOf(ctx, lines)
	if err != nil {
		return store.Order{}, err
	}
	if r.CartID != "" && currency != cart.Currency {
		return store.Order{}, orders.ErrSeveralCurrencies.With("the cart is in %s, what it holds is sold in %s", cart.Currency, currency)
	}
	if err := s.checkMethod(ctx, r.Method, r.Token); err != nil {
		return store.Order{}, err
	}
	address, err := s.addressOf(ctx, r)
	if err != nil {
		return store.Order{}, err
	}
	t, err := s.Config.Shop.totals(currency, address.Country, items)
	if err != nil {
		return store.Order{}, err
	}
	if r.ExpectedTotal != nil && *r.ExpectedTotal != t.total {
		return store.Order{}, orders.ErrPriceChanged.With("the total is %s now", t.total).Detail("total", t.total)
	}
	placed := orderPlaced{
		UserID: r.By.UserID, Currency: currency, Items: items, Subtotal: t.subtotal, ShippingTotal: t.shipping,
		TaxTotal: t.tax, DiscountTotal: t.discount, Total: t.total,
	}
	var o store.Order
	for range numberTries {
		placed.Number = newNumber(s.Clock)
		if o, err = s.writePlaced(ctx, id, r, cart, placed, address); !errors.Is(err, errNumberTaken) {
			break
		}
	}
	return o, err
}

// writePlaced writes all there is of a new order: its event and projection,
// its address, the cart's end, what the world is told, and its checkout.
func (s *Service) writePlaced(ctx context.Context, id string, r PlaceOrder, cart store.Cart, placed orderPlaced, address orders.ShippingAddress) (o store.Order, err error) {
	at := s.Clock.Now()
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := idempotency.Claim(ctx, tx, id); err != nil {
			return err
		}
		if r.CartID != "" {
			if err := s.checkOut(ctx, tx, r.By, cart, id, at); err != nil {
				return err
			}
		}
		var err error
		if o, err = s.place(ctx, tx, id, at, placed); err != nil {
			return err
		}
		if err := store.InsertAddress(ctx, tx, id, r.By.UserID, address); err != nil {
			return err
		}
		o.Address = db.NewJSON(&address)
		if err := s.Outbox.Add(ctx, tx, id, orders.Placed{
			OrderID: id, UserID: r.By.UserID, Number: placed.Number, Items: sold(placed.Items), Total: placed.Total,
		}); err != nil {
			return err
		}
		written := o
		return s.checkout.Start(ctx, tx, id, checkout{
			CartID: r.CartID, Items: reserved(placed.Items), Total: placed.Total, Method: r.Method, Token: r.Token, last: &written,
		}, at.Add(s.Config.CheckoutTimeout))
	})
	if db.IsUnique(err) { // all else that is unique here is made of random ids
		err = errNumberTaken
	}
	return o, err
}

// checkOut marks a cart as having become an order.
func (s *Service) checkOut(ctx context.Context, tx *db.Tx, by auth.Identity, read store.Cart, orderID string, at time.Time) error {
	err := store.CheckOutCart(ctx, tx, read.ID, read.Version, orderID, db.NewTime(at))
	if !errors.Is(err, store.ErrStale) {
		return err
	}
	now, err := store.ReadCart(ctx, tx, read.ID, by.UserID, db.NewTime(at))
	switch {
	case err != nil:
		return err
	case now.OrderID != "":
		return orders.ErrCartCheckedOut
	}
	return orders.ErrCartChanged
}

// check says what the request as a whole lacks.
func (r *PlaceOrder) check() error {
	var bad problems
	if (r.CartID != "") == (len(r.Items) > 0) {
		bad.add("body", "must have either cart_id or items")
	}
	if (r.AddressID != "") == (r.ShippingAddress != nil) {
		bad.add("body", "must have either shipping_address or address_id")
	}
	if r.ShippingAddress != nil {
		bad.address(r.ShippingAddress)
	}
	return bad.error()
}

func linesOf(c store.Cart) []orders.Line {
	lines := make([]orders.Line, len(c.Items))
	for i, item := range c.Items {
		lines[i] = orders.Line{SKU: item.SKU, Quantity: item.Quantity}
	}
	return lines
}

// added gives lines with each variant once: quantities of the same are added up.
func added(lines []orders.Line) ([]orders.Line, error) {
	if len(lines) == 0 {
		return nil, errs.ErrInvalid.Field("body.cart_id", "is an empty cart")
	}
	var (
		sums []orders.Line
		at   = make(map[string]int, len(lines))
	)
	for i, line := range lines {
		where := "body.items[" + strconv.Itoa(i) + "]"
		if line.SKU == "" {
			return nil, errs.ErrInvalid.Field(where+".sku", "is missing")
		}
		// Each is checked before it is added, so that no sum can overflow.
		if line.Quantity < 1 || line.Quantity > orders.MaxQuantity {
			return nil, errs.ErrInvalid.Field(where+".quantity", "must be from 1 to %d", orders.MaxQuantity)
		}
		j, known := at[line.SKU]
		if !known {
			at[line.SKU] = len(sums)
			sums = append(sums, line)
			continue
		}
		if sums[j].Quantity += line.Quantity; sums[j].Quantity > orders.MaxQuantity {
			return nil, errs.ErrInvalid.Field(where+".quantity", "makes more than %d of this", orders.MaxQuantity)
		}
	}
	if len(sums) > orders.MaxLines {
		return nil, errs.ErrInvalid.Field("body.items", "must be at most %d different variants", orders.MaxLines)
	}
	return sums, nil
}

// itemsOf prices lines, which are all in one currency.
func (s *Service) itemsOf(ctx context.Context, lines []orders.Line) (items []orders.Item, currency string, err error) {
	skus := make([]string, len(lines))
	for i, line := range lines {
		skus[i] = line.SKU
	}
	offers, err := s.offers(ctx, skus)
	if err != nil {
		return nil, "", err
	}
	missing := orders.ErrNotForSale
	items = make([]orders.Item, len(lines))
	for i, line := range lines {
		offer, forSale := offers[line.SKU]
		if !forSale {
			missing = missing.Field("body.items["+strconv.Itoa(i)+"].sku", "is not for sale")
			continue
		}
		switch currency {
		case "":
			currency = offer.Price.Currency
		case offer.Price.Currency:
		default:
			return nil, "", orders.ErrSeveralCurrencies.With("some of this is sold in %s, some in %s", currency, offer.Price.Currency)
		}
		if items[i], err = price(offer, line.Quantity); err != nil {
			return nil, "", err
		}
	}
	if len(missing.Fields) > 0 {
		return nil, "", missing
	}
	return items, currency, nil
}

// checkMethod asks payments whether it knows the means of payment. Where it
// does not answer now, the checkout will find out.
func (s *Service) checkMethod(ctx context.Context, method, token string) error {
	err := s.Payments.CheckMethod(ctx, payments.CheckMethodRequest{Method: method, Token: token})
	if err != nil && ctx.Err() == nil && errs.KindOf(err).Temporary() {
		return nil
	}
	return err
}

// addressOf gives where an order goes to.
func (s *Service) addressOf(ctx context.Context, r PlaceOrder) (orders.ShippingAddress, error) {
	if r.ShippingAddress != nil {
		return *r.ShippingAddress, nil
	}
	a, err := s.Users.GetAddress(ctx, users.GetAddressRequest{UserID: r.By.UserID, AddressID: r.AddressID})
	if err != nil {
		return orders.ShippingAddress{}, err
	}
	return orders.ShippingAddress{
		Name: a.Name, Line1: a.Line1, Line2: a.Line2, City: a.City, Region: a.Region,
		PostalCode: a.PostalCode, Country: a.Country, Phone: a.Phone,
	}, nil
}
