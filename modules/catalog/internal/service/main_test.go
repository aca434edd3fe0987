package service_test

import (
	"testing"

	"stoa/platform/db/dbtest"
	"stoa/platform/rpc/rpctest"
)

func TestMain(m *testing.M) {
	dbtest.Examples(30)
	rpctest.Main(m)
}
