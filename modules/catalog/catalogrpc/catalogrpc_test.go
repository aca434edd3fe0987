package catalogrpc_test

import (
	"testing"

	"stoa/modules/catalog"
	"stoa/modules/catalog/catalogrpc"
	"stoa/modules/catalog/catalogtest"
	"stoa/platform/clock"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

func TestTheClientKeepsTheContract(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		catalogtest.Run(t, func(t *testing.T) (catalog.Service, catalogtest.Shop) {
			f := catalogtest.NewFake(clock.System())
			l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) { catalogrpc.Serve(s, f) })
			return catalogrpc.NewClient(l.Client), f
		})
	})
}
