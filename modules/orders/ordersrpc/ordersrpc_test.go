package ordersrpc_test

import (
	"testing"

	"stoa/modules/orders"
	"stoa/modules/orders/ordersrpc"
	"stoa/modules/orders/orderstest"
	"stoa/platform/clock"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

func TestTheClientKeepsTheContract(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		orderstest.Run(t, func(t *testing.T) (orders.Service, orderstest.Shop) {
			f := orderstest.NewFake(clock.System())
			l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) { ordersrpc.Serve(s, f) })
			return ordersrpc.NewClient(l.Client), f
		})
	})
}
