package service_test

import (
	"context"
	"fmt"
	"slices"
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
)

var everyOrder = service.ListOrders{By: staff, Limit: 100}

func (s *shop) list(r service.ListOrders) (numbers []string, more bool) {
	s.t.Helper()
	list, more, err := s.ListOrders(s.t.Context(), r)
	require.NoError(s.t, err)
	for _, v := range list {
		numbers = append(numbers, v.Number)
	}
	return numbers, more
}

func TestListsAreOfOnesOwnOrdersTheNewestFirst(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 100)
		s.open()
		var all, hers, rejected []string
		var times []time.Time
		for i := range 12 {
			token := "tok_approve"
			if i%4 == 0 {
				token = "tok_decline"
			}
			r := ask(token, "lamp")
			if i%3 == 0 {
				r.By = bob
			}
			o, err := s.PlaceOrder(t.Context(), r)
			require.NoError(t, err)
			all = append(all, o.Number)
			times = append(times, o.PlacedAt)
			if r.By.UserID == ada.UserID {
				hers = append(hers, o.Number)
			}
			if token == "tok_decline" {
				rejected = append(rejected, o.Number)
			}
			if i%2 == 0 { // two each are placed at the same time
				pass(t, time.Second)
			}
		}
		for _, list := range []*[]string{&all, &hers, &rejected} {
			slices.Reverse(*list)
		}
		check := func(want []string, r service.ListOrders) {
			t.Helper()
			r.Limit = 100
			got, more := s.list(r)
			require.False(t, more)
			require.Equal(t, want, got)
		}
		check(all, service.ListOrders{By: staff})
		check(hers, service.ListOrders{By: ada})
		check(hers, service.ListOrders{By: staff, UserID: ada.UserID})
		check(nil, service.ListOrders{By: bob, UserID: ada.UserID})
		check(nil, service.ListOrders{By: auth.Identity{UserID: "somebody new"}})
		check(rejected, service.ListOrders{By: staff, Status: orders.StatusRejected})
		check(all[:3], service.ListOrders{By: staff, PlacedAfter: times[8]})
		check(all[11:], service.ListOrders{By: staff, PlacedBefore: times[1]})

		// Page by page, with more orders coming in meanwhile, nothing is missed
		// and nothing is told twice.
		for _, limit := range []int{1, 5, 12} {
			var got []string
			r := service.ListOrders{By: ada, Limit: limit}
			for more := true; more; {
				list, left, err := s.ListOrders(t.Context(), r)
				require.NoError(t, err)
				for _, v := range list {
					got = append(got, v.Number)
				}
				more = left
				last := list[len(list)-1]
				r.Last = service.Position{PlacedAt: last.PlacedAt, ID: last.ID}
				s.buy("tok_approve", "lamp")
			}
			require.Equal(t, hers, got)
			hers, _ = s.list(service.ListOrders{By: ada, Limit: 100})
		}
	})
}

func TestPartsOfOtherModulesAreAskedForOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		lamp := s.catalog.Sell(t, catalog.Offer{SKU: "lamp", Title: "Lamp", Price: usd(500), Available: 100})
		chair := s.catalog.Sell(t, catalog.Offer{SKU: "chair", Title: "Chair", Price: usd(500), Available: 100})
		s.open()
		for range 5 {
			s.buy("tok_approve", "lamp", "chair")
		}
		s.catalog.Withdraw(t, chair.ProductID)
		asked := map[string]int{}
		s.catalog.Before(func(_ context.Context, method string) error { asked[method]++; return nil })
		list, _, err := s.ListOrders(t.Context(), service.ListOrders{By: ada, Limit: 100, With: service.Expand{User: true, Products: true}})
		require.NoError(t, err)
		require.Len(t, list, 5)
		for _, v := range list {
			require.Equal(t, "Ada", v.User.Name)
			require.Len(t, v.Products, 2, "what is archived is not forgotten")
			require.Equal(t, lamp.ProductID, v.Products[0].ID)
			require.Equal(t, chair.ProductID, v.Products[1].ID)
			require.Empty(t, v.Warnings)
		}
		require.Equal(t, map[string]int{"GetProducts": 1}, asked)

		v, err := s.ReadOrder(t.Context(), ada, list[0].ID, service.Expand{})
		require.NoError(t, err)
		require.Nil(t, v.User)
		require.Nil(t, v.Products)
	})
}

