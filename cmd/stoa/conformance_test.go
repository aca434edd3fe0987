package main_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/app/conformance"
	"stoa/platform/db/dbtest"
)

// TestMain lets more tests run at once than there are processors: those of the
// conformance suite mostly wait for the shop.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestConformance holds topologies to everything that is promised to a caller. A
// further topology is one line.
func TestConformance(t *testing.T) {
	bin := build(t)
	stoa, gateway := filepath.Join(bin, "stoa"), filepath.Join(bin, "stoa-gateway")
	users, catalog := filepath.Join(bin, "stoa-users"), filepath.Join(bin, "stoa-catalog")
	orders, payments := filepath.Join(bin, "stoa-orders"), filepath.Join(bin, "stoa-payments")
	postgres := func(t testing.TB) []string {
		return []string{"database.url=" + dbtest.Postgres(t), "database.readers=2", "database.writers=4"}
	}
	overJetStream := func(t testing.TB) []string { return append(postgres(t), "bus.driver=nats", "nats.embedded=true") }

	topologies := []conformance.Topology{
		conformance.One{Called: "one process", Command: stoa},
		conformance.Split{Called: "one process a module behind the gateway", Command: stoa, Members: []conformance.Member{
			{Binary: users}, {Binary: catalog}, {Binary: orders}, {Binary: payments}, {Binary: gateway},
		}},
		conformance.One{Called: "one process, JetStream and PostgreSQL", Command: stoa, Given: overJetStream, Shared: true},
		conformance.Split{Called: "two processes of two modules", Command: stoa, Members: []conformance.Member{
			{Binary: stoa, Modules: "orders,payments"}, {Binary: stoa, Modules: "users,catalog,gateway"},
		}},
		conformance.Split{Called: "two instances of each module", Command: stoa, Given: postgres, Shared: true, Members: []conformance.Member{
			{Binary: users}, {Binary: users}, {Binary: catalog}, {Binary: catalog}, {Binary: orders}, {Binary: orders},
			{Binary: payments}, {Binary: payments}, {Binary: gateway},
		}},
	}
	for _, topology := range topologies {
		t.Run(topology.Name(), func(t *testing.T) { conformance.Run(t, topology) })
	}
}

// build builds the binaries as `make build` does, and gives where they are.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir, "../...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}
