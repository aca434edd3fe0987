// Package rest is the orders module's part of the HTTP API. The module's
// wiring imports it. It holds no rule: it says what is asked for and who may
// ask, and leaves the rest to the service.
package rest

import (
	"context"

	"stoa/modules/orders/internal/service"
	"stoa/platform/auth"
	"stoa/platform/web"
)

// routes are the operations on one service, which is nil where only the
// documents are made.
type routes struct {
	service *service.Service
	router  *web.Router
}

// Register adds the operations of the orders module.
func Register(r *web.Router, s *service.Service) {
	h := routes{s, r}
	h.registerCarts()
	h.registerOrders()
	h.registerFulfilment()
}

// caller gives who asks; it is nobody where they have not signed in.
func caller(ctx context.Context) auth.Identity {
	id, _ := auth.From(ctx)
	return id
}
