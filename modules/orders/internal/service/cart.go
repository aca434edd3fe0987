package service

import (
	"context"
	"slices"
	"time"

	"stoa/modules/catalog"
	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/platform/auth"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/errs"
	"stoa/platform/idempotency"
	"stoa/platform/money"
)

// CreateCart makes an empty cart in a currency; where none is named, the
// shop's. One made by somebody signed in is theirs alone. Errors:
// money.ErrUnknownCurrency.
func (s *Service) CreateCart(ctx context.Context, by auth.Identity, currency string) (orders.Cart, error) {
	if id, made := idempotency.Claimed(ctx); made {
		return s.GetCart(ctx, by, id)
	}
	if currency == "" {
		currency = s.Config.Shop.Currency
	}
	if !money.ValidCurrency(currency) {
		return orders.Cart{}, money.ErrUnknownCurrency.Field("body.currency", "is no ISO 4217 currency that prices can be in")
	}
	now := s.Clock.Now()
	cart := store.Cart{
		ID: s.Clock.Secret(), UserID: by.UserID, Currency: currency, Version: 1,
		CreatedAt: db.NewTime(now), UpdatedAt: db.NewTime(now), ExpiresAt: db.NewTime(now.Add(s.Config.CartTTL)),
	}
	if err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := idempotency.Claim(ctx, tx, cart.ID); err != nil {
			return err
		}
		return store.InsertCart(ctx, tx, cart)
	}); err != nil {
		return orders.Cart{}, err
	}
	return s.priced(ctx, cart)
}

// GetCart gives a cart with today's prices. Errors: orders.ErrCartNotFound,
// also where it is somebody else's.
func (s *Service) GetCart(ctx context.Context, by auth.Identity, id string) (orders.Cart, error) {
	cart, err := s.readCart(ctx, by, id)
	if err != nil {
		return orders.Cart{}, err
	}
	return s.priced(ctx, cart)
}

func (s *Service) readCart(ctx context.Context, by auth.Identity, id string) (cart store.Cart, err error) {
	err = s.DB.Snapshot(ctx, func(ctx context.Context, c db.Conn) error {
		cart, err = store.ReadCart(ctx, c, id, by.UserID, db.NewTime(s.Clock.Now()))
		return err
	})
	return cart, err
}

// CartItem names a line of a cart that is to be changed.
type CartItem struct {
	By          auth.Identity
	CartID, SKU string
	Quantity    int64 // 1 to orders.MaxQuantity
	Match       Match
}

// PutCartItem sets how many of a variant are in a cart. Errors:
// orders.ErrCartNotFound, orders.ErrCartCheckedOut, catalog.ErrVariantNotFound
// where it is not for sale, money.ErrOverflow, errs.ErrInvalid, and what
// Match returns.
func (s *Service) PutCartItem(ctx context.Context, r CartItem) (orders.Cart, error) {
	if r.Quantity < 1 || r.Quantity > orders.MaxQuantity {
		return orders.Cart{}, errs.ErrInvalid.Field("body.quantity", "must be from 1 to %d", orders.MaxQuantity)
	}
	// Whether the cart is there comes before what is asked to go into it.
	seen, err := s.readCart(ctx, r.By, r.CartID)
	if err != nil {
		return orders.Cart{}, err
	}
	offers, err := s.offers(ctx, append(skusOf(seen), r.SKU))
	if err != nil {
		return orders.Cart{}, err
	}
	offer, forSale := offers[r.SKU]
	if !forSale {
		return orders.Cart{}, catalog.ErrVariantNotFound
	}
	return s.changeCart(ctx, r, func(ctx context.Context, tx *db.Tx, cart store.Cart, now db.Time) error {
		item := store.CartItem{
			SKU: r.SKU, Quantity: r.Quantity, ProductID: offer.ProductID, Title: offer.Title,
			Price: offer.Price.Amount, Currency: offer.Price.Currency, AddedAt: now,
		}
		at := slices.IndexFunc(cart.Items, func(i store.CartItem) bool { return i.SKU == r.SKU })
		switch {
		case at >= 0:
			cart.Items[at] = item
		case len(cart.Items) >= orders.MaxLines:
			return errs.ErrInvalid.Field("path.sku", "is one too many: a cart holds at most %d different variants", orders.MaxLines)
		default:
			cart.Items = append(cart.Items, item)
		}
		if _, err := show(cart, offers); err != nil {
			return err // it would come to more than can be counted
		}
		return store.PutCartItem(ctx, tx, cart.ID, item)
	})
}