func TestAnOrderIsServedWithoutThosePartsWhoseModuleIsAway(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 100)
		s.open()
		o := s.buy("tok_approve", "lamp")
		both := service.Expand{User: true, Products: true}
		s.users.Fail(errs.ErrUnavailable)
		v, err := s.ReadOrder(t.Context(), ada, o.ID, both)
		require.NoError(t, err)
		require.Nil(t, v.User)
		require.Len(t, v.Products, 1)
		require.Equal(t, []string{"users"}, v.Warnings)

		s.catalog.Before(func(context.Context, string) error { return errs.ErrTimeout })
		v, err = s.ReadOrder(t.Context(), ada, o.ID, both)
		require.NoError(t, err)
		require.Nil(t, v.Products)
		require.Equal(t, []string{"users", "catalog"}, v.Warnings)
		require.Equal(t, o, v.Order)

		s.users.Fail(nil)
		s.users.DeleteUser(ada.UserID)
		v, err = s.ReadOrder(t.Context(), ada, o.ID, service.Expand{User: true})
		require.NoError(t, err)
		require.Nil(t, v.User)
		require.Empty(t, v.Warnings, "who was deleted is not missing")
	})
}

func TestAHistoryHoldsNoPersonalData(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(500), 100)
		s.open()
		o := s.buy("tok_approve", "lamp")
		events, err := s.History(t.Context(), ada, o.ID)
		require.NoError(t, err)
		var all string
		for _, e := range events {
			require.False(t, e.At.Before(o.PlacedAt))
			require.Equal(t, time.UTC, e.At.Location())
			all += string(e.Data)
		}
		require.JSONEq(t, fmt.Sprintf(`{"number": %q, "user_id": %q, "currency": "USD",
			"items": [{"sku": "lamp", "product_id": %q, "title": "The lamp", "unit_price": {"amount": 500, "currency": "USD"},
				"quantity": 1, "total": {"amount": 500, "currency": "USD"}}],
			"subtotal": {"amount": 500, "currency": "USD"}, "shipping_total": {"amount": 0, "currency": "USD"},
			"tax_total": {"amount": 0, "currency": "USD"}, "discount_total": {"amount": 0, "currency": "USD"},
			"total": {"amount": 500, "currency": "USD"}}`, o.Number, ada.UserID, o.Items[0].ProductID), string(events[0].Data))
		for _, personal := range []string{"Lovelace", "London", "SW1Y", "ada@", "tok_"} {
			require.NotContains(t, all, personal)
		}
	})
}

func TestCustomersAreWrittenTo(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.config.Shop.Shipping = map[string]int64{"USD": 490}
		s.sell("lamp", usd(1999), 100)
		s.open()
		r := ask("tok_approve", "lamp", "lamp")
		o, err := s.PlaceOrder(t.Context(), r)
		require.NoError(t, err)
		synctest.Wait()
		letters := s.mail.To("ada@example.com")
		require.Len(t, letters, 1)
		require.Equal(t, "Your order "+o.Number, letters[0].Subject)
		require.Equal(t, `Hello Ada,

thank you for your order `+o.Number+`. It is paid, and we will write again when it is
on its way.

  2 × The lamp: 39.98 USD

  Goods:    39.98 USD
  Shipping: 4.90 USD
  Total:    44.88 USD

It will go to:

  Ada Lovelace
  12 St James's Square
  SW1Y 4JH London
  GB

Kind regards
`, letters[0].Text)

		require.NoError(t, s.ship(o.ID))
		synctest.Wait()
		letters = s.mail.To("ada@example.com")
		require.Len(t, letters, 2)
		require.Equal(t, "Your order "+o.Number+" is on its way", letters[1].Subject)
		require.Contains(t, letters[1].Text, "Royal Mail")
		require.Contains(t, letters[1].Text, "AB123")
		s.buy("tok_decline", "lamp")
		synctest.Wait()
		require.Len(t, s.mail.Messages(), 2)
	})
}

func TestALetterWaitsForItsWay(t *testing.T) {
	bubble(t, func(t *testing.T, s *shop) {
		s.sell("lamp", usd(1999), 100)
		s.open()
		s.mail.Fail(errs.ErrUnavailable)
		s.buy("tok_approve", "lamp")
		pass(t, time.Minute)
		require.Empty(t, s.mail.Messages())
		s.users.AddUser(users.User{ID: ada.UserID, Email: "new@example.com", Name: "Ada"})
		s.mail.Fail(nil)
		pass(t, 2*time.Minute)
		require.Len(t, s.mail.To("new@example.com"), 1, "it goes to the address of then")

		s.mail.Fail(errs.ErrUnavailable)
		s.buy("tok_approve", "lamp")
		synctest.Wait()
		s.users.DeleteUser(ada.UserID)
		s.mail.Fail(nil)
		pass(t, 2*time.Minute)
		require.Len(t, s.mail.Messages(), 1, "who was deleted is not written to")
	})
}
