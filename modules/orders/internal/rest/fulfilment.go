package rest

import (
	"context"
	"net/http"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/service"
	"stoa/platform/errs"
	"stoa/platform/money"
	"stoa/platform/web"
)

// refundExceedsCapture is payments'; it is named here for the document.
var refundExceedsCapture = errs.New(errs.Conflict, "payments.refund_exceeds_capture", "this is more than is left of what was captured")

// ChangedOrder is embedded in the inputs of what changes an order. It is
// exported as Huma reads no others.
type ChangedOrder struct {
	web.IfMatch
	ID string `path:"id"`
}

type cancelOrder struct {
	ChangedOrder
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"500"`
	}
}

type shipOrder struct {
	ChangedOrder
	Body struct {
		Carrier        string `json:"carrier" minLength:"1" maxLength:"100"`
		TrackingNumber string `json:"tracking_number,omitempty" maxLength:"100"`
	}
}

type refundOrder struct {
	ChangedOrder
	Body struct {
		Amount money.Money `json:"amount"`
		Reason string      `json:"reason,omitempty" maxLength:"500"`
	}
}

type changedOrder struct {
	ETag web.ETag `header:"ETag"`
	Body orders.Order
}

type shipment struct {
	Body orders.Shipment
}

type refund struct {
	Body service.Refund
}

func (h routes) registerFulfilment() {
	web.Register(h.router, web.Operation{
		ID: "cancel-order", Method: http.MethodPost, Path: "/orders/{id}/cancellation", Access: web.SignedIn,
		Status: http.StatusAccepted, Idempotent: true, Summary: "Call an order off before it is shipped",
		Description: "Stock and money go back; the order's events tell when they have.",
		Errors:      []*errs.Error{orders.ErrOrderNotFound, orders.ErrInvalidTransition},
	}, h.cancelOrder)
	web.Register(h.router, web.Operation{
		ID: "ship-order", Method: http.MethodPost, Path: "/orders/{id}/shipments", Access: web.Staff,
		Status: http.StatusCreated, Idempotent: true, Summary: "Say that an order is on its way",
		Errors: []*errs.Error{orders.ErrOrderNotFound, orders.ErrInvalidTransition},
	}, h.shipOrder)
	web.Register(h.router, web.Operation{
		ID: "deliver-order", Method: http.MethodPost, Path: "/orders/{id}/delivery", Access: web.Staff,
		Status: http.StatusCreated, Idempotent: true, Summary: "Say that an order has arrived",
		Errors: []*errs.Error{orders.ErrOrderNotFound, orders.ErrInvalidTransition},
	}, h.deliverOrder)
	web.Register(h.router, web.Operation{
		ID: "refund-order", Method: http.MethodPost, Path: "/orders/{id}/refunds", Access: web.Staff,
		Status: http.StatusCreated, Idempotent: true, Summary: "Give part of an order's money back",
		Errors: []*errs.Error{orders.ErrOrderNotFound, refundExceedsCapture},
	}, h.refundOrder)
}

func (h routes) cancelOrder(ctx context.Context, in *cancelOrder) (*changedOrder, error) {
	return order(h.service.CancelOrder(ctx, caller(ctx), in.ID, in.Body.Reason, in.Check))
}

func (h routes) shipOrder(ctx context.Context, in *shipOrder) (*shipment, error) {
	s, err := h.service.ShipOrder(ctx, in.ID, in.Body.Carrier, in.Body.TrackingNumber, in.Check)
	if err != nil {
		return nil, err
	}
	return &shipment{Body: s}, nil
}

func (h routes) deliverOrder(ctx context.Context, in *ChangedOrder) (*changedOrder, error) {
	return order(h.service.DeliverOrder(ctx, caller(ctx), in.ID, in.Check))
}

func (h routes) refundOrder(ctx context.Context, in *refundOrder) (*refund, error) {
	r, err := h.service.RefundOrder(ctx, in.ID, in.Body.Amount, in.Body.Reason, in.Check)
	if err != nil {
		return nil, err
	}
	return &refund{Body: r}, nil
}

func order(o orders.Order, err error) (*changedOrder, error) {
	if err != nil {
		return nil, err
	}
	return &changedOrder{ETag: web.Version(o.Version), Body: o}, nil
}
