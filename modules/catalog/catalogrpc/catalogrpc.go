// Package catalogrpc is the contract of catalog between processes: a client
// that is a catalog.Service, and what answers it. Wirings import it. Package
// rpc says what crosses the wire; here nothing of the contract is lost.
package catalogrpc

import (
	"context"

	"stoa/modules/catalog"
	"stoa/platform/rpc"
)

// Those that change stock are idempotent by order.
var (
	getOffers   = rpc.Method[catalog.GetOffersRequest, []catalog.Offer]{Module: catalog.Name, Name: "GetOffers", Idempotent: true}
	getProducts = rpc.Method[catalog.GetProductsRequest, []catalog.Product]{Module: catalog.Name, Name: "GetProducts", Idempotent: true}
	reserve     = rpc.Method[catalog.ReserveRequest, catalog.Reservation]{Module: catalog.Name, Name: "Reserve", Idempotent: true}
	commit      = rpc.Method[catalog.CommitRequest, rpc.Empty]{Module: catalog.Name, Name: "Commit", Idempotent: true}
	release     = rpc.Method[catalog.ReleaseRequest, catalog.Release]{Module: catalog.Name, Name: "Release", Idempotent: true}
)

type client struct{ rpc *rpc.Client }

// NewClient gives the catalog that runs elsewhere.
func NewClient(c *rpc.Client) catalog.Service { return client{c} }

func (c client) GetOffers(ctx context.Context, r catalog.GetOffersRequest) ([]catalog.Offer, error) {
	return getOffers.Call(ctx, c.rpc, r)
}

func (c client) GetProducts(ctx context.Context, r catalog.GetProductsRequest) ([]catalog.Product, error) {
	return getProducts.Call(ctx, c.rpc, r)
}

func (c client) Reserve(ctx context.Context, r catalog.ReserveRequest) (catalog.Reservation, error) {
	return reserve.Call(ctx, c.rpc, r)
}

func (c client) Commit(ctx context.Context, r catalog.CommitRequest) error {
	_, err := commit.Call(ctx, c.rpc, r)
	return err
}

func (c client) Release(ctx context.Context, r catalog.ReleaseRequest) (catalog.Release, error) {
	return release.Call(ctx, c.rpc, r)
}

// Serve answers those who have a client.
func Serve(s *rpc.Server, service catalog.Service) {
	getOffers.Handle(s, service.GetOffers)
	getProducts.Handle(s, service.GetProducts)
	reserve.Handle(s, service.Reserve)
	commit.Handle(s, rpc.NoAnswer(service.Commit))
	release.Handle(s, service.Release)
}
