// Package platformmigrations_test holds the two kinds of database to one schema.
package platformmigrations_test

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	catalogmigrations "stoa/migrations/catalog"
	ordersmigrations "stoa/migrations/orders"
	paymentsmigrations "stoa/migrations/payments"
	usersmigrations "stoa/migrations/users"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

// TestBothDatabasesHaveOneSchema compares tables, columns, what may be NULL,
// keys and indexes. What is of one kind only is named here.
func TestBothDatabasesHaveOneSchema(t *testing.T) {
	t.Parallel()
	for module, files := range map[string]fs.FS{
		"orders": ordersmigrations.FS, "payments": paymentsmigrations.FS, "users": usersmigrations.FS, "catalog": catalogmigrations.FS,
	} {
		t.Run(module, func(t *testing.T) {
			t.Parallel()
			if found, err := fs.Glob(files, "*.postgres.sql"); module == "catalog" && len(found) == 0 {
				require.NoError(t, err)
				return // it has none for PostgreSQL yet
			}
			lite, post := dbtest.OpenSQLite(t, module, files), dbtest.OpenPostgres(t, module, files)
			require.Equal(t, ofSQLite(t, lite), ofPostgres(t, post))
		})
	}
}

// own tells tables that are neither goose's nor of a search index.
func own(table string) bool {
	return !strings.HasPrefix(table, "schema_") && !strings.HasPrefix(table, "sqlite_") && !strings.Contains(table, "search")
}

// kinds gives the columns' types one name each.
var kinds = map[string]string{
	"INTEGER": "number", "BIGINT": "number", "TEXT": "text", "BOOLEAN": "truth", "BLOB": "bytes",
	"bigint": "number", "text": "text", "boolean": "truth", "bytea": "bytes",
}

func rows(t *testing.T, d *db.DB, query string, args ...any) (list [][]string) {
	t.Helper()
	require.NoError(t, d.Snapshot(t.Context(), func(ctx context.Context, c db.Conn) error {
		list = nil
		result, err := c.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer result.Close()
		columns, err := result.Columns()
		if err != nil {
			return err
		}
		for result.Next() {
			row := make([]string, len(columns))
			into := make([]any, len(columns))
			for i := range row {
				into[i] = &row[i]
			}
			if err := result.Scan(into...); err != nil {
				return err
			}
			list = append(list, row)
		}
		return result.Err()
	}))
	return list
}

func ofSQLite(t *testing.T, d *db.DB) (schema []string) {
	for _, table := range rows(t, d, "SELECT name FROM sqlite_master WHERE type = 'table'") {
		name := table[0]
		if !own(name) {
			continue
		}
		var key []string
		for _, c := range rows(t, d, "SELECT name, type, \"notnull\" <> 0 OR pk > 0, pk FROM pragma_table_info('"+name+"') ORDER BY pk") {
			schema = append(schema, fmt.Sprintf("%s.%s %s, never NULL: %t", name, c[0], kinds[c[1]], c[2] == "1"))
			if c[3] != "0" {
				key = append(key, c[0])
			}
		}
		schema = append(schema, name+" key "+strings.Join(key, ","))
		for _, f := range rows(t, d, "SELECT \"from\", \"table\", on_delete FROM pragma_foreign_key_list('"+name+"')") {
			schema = append(schema, fmt.Sprintf("%s.%s refers to %s, %s", name, f[0], f[1], strings.ToLower(f[2])))
		}
		for _, i := range rows(t, d, "SELECT name, \"unique\", partial FROM pragma_index_list('"+name+"') WHERE origin <> 'pk'") {
			var of []string
			for _, c := range rows(t, d, "SELECT coalesce(name, '?') FROM pragma_index_info('"+i[0]+"') ORDER BY seqno") {
				of = append(of, c[0])
			}
			schema = append(schema, fmt.Sprintf("%s index %s, unique: %t, of some: %t", name, strings.Join(of, ","), i[1] == "1", i[2] == "1"))
		}
	}
	slices.Sort(schema)
	return schema
}

func ofPostgres(t *testing.T, d *db.DB) (schema []string) {
	for _, table := range rows(t, d, "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()") {
		name := table[0]
		if !own(name) {
			continue
		}
		for _, c := range rows(t, d, "SELECT column_name::text, data_type::text, is_nullable::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = '"+name+"'") {
			schema = append(schema, fmt.Sprintf("%s.%s %s, never NULL: %t", name, c[0], kinds[c[1]], c[2] == "NO"))
		}
		of := func(numbers string) string {
			return "(SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(" + numbers + ") WITH ORDINALITY AS k (num, n) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.num)"
		}
		for _, i := range rows(t, d, "SELECT "+of("i.indkey::int2[]")+", i.indisprimary::text, i.indisunique::text, (i.indpred IS NOT NULL)::text FROM pg_class t JOIN pg_index i ON i.indrelid = t.oid WHERE t.oid = '"+name+"'::regclass") {
			if i[1] == "true" {
				schema = append(schema, name+" key "+i[0])
				continue
			}
			schema = append(schema, fmt.Sprintf("%s index %s, unique: %s, of some: %s", name, i[0], i[2], i[3]))
		}
		action := map[string]string{"a": "no action", "c": "cascade", "r": "restrict", "n": "set null"}
		for _, f := range rows(t, d, "SELECT "+of("c.conkey")+", c.confrelid::regclass::text, c.confdeltype::text FROM pg_class t JOIN pg_constraint c ON c.conrelid = t.oid WHERE c.contype = 'f' AND t.oid = '"+name+"'::regclass") {
			schema = append(schema, fmt.Sprintf("%s.%s refers to %s, %s", name, f[0], f[1], action[f[2]]))
		}
	}
	slices.Sort(schema)
	return schema
}

// TestEachMigrationIsForBothOrHasItsTwin finds a file that is for one kind of
// database and says nothing about the other.
func TestEachMigrationIsForBothOrHasItsTwin(t *testing.T) {
	t.Parallel()
	one := regexp.MustCompile(`^(.*)\.(sqlite|postgres)\.sql$`)
	// alone are those that the other kind of database has no need of.
	alone := []string{"../users/0002_terms.postgres.sql"}
	found, err := filepath.Glob("../*/*.sql")
	require.NoError(t, err)
	require.NotEmpty(t, found)
	catalog, err := filepath.Glob("../catalog/*.postgres.sql")
	require.NoError(t, err)
	for _, file := range found {
		m := one.FindStringSubmatch(file)
		if m == nil || slices.Contains(alone, file) || strings.HasPrefix(file, "../catalog/") && len(catalog) == 0 {
			continue
		}
		twin := m[1] + "." + map[string]string{"sqlite": "postgres", "postgres": "sqlite"}[m[2]] + ".sql"
		require.Contains(t, found, twin)
	}
}
