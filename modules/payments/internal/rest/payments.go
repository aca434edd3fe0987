// Package rest is the HTTP API of payments. Only the module's wiring imports
// it; it holds no rule and knows no table.
package rest

import (
	"context"
	"errors"
	"net/http"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/service"
	"stoa/platform/web"
)

type listPayments struct {
	web.Page
	OrderID string `query:"order_id" required:"true" format:"uuid" doc:"The order whose payment is asked for."`
}

type paymentList struct {
	Body web.List[payments.Payment]
}

// Register adds the operations to a router.
func Register(r *web.Router, s *service.Service) {
	web.Register(r, web.Operation{
		ID: "list-payments", Method: http.MethodGet, Path: "/payments", Access: web.Staff,
		Summary:     "The payment of an order",
		Description: "One item, or none where nothing was ever asked for. Amounts are sums over the ledger; an attempt that is pending or failed is made again under the same key until its outcome is known.",
	}, func(ctx context.Context, in *listPayments) (*paymentList, error) {
		// There is one page: no cursor was ever given out.
		if err := r.Cursors("payments", in.OrderID).Decode(in.Cursor, new(string)); err != nil {
			return nil, err
		}
		out := &paymentList{}
		p, err := s.GetPayment(ctx, payments.GetPaymentRequest{OrderID: in.OrderID})
		switch {
		case err == nil:
			out.Body.Items = []payments.Payment{p}
		case !errors.Is(err, payments.ErrPaymentNotFound):
			return nil, err
		}
		return out, nil
	})
}
