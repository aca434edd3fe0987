// Package dbtest gives tests a real database of their own, with nothing
// installed: SQLite in a temporary directory, or, where TEST_DATABASE is
// "postgres", a database on a PostgreSQL server that is started once for the
// process, or is the one that TEST_POSTGRES_URL names.
package dbtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"stoa/platform/db"
)

// EnvURL names a PostgreSQL server on which databases can be made, instead of
// starting one.
const EnvURL = "TEST_POSTGRES_URL"

// Dialect is the kind of database that Open opens.
func Dialect() db.Dialect {
	if os.Getenv("TEST_DATABASE") == string(db.Postgres) {
		return db.Postgres
	}
	return db.SQLite
}

// Open makes a database for one test, with the schema of a module, and closes
// it when the test ends.
func Open(t testing.TB, module string, migrations fs.FS) *db.DB {
	t.Helper()
	if Dialect() == db.Postgres {
		return OpenPostgres(t, module, migrations)
	}
	return OpenSQLite(t, module, migrations)
}

// OpenSQLite is Open for what is of SQLite only.
func OpenSQLite(t testing.TB, module string, migrations fs.FS) *db.DB {
	t.Helper()
	d, err := db.OpenSQLite(t.Context(), module, filepath.Join(t.TempDir(), module+".db"), db.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.Migrate(t.Context(), migrations))
	return d
}

// OpenPostgres is Open for what is of PostgreSQL only. Where the machine has
// none it skips the test, which fails it in CI.
func OpenPostgres(t testing.TB, module string, migrations fs.FS) *db.DB {
	t.Helper()
	return Reopen(t, module, PostgresWith(t, module, migrations))
}

// Migration makes a set of one migration for tests of what is of no module. It
// is written as SQLite has it, and said to PostgreSQL as that has it.
func Migration(text string) fs.FS {
	identity := strings.ReplaceAll(text, "INTEGER PRIMARY KEY AUTOINCREMENT", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
	return fstest.MapFS{
		"0001_test.sqlite.sql":   {Data: []byte(text)},
		"0001_test.postgres.sql": {Data: []byte(identity)},
	}
}

// Reopen opens a database once more, as another process would, until the test
// ends. The URL is one that Postgres or PostgresWith gave.
func Reopen(t testing.TB, module, url string) *db.DB {
	t.Helper()
	d, err := db.OpenPostgres(t.Context(), module, url, db.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}
