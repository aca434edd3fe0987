package country_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/country"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"AD", "GB", "US", "ZW", "TF", "AX"} {
		require.True(t, country.Valid(code), code)
	}
	for _, code := range []string{"", "G", "gb", "UK", "XX", "USA", "D ", " A", "E\n", "EA", "  "} {
		require.False(t, country.Valid(code), code)
	}
}
