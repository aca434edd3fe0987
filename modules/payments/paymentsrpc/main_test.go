package paymentsrpc_test

import (
	"testing"

	"stoa/platform/rpc/rpctest"
)

func TestMain(m *testing.M) { rpctest.Main(m) }
