package main_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/app/conformance"
)

// TestMain lets more tests run at once than there are processors: those of the
// conformance suite mostly wait for the shop.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	binary := build(t, "stoa")
	for _, topology := range []conformance.Topology{
		conformance.OneProcess("one process", binary, nil),
		conformance.OneProcess("one process over JetStream", binary, func(testing.TB) []string {
			return []string{"bus.driver=nats", "nats.embedded=true"}
		}),
	} {
		t.Run(topology.Name(), func(t *testing.T) { conformance.Run(t, topology) })
	}
}

// build builds the binary as `make build` does.
func build(t *testing.T, name string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", "build", "-o", binary, "../"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}
