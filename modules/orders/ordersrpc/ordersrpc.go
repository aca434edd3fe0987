// Package ordersrpc is the contract of orders between processes: a client that
// is an orders.Service, and what answers it. Wirings import it. Package rpc
// says what crosses the wire; here nothing of the contract is lost.
package ordersrpc

import (
	"context"

	"stoa/modules/orders"
	"stoa/platform/rpc"
)

var getOrder = rpc.Method[orders.GetOrderRequest, orders.Order]{Module: orders.Name, Name: "GetOrder", Idempotent: true}

type client struct{ rpc *rpc.Client }

// NewClient gives the orders that run elsewhere.
func NewClient(c *rpc.Client) orders.Service { return client{c} }

func (c client) GetOrder(ctx context.Context, r orders.GetOrderRequest) (orders.Order, error) {
	return getOrder.Call(ctx, c.rpc, r)
}

// Serve answers those who have a client.
func Serve(s *rpc.Server, service orders.Service) {
	getOrder.Handle(s, service.GetOrder)
}
