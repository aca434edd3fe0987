package service_test

import (
	"flag"
	"testing"

	"stoa/platform/rpc/rpctest"
)

// TestMain has fewer examples drawn than rapid would: each has a database of
// its own. -rapid.checks asks for more.
func TestMain(m *testing.M) {
	flag.Parse()
	drawn := false
	flag.Visit(func(f *flag.Flag) { drawn = drawn || f.Name == "rapid.checks" })
	if !drawn {
		if err := flag.Set("rapid.checks", "30"); err != nil {
			panic(err)
		}
	}
	rpctest.Main(m)
}
