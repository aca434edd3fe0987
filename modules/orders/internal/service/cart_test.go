package service_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/orders"
	"stoa/modules/orders/internal/service"
	"stoa/modules/users"
	"stoa/platform/auth"
	"stoa/platform/errs"
	"stoa/platform/money"
)

var nobody auth.Identity

func (s *shop) newCart(by auth.Identity) orders.Cart {
	s.t.Helper()
	c, err := s.CreateCart(s.t.Context(), by, "")
	require.NoError(s.t, err)
	return c
}

func (s *shop) put(by auth.Identity, cart, sku string, quantity int64) (orders.Cart, error) {
	return s.PutCartItem(s.t.Context(), service.CartItem{By: by, CartID: cart, SKU: sku, Quantity: quantity})
}

func (s *shop) take(by auth.Identity, cart, sku string) (orders.Cart, error) {
	return s.DeleteCartItem(s.t.Context(), service.CartItem{By: by, CartID: cart, SKU: sku})
}

// fill makes a cart that holds one of each of these.
func (s *shop) fill(by auth.Identity, skus ...string) orders.Cart {
	s.t.Helper()
	c := s.newCart(by)
	for _, sku := range skus {
		var err error
		c, err = s.put(by, c.ID, sku, 1)
		require.NoError(s.t, err)
	}
	return c
}

