package rest_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	paymentsmigrations "stoa/migrations/payments"
	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
	"stoa/modules/payments/internal/rest"
	"stoa/modules/payments/internal/service"
	"stoa/platform/auth"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db/dbtest"
	"stoa/platform/money"
	"stoa/platform/outbox"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

const order = "0199f0a0-0000-7000-8000-000000000001"

func open(t *testing.T) (*service.Service, *webtest.Server) {
	t.Helper()
	d := dbtest.Open(t, payments.Name, paymentsmigrations.FS)
	c, log := clock.System(), slog.New(slog.DiscardHandler)
	s := service.New(service.Options{
		DB: d, Clock: c, Log: log, Provider: provider.NewSandbox(c), Timeout: time.Second,
		Outbox: outbox.New(payments.Name, d, bus.NewInProcess(), c, log, outbox.Options{}),
	})
	return s, webtest.New(t, payments.Name, func(r *web.Router) { rest.Register(r, s) })
}

func TestStaffSeeThePaymentOfAnOrder(t *testing.T) {
	t.Parallel()
	s, api := open(t)
	staff := api.As("u1", auth.RoleStaff)

	none := staff.Do(t, http.MethodGet, "/payments?order_id="+order, nil)
	require.Equal(t, http.StatusOK, none.Status)
	require.JSONEq(t, `{"items": []}`, string(none.Body))

	_, err := s.Authorize(t.Context(), payments.AuthorizeRequest{
		OrderID: order, Amount: money.Money{Amount: 1999, Currency: "USD"}, Method: "card", Token: "tok_approve",
	})
	require.NoError(t, err)
	one := staff.Do(t, http.MethodGet, "/payments?order_id="+order, nil)
	require.Equal(t, http.StatusOK, one.Status)
	var list struct {
		Items []map[string]any `json:"items"`
	}
	require.NoError(t, json.Unmarshal(one.Body, &list))
	require.Len(t, list.Items, 1)
	p := list.Items[0]
	require.Equal(t, order, p["order_id"])
	require.Equal(t, "authorized", p["status"])
	require.Equal(t, "sandbox", p["provider"])
	require.Equal(t, map[string]any{"amount": 1999.0, "currency": "USD"}, p["authorized"])
	require.Equal(t, []any{}, p["refunds"])
	require.Len(t, p["attempts"], 1)
	for _, field := range []string{"id", "captured", "refunded", "provider_reference", "created_at", "updated_at"} {
		require.Contains(t, p, field)
	}

	// An order that was cancelled before anything was asked for has no payment.
	const cancelled = "0199f0a0-0000-7000-8000-000000000002"
	_, err = s.Cancel(t.Context(), payments.CancelRequest{OrderID: cancelled})
	require.NoError(t, err)
	require.JSONEq(t, `{"items": []}`, string(staff.Do(t, http.MethodGet, "/payments?order_id="+cancelled, nil).Body))
}

func TestOthersDoNot(t *testing.T) {
	t.Parallel()
	_, api := open(t)
	require.Equal(t, http.StatusUnauthorized, api.Do(t, http.MethodGet, "/payments?order_id="+order, nil).Status)
	require.Equal(t, http.StatusUnauthorized, api.Do(t, http.MethodGet, "/payments?order_id=x", nil).Status, "before the request is judged")
	require.Equal(t, http.StatusForbidden, api.As("u1", "customer").Do(t, http.MethodGet, "/payments?order_id="+order, nil).Status)
}

func TestBadQueriesAreRefused(t *testing.T) {
	t.Parallel()
	_, api := open(t)
	staff := api.As("u1", auth.RoleStaff)
	for _, query := range []string{
		"",
		"order_id=",
		"order_id=" + url.QueryEscape("' OR 1=1 --"),
		"order_id=o%00",
		"order_id=" + order + "&order_id=" + order,
		"order_id=" + order + "&limit=0",
		"order_id=" + order + "&limit=201",
		"order_id=" + order + "&cursor=AAAA",
		"order_id=" + order + "&status=captured",
	} {
		status := staff.Do(t, http.MethodGet, "/payments?"+query, nil).Status
		require.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity}, status, query)
	}
}
