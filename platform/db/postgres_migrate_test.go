package db_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

func TestTenInstancesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	at := dbtest.Postgres(t)
	var racing sync.WaitGroup
	for range 10 {
		racing.Go(func() {
			d, err := db.OpenPostgres(t.Context(), "test", at, db.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(d.Migrate(t.Context(), migrations), d.Write(t.Context(), add(fmt.Sprintf("%p", d)))); err != nil {
				t.Error(err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	racing.Wait()
	require.Len(t, strings.Fields(names(t, openWith(t, "test", at, db.Options{}))), 10)
}

func TestMigrationsOnPostgres(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"0001_things.sql":          migrations["0001_things.sql"],
		"0002_search.postgres.sql": {Data: []byte("-- +goose Up\nCREATE TABLE search (x TEXT);\n-- +goose Down\nDROP TABLE search;\n")},
		"0002_search.sqlite.sql":   {Data: []byte("-- +goose Up\nCREATE VIRTUAL TABLE search USING fts5 (x);\n")},
	}
	d := openWith(t, "test", dbtest.Postgres(t), db.Options{})
	applied := func() (list []string) {
		t.Helper()
		all, err := d.Migrations(t.Context(), files)
		require.NoError(t, err)
		for _, m := range all {
			if m.Set == "test" && m.Applied {
				list = append(list, m.Name)
			}
		}
		return list
	}
	require.Empty(t, applied(), "there is no schema yet")
	require.NoError(t, d.Migrate(t.Context(), files))
	require.NoError(t, d.Migrate(t.Context(), files), "twice is once")
	require.Equal(t, []string{"0001_things.sql", "0002_search.postgres.sql"}, applied())
	require.NoError(t, d.MigrateDown(t.Context(), files))
	require.Equal(t, []string{"0001_things.sql"}, applied())
}

func TestAModuleIsRefusedItsNeighboursTables(t *testing.T) {
	t.Parallel()
	at := dbtest.Postgres(t)
	one, two := openWith(t, "one", at, db.Options{}), openWith(t, "two", at, db.Options{})
	require.NoError(t, one.Migrate(t.Context(), migrations))
	require.NoError(t, two.Migrate(t.Context(), migrations))
	var who string
	require.NoError(t, whoAmI.QueryRow(t.Context(), one.Read()).Scan(&who))
	require.Equal(t, "stoa_one", who)
	for _, foreign := range []string{
		"SELECT count(*) FROM two.things", "INSERT INTO two.things (name) VALUES ('x')", "DELETE FROM two.outbox",
		"CREATE TABLE two.mine (x TEXT)", "CREATE TABLE public.mine (x TEXT)", "CREATE SCHEMA mine",
	} {
		err := one.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.ExecContext(ctx, foreign)
			return err
		})
		require.ErrorContains(t, err, "permission denied", foreign)
	}
	_, err := one.Read().ExecContext(t.Context(), "SELECT count(*) FROM two.things")
	require.ErrorContains(t, err, "permission denied")
	require.NoError(t, one.Write(t.Context(), add("a")))
	require.Empty(t, names(t, two), "each has its own")
}

// plain makes a user who owns a database and may make no roles, and gives the
// database's URL for that user.
func plain(t *testing.T) string {
	t.Helper()
	at := dbtest.Postgres(t)
	u, err := url.Parse(at)
	require.NoError(t, err)
	admin := openWith(t, "admin", at, db.Options{})
	user := "plain_" + strings.TrimPrefix(u.Path, "/test_")
	run := func(statements ...string) {
		for _, s := range statements {
			require.NoError(t, admin.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.ExecContext(ctx, s)
				return err
			}))
		}
	}
	run("CREATE ROLE "+user+" LOGIN", "ALTER DATABASE "+strings.TrimPrefix(u.Path, "/")+" OWNER TO "+user)
	t.Cleanup(func() {
		run("DROP OWNED BY "+user+" CASCADE", "ALTER DATABASE "+strings.TrimPrefix(u.Path, "/")+" OWNER TO CURRENT_USER", "DROP ROLE "+user)
	})
	u.User = url.User(user)
	return u.String()
}

func TestAUserWhoMayMakeNoRolesIsServedWithoutThem(t *testing.T) {
	t.Parallel()
	at := plain(t)
	d := openWith(t, "lonely", at, db.Options{})
	require.NoError(t, d.Migrate(t.Context(), migrations))
	require.NoError(t, d.Write(t.Context(), add("a")))
	var who string
	require.NoError(t, whoAmI.QueryRow(t.Context(), d.Read()).Scan(&who))
	require.Contains(t, who, "plain_")

	// Once somebody who may migrates, the module has its role, and what it had.
	u, err := url.Parse(at)
	require.NoError(t, err)
	u.User = url.User("postgres")
	again := openWith(t, "lonely", u.String(), db.Options{})
	require.NoError(t, again.Migrate(t.Context(), migrations))
	require.NoError(t, whoAmI.QueryRow(t.Context(), again.Read()).Scan(&who))
	require.Equal(t, "stoa_lonely", who)
	require.NoError(t, again.Write(t.Context(), add("b")))
	require.Equal(t, "a b", names(t, again))
}
