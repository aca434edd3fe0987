package db_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

var migrations = fstest.MapFS{"0001_things.sql": {Data: []byte(`-- +goose Up
CREATE TABLE things (name TEXT PRIMARY KEY);
CREATE TABLE children (parent TEXT NOT NULL REFERENCES things (name) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE grown (parent TEXT NOT NULL REFERENCES things (name));
CREATE TABLE vals (t BIGINT, j TEXT);
-- +goose Down
DROP TABLE vals;
DROP TABLE grown;
DROP TABLE children;
DROP TABLE things;
`)}}

var (
	insert = db.NewStatement(`INSERT INTO things (name) VALUES ($1)`)
	list   = db.NewStatement(`SELECT name FROM things ORDER BY name`)
	count  = db.NewStatement(`SELECT count(*) FROM things`)
)

func open(t testing.TB) *db.DB { return dbtest.Open(t, "test", migrations) }

// openSQLite opens a database for what holds where writers share a transaction.
func openSQLite(t testing.TB) *db.DB { return dbtest.OpenSQLite(t, "test", migrations) }

// openAt opens a SQLite database that the test closes itself.
func openAt(t testing.TB, path string) *db.DB {
	t.Helper()
	d, err := db.OpenSQLite(t.Context(), "test", path, db.Options{})
	require.NoError(t, err)
	require.NoError(t, d.Migrate(t.Context(), migrations))
	return d
}

func names(t testing.TB, d *db.DB) string {
	t.Helper()
	rows, err := list.Query(t.Context(), d.Read())
	require.NoError(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		all = append(all, name)
	}
	require.NoError(t, rows.Err())
	return strings.Join(all, " ")
}

const childEnv = "STOA_TEST_WRITES_TO"

// TestMain is also the process that is killed: it writes, and says what it has
// been told is written.
func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		writeUntilKilled(path)
		return
	}
	goleak.VerifyTestMain(m)
}

func writeUntilKilled(path string) {
	ctx := context.Background()
	d, err := db.OpenSQLite(ctx, "test", path, db.Options{})
	if err != nil {
		panic(err)
	}
	var (
		writers sync.WaitGroup
		mu      sync.Mutex
	)
	for w := range 8 {
		writers.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d-%d", w, i)
				if err := d.Write(ctx, add(name)); err != nil {
					panic(err)
				}
				mu.Lock()
				fmt.Println(name)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
}

func TestNoAnsweredWriteIsLostWhereTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "killed.db")
	require.NoError(t, openAt(t, path).Close())
	answered := map[string]bool{}
	for range 3 { // each time on what the last one left behind
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+path)
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		lines := bufio.NewScanner(out)
		for n := 0; n < 200 && lines.Scan(); n++ {
			answered[lines.Text()] = true
		}
		require.NoError(t, child.Process.Kill())
		for lines.Scan() { // what it said before it died counts
			answered[lines.Text()] = true
		}
		require.Error(t, child.Wait())

		d := openAt(t, path)
		kept := map[string]bool{}
		for _, name := range strings.Fields(names(t, d)) {
			kept[name] = true
		}
		for name := range answered {
			require.True(t, kept[name], "%s was answered and is lost", name)
		}
		require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.ExecContext(ctx, "DELETE FROM things")
			return err
		}))
		clear(answered)
		require.NoError(t, d.Close())
	}
}

func TestAnotherProcessThatWritesIsWaitedFor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shared.db")
	// A second DB on the file is to SQLite what a second process is.
	d, other := openAt(t, path), openAt(t, path)
	held, free := make(chan struct{}), make(chan struct{})
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		first <- other.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			close(held)
			<-free
			return add("a")(ctx, tx)
		})
	}()
	<-held
	began := make(chan struct{})
	go func() {
		close(began)
		second <- d.Write(t.Context(), add("b"))
	}()
	<-began
	require.Empty(t, names(t, d), "who reads is not held up")
	close(free)
	require.NoError(t, <-first)
	require.NoError(t, <-second)
	require.Equal(t, "a b", names(t, d))
	require.NoError(t, d.Close())
	require.NoError(t, other.Close())
}

func TestWhoWaitsTogetherIsRefusedTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shared.db")
	d, other := openAt(t, path), openAt(t, path)
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, "PRAGMA busy_timeout = 100")
		return err
	}))
	require.NoError(t, other.Write(t.Context(), func(context.Context, *db.Tx) error {
		began := time.Now()
		refused := make(chan error, 100)
		for i := range cap(refused) {
			go func() { refused <- d.Write(t.Context(), add(fmt.Sprint(i))) }()
		}
		for range cap(refused) {
			require.ErrorIs(t, <-refused, db.ErrUnavailable)
		}
		require.Less(t, time.Since(began), 5*time.Second, "each waited for itself")
		return nil
	}))
	require.NoError(t, d.Write(t.Context(), add("a")))
	require.NoError(t, d.Close())
	require.NoError(t, other.Close())
}

func TestASnapshotIsOneState(t *testing.T) {
	t.Parallel()
	d := open(t)
	require.NoError(t, d.Write(t.Context(), add("a")))
	require.NoError(t, d.Snapshot(t.Context(), func(ctx context.Context, c db.Conn) error {
		var before, after int
		require.NoError(t, count.QueryRow(ctx, c).Scan(&before))
		require.NoError(t, d.Write(t.Context(), add("b")))
		require.NoError(t, count.QueryRow(ctx, c).Scan(&after))
		require.Equal(t, before, after)
		return nil
	}))
	var n int
	require.NoError(t, count.QueryRow(t.Context(), d.Read()).Scan(&n))
	require.Equal(t, 2, n, "who reads after a write sees it")
}

func TestReadersCannotWriteAndForeignKeysHold(t *testing.T) {
	t.Parallel()
	d := open(t)
	_, err := insert.Exec(t.Context(), d.Read(), "a")
	require.Error(t, err)
	grown := db.NewStatement(`INSERT INTO grown (parent) VALUES ('nobody')`)
	require.Error(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := grown.Exec(ctx, tx)
		return err
	}))
	require.Empty(t, names(t, d))
}

func TestAReaderWhoGoesAwayIsStopped(t *testing.T) {
	t.Parallel()
	d := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, count.QueryRow(ctx, d.Read()).Scan(new(int)), context.Canceled)
	require.NoError(t, count.QueryRow(t.Context(), d.Read()).Scan(new(int)))
}

func TestReadersAndWritersAtOnce(t *testing.T) {
	t.Parallel()
	d := open(t)
	var working sync.WaitGroup
	for w := range 16 {
		working.Go(func() {
			for i := range 20 {
				if err := d.Write(t.Context(), add(fmt.Sprintf("%d-%d", w, i))); err != nil {
					t.Error(err)
				}
				var n int
				if err := count.QueryRow(t.Context(), d.Read()).Scan(&n); err != nil || n < i+1 {
					t.Errorf("%d are there after %d were written: %v", n, i+1, err)
				}
			}
		})
	}
	working.Wait()
	require.Len(t, strings.Fields(names(t, d)), 320)
}

