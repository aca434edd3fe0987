package db_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

func TestArgumentsAreThoseOfTheirNumbers(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, "test", nil)
	for query, want := range map[string]string{
		`SELECT CAST($1 AS TEXT) || CAST($2 AS TEXT)`:                           "ab",
		`SELECT CAST($2 AS TEXT) || CAST($1 AS TEXT)`:                           "ba",
		`SELECT CAST($1 AS TEXT) || CAST($2 AS TEXT) || $1`:                     "aba",
		`SELECT CAST($2 AS TEXT) || $2 || CAST($1 AS TEXT)`:                     "bba",
		`SELECT '$' || CAST($1 AS TEXT) || '?' || CAST($2 AS TEXT) || '$ 1, $'`: "$a?b$ 1, $",
	} {
		var got string
		require.NoError(t, db.NewStatement(query).QueryRow(t.Context(), d.Read(), "a", "b").Scan(&got), query)
		require.Equal(t, want, got, query)
	}
}
