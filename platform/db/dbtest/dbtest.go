// Package dbtest gives tests a real database of their own, with nothing installed.
package dbtest

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/db"
)

// Open makes a database for one test, with the schema of a module, and closes
// it when the test ends.
func Open(t testing.TB, module string, migrations fs.FS) *db.DB {
	t.Helper()
	d, err := db.OpenSQLite(t.Context(), module, filepath.Join(t.TempDir(), module+".db"), db.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.Migrate(t.Context(), migrations))
	return d
}
