package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/app/bench/report"
)

// One small benchmark from the command line to the page: the figures say nothing,
// but that there are some.
func TestABenchmarkRunsFromStartToPage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-o", dir+"/", "stoa/cmd/stoa", "stoa/app/bench")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	file := filepath.Join(dir, "measured.json")
	bench := func(args ...string) string {
		out, err := exec.Command(filepath.Join(dir, "bench"), args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	printed := bench("-quick", "-rounds", "1", "-round", "300ms", "-run", "products",
		"-binary", filepath.Join(dir, "stoa"), "-to", file)
	require.Contains(t, printed, "product by id")
	r, err := report.Load(file)
	require.NoError(t, err)
	for _, name := range []string{"products.by_id", "products.list", "products.search"} {
		row, found := r.Row(name)
		require.True(t, found, name)
		require.Positive(t, row.Value, name)
		require.Less(t, row.Value, 100.0, name)
		require.Len(t, row.Series[0].Values, 1)
	}
	require.NotEmpty(t, r.Machine.CPU)
	require.NotEmpty(t, r.Groups[0].Commit)
	written := bench("plot", "-from", file, "-to", filepath.Join(dir, "docs"))
	require.Contains(t, written, "performance.md")
	require.FileExists(t, filepath.Join(dir, "docs", "performance", "shares.svg"))
	_, err = exec.Command(filepath.Join(dir, "bench"), "-run", "nothing").CombinedOutput()
	require.Error(t, err)
}
