package service_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/catalogrpc"
	"stoa/modules/catalog/catalogtest"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

// What is called over a network that repeats, loses and delays is done once all
// the same.
func TestServiceKeepsTheContractThroughChaos(t *testing.T) {
	t.Parallel()
	for _, driver := range rpctest.Drivers {
		t.Run(driver, func(t *testing.T) {
			var (
				mu  sync.Mutex
				all []*rpctest.Chaos
			)
			t.Run("suite", func(t *testing.T) {
				catalogtest.Run(t, func(t *testing.T) (catalog.Service, catalogtest.Shop) {
					s := open(t)
					mu.Lock()
					l, c := rpctest.Chaotic(t, driver, uint64(len(all)+1))
					all = append(all, c)
					mu.Unlock()
					l.Start(t, func(server *rpc.Server) { catalogrpc.Serve(server, s.Service) })
					return catalogrpc.NewClient(l.Client), s
				})
			})
			var repeated, lost int
			for _, c := range all {
				r, l := c.Mischief()
				repeated, lost = repeated+r, lost+l
			}
			require.Greater(t, repeated, 20)
			require.Greater(t, lost, 20)
		})
	}
}
