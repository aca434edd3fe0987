package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	platformmigrations "stoa/migrations/platform"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest/pgserver"
)

// shared is what the tests of a process have in common.
var shared struct {
	mu        sync.Mutex
	server    *pgserver.Server // that was started here: it runs as long as it is held
	url       string           // of the server, once it is known
	failed    error            // why there is none
	templates map[string]bool
}

// Postgres makes an empty PostgreSQL database for one test, drops it when the
// test ends, and gives its URL. Where the machine has no PostgreSQL it skips the
// test, which fails it in CI.
func Postgres(t testing.TB) string { t.Helper(); return made(t, server(t), "") }

// PostgresWith is Postgres with the schema of a module.
func PostgresWith(t testing.TB, module string, migrations fs.FS) string {
	t.Helper()
	at := server(t)
	return made(t, at, template(t, at, module, migrations))
}

// server gives the server of this process.
func server(t testing.TB) string {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.url == "" && shared.failed == nil {
		start()
	}
	if errors.Is(shared.failed, pgserver.ErrMissing) && os.Getenv("CI") != "true" && Dialect() != db.Postgres {
		t.Skip(shared.failed)
	}
	require.NoError(t, shared.failed)
	return shared.url
}

func start() {
	if shared.url = os.Getenv(EnvURL); shared.url != "" {
		return
	}
	if shared.server, shared.failed = pgserver.Start(context.Background()); shared.failed == nil { // it ends with the process
		shared.url = shared.server.URL
	}
}

// made makes a database, as a copy of a template where that is not empty.
func made(t testing.TB, at, template string) string {
	t.Helper()
	name := "test_" + strings.ReplaceAll(clock.System().Secret(), "-", "")
	require.NoError(t, on(at, func(ctx context.Context, c *pgx.Conn) error {
		create := "CREATE DATABASE " + name
		if template != "" {
			create += " TEMPLATE " + template
		}
		if major, _, _ := strings.Cut(c.PgConn().ParameterStatus("server_version"), "."); major >= "15" {
			create += " STRATEGY file_copy" // which is cheap where nothing is flushed
		}
		_, err := c.Exec(ctx, create)
		return err
	}))
	t.Cleanup(func() {
		require.NoError(t, on(at, func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
			return err
		}))
	})
	return database(at, name)
}

// template gives a database with the schema of a module, made where another
// test, or another process on the same server, has not made it already.
func template(t testing.TB, at, module string, migrations fs.FS) string {
	t.Helper()
	name := "template_" + fingerprint(t, module, migrations)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.templates[name] {
		return name
	}
	require.NoError(t, on(at, func(ctx context.Context, c *pgx.Conn) error {
		if _, err := c.Exec(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", name); err != nil {
			return err
		}
		var there bool
		err := c.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&there)
		if err != nil || there {
			return err
		}
		half := "half_" + name // until it is whole
		for _, statement := range []string{"DROP DATABASE IF EXISTS " + half + " WITH (FORCE)", "CREATE DATABASE " + half} {
			if _, err := c.Exec(ctx, statement); err != nil {
				return err
			}
		}
		d, err := db.OpenPostgres(ctx, module, database(at, half), db.Options{})
		if err != nil {
			return err
		}
		if err := errors.Join(d.Migrate(ctx, migrations), d.Close()); err != nil {
			return err
		}
		_, err = c.Exec(ctx, "ALTER DATABASE "+half+" RENAME TO "+name)
		return err
	}))
	if shared.templates == nil {
		shared.templates = map[string]bool{}
	}
	shared.templates[name] = true
	return name
}

// fingerprint tells schemas apart.
func fingerprint(t testing.TB, module string, migrations fs.FS) string {
	t.Helper()
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", module)
	for _, files := range []fs.FS{platformmigrations.FS, migrations} {
		if files == nil {
			continue
		}
		names, err := fs.Glob(files, "*.sql")
		require.NoError(t, err)
		for _, name := range names {
			text, err := fs.ReadFile(files, name)
			require.NoError(t, err)
			fmt.Fprintf(h, "%s %d\n%s", name, len(text), text)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// on runs fn on the server's first database. The connection is used once: a
// test in a bubble of its own time can share none with others.
func on(at string, fn func(ctx context.Context, c *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own may have ended
	defer cancel()
	c, err := pgx.Connect(ctx, at)
	if err != nil {
		return err
	}
	return errors.Join(fn(ctx, c), c.Close(ctx))
}

// database gives the URL of another database of the same server.
func database(at, name string) string {
	u, err := url.Parse(at)
	if err != nil {
		panic(err) // pgx has read it already
	}
	u.Path = "/" + name
	return u.String()
}