// DeleteCartItem takes a variant out of a cart. Errors: orders.ErrCartNotFound,
// orders.ErrCartItemNotFound, orders.ErrCartCheckedOut, and what Match returns.
func (s *Service) DeleteCartItem(ctx context.Context, r CartItem) (orders.Cart, error) {
	return s.changeCart(ctx, r, func(ctx context.Context, tx *db.Tx, cart store.Cart, _ db.Time) error {
		if !slices.Contains(skusOf(cart), r.SKU) {
			return orders.ErrCartItemNotFound
		}
		return store.DeleteCartItem(ctx, tx, cart.ID, r.SKU)
	})
}

func skusOf(c store.Cart) []string {
	skus := make([]string, len(c.Items))
	for i, item := range c.Items {
		skus[i] = item.SKU
	}
	return skus
}

// changeCart changes an open cart and gives it as it is then.
func (s *Service) changeCart(ctx context.Context, r CartItem, fn func(ctx context.Context, tx *db.Tx, cart store.Cart, now db.Time) error) (orders.Cart, error) {
	var cart store.Cart
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		// However many change it at once, each has its turn.
		if err := tx.Lock(ctx, "cart/"+r.CartID); err != nil {
			return err
		}
		t := s.Clock.Now()
		now, expires := db.NewTime(t), db.NewTime(t.Add(s.Config.CartTTL))
		before, err := store.ReadCart(ctx, tx, r.CartID, r.By.UserID, now)
		switch {
		case err != nil:
			return err
		case before.OrderID != "":
			return orders.ErrCartCheckedOut
		}
		if err := r.Match.check(before.Version); err != nil {
			return err
		}
		if err := store.TouchCart(ctx, tx, r.CartID, before.Version, now, expires); err != nil {
			return err
		}
		if err := fn(ctx, tx, before, now); err != nil {
			return err
		}
		cart, err = store.ReadCart(ctx, tx, r.CartID, r.By.UserID, now)
		return err
	})
	if err != nil {
		return orders.Cart{}, err
	}
	return s.priced(ctx, cart)
}

// offers gives what variants cost now, by SKU, in one question to the catalog.
// Those that are not for sale are missing.
func (s *Service) offers(ctx context.Context, skus []string) (map[string]catalog.Offer, error) {
	if len(skus) == 0 {
		return nil, nil
	}
	list, err := s.Catalog.GetOffers(ctx, catalog.GetOffersRequest{SKUs: skus})
	if err != nil {
		return nil, err
	}
	offers := make(map[string]catalog.Offer, len(list))
	for _, o := range list {
		offers[o.SKU] = o
	}
	return offers, nil
}

// priced gives a cart with today's prices.
func (s *Service) priced(ctx context.Context, c store.Cart) (orders.Cart, error) {
	offers, err := s.offers(ctx, skusOf(c))
	if err != nil {
		return orders.Cart{}, err
	}
	return show(c, offers)
}

// show gives a cart with the prices of offers; a variant without one is not
// for sale. Errors: money.ErrOverflow.
func show(c store.Cart, offers map[string]catalog.Offer) (orders.Cart, error) {
	cart := orders.Cart{
		ID: c.ID, Currency: c.Currency, Items: make([]orders.CartItem, len(c.Items)),
		Subtotal: money.Money{Currency: c.Currency}, ExpiresAt: c.ExpiresAt.Time, Version: c.Version,
	}
	for i, item := range c.Items {
		offer, forSale := offers[item.SKU]
		if !forSale {
			offer = catalog.Offer{
				SKU: item.SKU, ProductID: item.ProductID, Title: item.Title,
				Price: money.Money{Amount: item.Price, Currency: item.Currency},
			}
		}
		total, err := offer.Price.Mul(item.Quantity)
		if err != nil {
			return orders.Cart{}, err
		}
		if total.Currency == c.Currency {
			if cart.Subtotal, err = cart.Subtotal.Add(total); err != nil {
				return orders.Cart{}, err
			}
		}
		cart.Items[i] = orders.CartItem{
			SKU: item.SKU, ProductID: offer.ProductID, Title: offer.Title, Quantity: item.Quantity,
			UnitPrice: offer.Price, Total: total, Available: offer.Available,
		}
	}
	return cart, nil
}

const (
	sweepCartsEvery = time.Hour
	// sweepCartsBatch bounds how long other writers wait for a sweep.
	sweepCartsBatch = 500
)

// SweepCarts deletes expired carts, at once and then from time to time, until
// ctx ends.
func (s *Service) SweepCarts(ctx context.Context) error {
	for {
		if err := s.sweepCarts(ctx); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "expired carts stay for now", "error", err)
		}
		if err := clock.Sleep(ctx, s.Clock, sweepCartsEvery); err != nil {
			return nil //nolint:nilerr // the work is over
		}
	}
}

func (s *Service) sweepCarts(ctx context.Context) error {
	for {
		var n int64
		if err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			n, err = store.SweepCarts(ctx, tx, db.NewTime(s.Clock.Now()), sweepCartsBatch)
			return err
		}); err != nil || n < sweepCartsBatch {
			return err
		}
	}
}
