package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/platform/config"
)

func TestSizesAreReadWithTheirUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Bytes{
		"0": 0, "512": 512, "512B": 512, "1kB": 1000, "1KiB": 1024, "64 KiB": 65536, "1mib": config.MiB,
		"10MB": 10_000_000, "3GiB": 3 * config.GiB, "1TB": 1e12, "2TiB": 2 * config.TiB,
	} {
		var got config.Bytes
		require.NoError(t, got.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "B", "MiB", "-1", "-1MiB", "1.5MiB", "1XiB", "0x10", "1 2", "9223372036854775808", "8388608TiB"} {
		var got config.Bytes
		require.Error(t, got.UnmarshalText([]byte(text)), text)
	}
}

func TestSizesReadBackWhatTheyWrite(t *testing.T) {
	t.Parallel()
	require.Equal(t, "1MiB", config.MiB.String())
	require.Equal(t, "1536KiB", (1536 * config.KiB).String())
	require.Equal(t, "1000B", config.Bytes(1000).String())
	rapid.Check(t, func(t *rapid.T) {
		want := config.Bytes(rapid.Int64Min(0).Draw(t, "size"))
		var got config.Bytes
		require.NoError(t, got.UnmarshalText([]byte(want.String())))
		require.Equal(t, want, got)
	})
}