func TestACartShowsTodaysPrices(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.start()
		s.sell("lamp", usd(1999), 5)
		chair := s.catalog.Sell(t, catalog.Offer{SKU: "chair", Title: "Chair", Price: usd(4500), Available: 1})
		c := s.newCart(nobody)
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4`, c.ID, "a cart's id cannot be guessed")
		require.Equal(t, orders.Cart{ID: c.ID, Currency: "USD", Items: []orders.CartItem{}, Subtotal: usd(0), ExpiresAt: c.ExpiresAt, Version: 1}, c)
		_, err := s.put(nobody, c.ID, "lamp", 2)
		require.NoError(t, err)
		pass(t, time.Second)
		c, err = s.put(nobody, c.ID, "chair", 3)
		require.NoError(t, err)
		require.Equal(t, usd(2*1999+3*4500), c.Subtotal)
		require.EqualValues(t, 3, c.Version)
		require.Equal(t, "lamp", c.Items[0].SKU, "the first put in first")
		require.Equal(t, orders.CartItem{
			SKU: "chair", ProductID: chair.ProductID, Title: "Chair", Quantity: 3, UnitPrice: usd(4500), Total: usd(13500), Available: 1,
		}, c.Items[1], "more than there are may be wanted")

		c, err = s.put(nobody, c.ID, "lamp", 1)
		require.NoError(t, err)
		require.EqualValues(t, 1, c.Items[0].Quantity, "it is set, not added")

		chair.Price = usd(4000)
		s.catalog.Sell(t, chair)
		c, err = s.GetCart(t.Context(), nobody, c.ID)
		require.NoError(t, err)
		require.Equal(t, usd(4000), c.Items[1].UnitPrice)
		require.Equal(t, usd(1999+3*4000), c.Subtotal)

		s.catalog.Withdraw(t, chair.ProductID)
		c, err = s.GetCart(t.Context(), nobody, c.ID)
		require.NoError(t, err)
		require.Zero(t, c.Items[1].Available, "what is not for sale any more stays visible")
		require.Equal(t, "Chair", c.Items[1].Title)
		require.Equal(t, chair.ProductID, c.Items[1].ProductID)
		require.Equal(t, usd(4500), c.Items[1].UnitPrice, "with the price it had when it was put in")

		_, err = s.put(nobody, c.ID, "chair", 1)
		require.ErrorIs(t, err, catalog.ErrVariantNotFound)
		c, err = s.take(nobody, c.ID, "chair")
		require.NoError(t, err)
		require.Len(t, c.Items, 1)
		require.Equal(t, usd(1999), c.Subtotal)
		_, err = s.take(nobody, c.ID, "chair")
		require.ErrorIs(t, err, orders.ErrCartItemNotFound)
	})
}

func TestACartIsReadWithOneQuestionToTheCatalog(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.start()
		for i := range 20 {
			s.sell(fmt.Sprint(i), usd(100), 5)
		}
		c := s.newCart(nobody)
		for i := range 20 {
			_, err := s.put(nobody, c.ID, fmt.Sprint(i), 1)
			require.NoError(t, err)
		}
		asked := 0
		s.catalog.Before(func(context.Context, string) error { asked++; return nil })
		_, err := s.GetCart(t.Context(), nobody, c.ID)
		require.NoError(t, err)
		require.Equal(t, 1, asked)
	})
}

func TestWhoseACartIs(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.start()
		s.sell("lamp", usd(500), 5)
		of := map[string]orders.Cart{"nobody": s.fill(nobody, "lamp"), "ada": s.fill(ada, "lamp")}
		for _, c := range []struct {
			by  auth.Identity
			of  string
			may bool
		}{
			{nobody, "nobody", true}, {ada, "nobody", true}, {ada, "ada", true},
			{nobody, "ada", false}, {bob, "ada", false}, {staff, "ada", false},
		} {
			var want error
			if !c.may {
				want = orders.ErrCartNotFound
			}
			id := of[c.of].ID
			_, err := s.GetCart(t.Context(), c.by, id)
			require.ErrorIs(t, err, want)
			_, err = s.put(c.by, id, "lamp", 2)
			require.ErrorIs(t, err, want)
			_, err = s.take(c.by, id, "lamp")
			require.ErrorIs(t, err, want)
			r := ask("tok_approve")
			r.By, r.CartID = c.by, id
			if !c.may {
				_, err = s.PlaceOrder(t.Context(), r)
				require.ErrorIs(t, err, want)
			}
			_, err = s.put(c.by, id, "lamp", 1)
			require.ErrorIs(t, err, want)
		}
		_, err := s.GetCart(t.Context(), ada, "no such cart")
		require.ErrorIs(t, err, orders.ErrCartNotFound)
	})
}

func TestWhatACartRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.start()
		s.sell("lamp", usd(500), 5)
		s.sell("dear", usd(math.MaxInt64/2), 5)
		c := s.newCart(nobody)
		for _, quantity := range []int64{0, -1, 10_001, math.MaxInt64, math.MinInt64} {
			_, err := s.put(nobody, c.ID, "lamp", quantity)
			require.ErrorIs(t, err, errs.ErrInvalid)
		}
		_, err := s.put(nobody, c.ID, "unknown", 1)
		require.ErrorIs(t, err, catalog.ErrVariantNotFound)
		_, err = s.put(nobody, c.ID, "dear", 3)
		require.ErrorIs(t, err, money.ErrOverflow)
		_, err = s.CreateCart(t.Context(), nobody, "XXX")
		require.ErrorIs(t, err, money.ErrUnknownCurrency)
		s.sell("palace", usd(math.MaxInt64-1), 5)
		c, err = s.put(nobody, c.ID, "palace", 1)
		require.NoError(t, err)
		_, err = s.put(nobody, c.ID, "lamp", 1)
		require.ErrorIs(t, err, money.ErrOverflow, "together they are too much")
		now, err := s.GetCart(t.Context(), nobody, c.ID)
		require.NoError(t, err)
		require.Equal(t, c, now, "nothing has changed")
		_, err = s.take(nobody, c.ID, "palace")
		require.NoError(t, err)
		_, err = s.put(nobody, c.ID, "lamp", 10_000)
		require.NoError(t, err)
	})
}

func TestACartHoldsSoManyVariants(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.start()
		c := s.newCart(nobody)
		s.damage(fmt.Sprintf(`INSERT INTO cart_items (cart_id, sku, quantity, product_id, title, price, currency, added_at)
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT '%s', i, 1, '', '', 1, 'USD', i FROM n`,
			orders.MaxLines-1, c.ID))
		_, err := s.put(nobody, c.ID, s.sell("lamp", usd(1), 1), 1)
		require.NoError(t, err)
		_, err = s.put(nobody, c.ID, s.sell("chair", usd(1), 1), 1)
		require.ErrorIs(t, err, errs.ErrInvalid)
		_, err = s.put(nobody, c.ID, "lamp", 2)
		require.NoError(t, err, "what is in it can be changed")
	})
}

func TestACartIsChangedByWhoKnowsItsVersion(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.start()
		s.sell("lamp", usd(500), 5)
		c := s.newCart(nobody)
		stale := errors.New("stale")
		at := func(version int64) service.Match {
			return func(now int64) error {
				if now != version {
					return stale
				}
				return nil
			}
		}
		var racing sync.WaitGroup
		outcomes := make(chan error, 20)
		for range cap(outcomes) {
			racing.Go(func() {
				_, err := s.PutCartItem(t.Context(), service.CartItem{CartID: c.ID, SKU: "lamp", Quantity: 1, Match: at(1)})
				outcomes <- err
			})
		}
		racing.Wait()
		won := 0
		for range cap(outcomes) {
			if err := <-outcomes; err == nil {
				won++
			} else {
				require.ErrorIs(t, err, stale)
			}
		}
		require.Equal(t, 1, won)
		_, err := s.DeleteCartItem(t.Context(), service.CartItem{CartID: c.ID, SKU: "lamp", Match: at(1)})
		require.ErrorIs(t, err, stale)
	})
}

func TestACartIsForgottenAfterItsTime(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.config.CartTTL = 2 * time.Hour
		s.start()
		s.sell("lamp", usd(500), 5)
		ctx, cancel := context.WithCancel(t.Context())
		swept := make(chan error, 1)
		go func() { swept <- s.SweepCarts(ctx) }()
		old, changed := s.fill(nobody, "lamp"), s.fill(nobody, "lamp")
		require.Equal(t, time.Now().Add(2*time.Hour).UTC(), old.ExpiresAt)
		pass(t, time.Hour)
		changed, err := s.put(nobody, changed.ID, "lamp", 2)
		require.NoError(t, err)
		require.Equal(t, time.Now().Add(2*time.Hour).UTC(), changed.ExpiresAt, "a change puts it off")
		pass(t, time.Hour)
		_, err = s.GetCart(t.Context(), nobody, old.ID)
		require.ErrorIs(t, err, orders.ErrCartNotFound)
		pass(t, 30*time.Minute)
		_, err = s.GetCart(t.Context(), nobody, changed.ID)
		require.NoError(t, err)
		kept := func() (list [2]int) {
			require.NoError(t, s.db.Read().QueryRowContext(t.Context(), "SELECT (SELECT count(*) FROM carts), (SELECT count(*) FROM cart_items)").Scan(&list[0], &list[1]))
			return list
		}
		require.Equal(t, [2]int{1, 1}, kept(), "what has expired is deleted")
		pass(t, 31*time.Minute)
		require.Equal(t, [2]int{0, 0}, kept())
		cancel()
		require.NoError(t, <-swept)
	})
}

func TestADeletedUserIsErased(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 50)
		s.open()
		hers := s.fill(ada, "lamp")
		his := s.fill(bob, "lamp")
		o := s.buy("tok_approve", "lamp")
		r := ask("tok_approve", "lamp")
		r.By = bob
		other, err := s.PlaceOrder(t.Context(), r)
		require.NoError(t, err)
		s.say(users.Name, ada.UserID, users.Deleted{UserID: ada.UserID, DeletedAt: time.Now()})
		synctest.Wait()
		_, err = s.GetCart(t.Context(), ada, hers.ID)
		require.ErrorIs(t, err, orders.ErrCartNotFound)
		_, err = s.GetCart(t.Context(), bob, his.ID)
		require.NoError(t, err)
		o.ShippingAddress = nil
		require.Equal(t, o, s.order(o.ID), "the order stays, for the books")
		require.Equal(t, other, s.order(other.ID))

		late := s.buy("tok_approve", "lamp") // while her token runs out
		require.Nil(t, s.order(late.ID).ShippingAddress)
	})
}