func TestValuesComeBackAsTheyWereStored(t *testing.T) {
	t.Parallel()
	d := open(t)
	store := db.NewStatement(`INSERT INTO vals (t, j) VALUES ($1, $2) RETURNING t, j`)
	type value struct {
		Text string
		List []int
	}
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "time")).UTC()
		v := value{rapid.String().Draw(t, "text"), rapid.SliceOf(rapid.Int()).Draw(t, "list")}
		err := d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			var (
				gotTime db.Time
				got     db.JSON[value]
			)
			if err := store.QueryRow(ctx, tx, db.NewTime(at), db.NewJSON(v)).Scan(&gotTime, &got); err != nil {
				return err
			}
			require.True(t, at.Equal(gotTime.Time))
			require.Equal(t, time.UTC, gotTime.Location())
			require.ElementsMatch(t, v.List, got.V.List)
			return nil
		})
		require.NoError(t, err)
	})
	var none db.Time
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		var j db.JSON[*value]
		return store.QueryRow(ctx, tx, db.Time{}, db.JSON[*value]{}).Scan(&none, &j)
	}))
	require.True(t, none.IsZero(), "no time is NULL")
	require.Error(t, none.Scan("yesterday"))
	require.Error(t, (&db.JSON[int]{}).Scan(7))
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"0001_things.sql":          migrations["0001_things.sql"],
		"0002_search.sqlite.sql":   {Data: []byte("-- +goose Up\nCREATE TABLE search (x TEXT);\n-- +goose Down\nDROP TABLE search;\n")},
		"0002_search.postgres.sql": {Data: []byte("-- +goose Up\nCREATE EXTENSION nothing_that_sqlite_knows;\n")},
	}
	path := filepath.Join(t.TempDir(), "migrated.db")
	d, err := db.OpenSQLite(t.Context(), "test", path, db.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })

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
	require.Empty(t, applied())
	require.NoError(t, d.Migrate(t.Context(), files))
	require.NoError(t, d.Migrate(t.Context(), files), "twice is once")
	require.Equal(t, []string{"0001_things.sql", "0002_search.sqlite.sql"}, applied())
	require.NoError(t, d.Write(t.Context(), add("a")))
	require.NoError(t, d.MigrateDown(t.Context(), files))
	require.Equal(t, []string{"0001_things.sql"}, applied())
	require.NoError(t, d.MigrateDown(t.Context(), files))
	require.NoError(t, d.MigrateDown(t.Context(), files), "there is nothing more to take back")
	require.Empty(t, applied())
	require.NoError(t, d.Migrate(t.Context(), files))
	require.Empty(t, names(t, d))
}

func TestAMigrationThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	d := open(t)
	files := fstest.MapFS{
		"0001_things.sql": migrations["0001_things.sql"],
		"0002_broken.sql": {Data: []byte("-- +goose Up\nCREATE TABLE half (x TEXT);\nCREATE TABLE half (x TEXT);\n-- +goose Down\nDROP TABLE half;\n")},
	}
	require.Error(t, d.Migrate(t.Context(), files))
	half := db.NewStatement(`SELECT count(*) FROM half`)
	require.Error(t, half.QueryRow(t.Context(), d.Read()).Scan(new(int)))
}

func TestSeveralProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "raced.db")
	var racing sync.WaitGroup
	for range 4 {
		racing.Go(func() {
			d, err := db.OpenSQLite(t.Context(), "test", path, db.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := d.Migrate(t.Context(), migrations); err != nil {
				t.Error(err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	racing.Wait()
}

func TestAFileThatCannotBeOpenedIsAnError(t *testing.T) {
	t.Parallel()
	_, err := db.OpenSQLite(t.Context(), "test", filepath.Join(t.TempDir(), "no", "such", "directory.db"), db.Options{})
	require.Error(t, err)
	broken := filepath.Join(t.TempDir(), "broken.db")
	require.NoError(t, os.WriteFile(broken, []byte(strings.Repeat("this is no database. ", 100)), 0o600))
	_, err = db.OpenSQLite(t.Context(), "test", broken, db.Options{})
	require.Error(t, err)
}

func TestWhatAnotherProcessWritesIsForeign(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shared.db")
	var two [2]*db.DB
	for i := range two {
		var err error
		two[i], err = db.OpenSQLite(t.Context(), "test", path, db.Options{})
		require.NoError(t, err)
		defer func() { require.NoError(t, two[i].Close()) }()
	}
	require.NoError(t, two[0].Migrate(t.Context(), migrations))
	foreign := func() int64 {
		t.Helper()
		version, err := two[0].Foreign(t.Context())
		require.NoError(t, err)
		return version
	}
	write := func(d *db.DB, id string) {
		t.Helper()
		require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := insert.Exec(ctx, tx, id)
			return err
		}))
	}
	before := foreign()
	write(two[0], "own")
	require.Equal(t, before, foreign())
	write(two[1], "foreign")
	after := foreign()
	require.NotEqual(t, before, after)
	require.Equal(t, after, foreign())
}
