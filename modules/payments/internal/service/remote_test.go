package service_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
	"stoa/modules/payments/paymentsrpc"
	"stoa/modules/payments/paymentstest"
	"stoa/platform/clock"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

// What is called over a network that repeats, loses and delays is done once all
// the same.
func TestServiceKeepsTheContractThroughChaos(t *testing.T) {
	t.Parallel()
	for n, driver := range rpctest.Drivers {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, clock.System())
			l, c := rpctest.Chaotic(t, driver, uint64(n+1))
			// The suite counts how often the provider fails, which repeating changes.
			c.Spare = func(call *rpc.Call) bool { return bytes.Contains(call.Body, []byte(paymentstest.TokenFlaky)) }
			l.Start(t, func(server *rpc.Server) {
				paymentsrpc.Serve(server, s.instance(newBank(provider.NewSandbox(s.clock))))
			})
			t.Run("suite", func(t *testing.T) {
				paymentstest.Suite(t, func(*testing.T) payments.Service { return paymentsrpc.NewClient(l.Client) })
			})
			repeated, lost := c.Mischief()
			require.Greater(t, repeated, 50)
			require.Greater(t, lost, 50)
		})
	}
}
