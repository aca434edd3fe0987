package telemetry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/telemetry"
)

func TestARegistryKnowsTheProcessAndTheBuild(t *testing.T) {
	t.Parallel()
	families, err := telemetry.NewRegistry(build).Gather()
	require.NoError(t, err)
	labels := map[string]string{}
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
		if f.GetName() == "stoa_build_info" {
			require.InDelta(t, 1, f.GetMetric()[0].GetGauge().GetValue(), 0)
			for _, l := range f.GetMetric()[0].GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
		}
	}
	require.Equal(t, "stoa-test", labels["name"])
	require.Equal(t, "v1.2.3", labels["version"])
	require.Equal(t, "abc", labels["commit"])
	require.NotEmpty(t, labels["go_version"])
	require.True(t, names["go_goroutines"])
	require.True(t, names["process_cpu_seconds_total"])
}
