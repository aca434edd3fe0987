package db_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

// What is here holds on PostgreSQL only, whatever database the others are run on.

func openPostgres(t testing.TB) *db.DB { return dbtest.OpenPostgres(t, "test", migrations) }

func openWith(t testing.TB, module, at string, o db.Options) *db.DB {
	t.Helper()
	d, err := db.OpenPostgres(t.Context(), module, at, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

var (
	hangUp  = db.NewStatementFor("", `SELECT pg_terminate_backend(pg_backend_pid())`)
	whoAmI  = db.NewStatementFor("", `SELECT current_user::text`)
	amount  = db.NewStatement(`SELECT t FROM vals WHERE j = $1`)
	setTo   = db.NewStatement(`UPDATE vals SET t = $2 WHERE j = $1`)
	account = db.NewStatement(`INSERT INTO vals (j, t) VALUES ($1, 0)`)
)

// breakOff has the server end the transaction's own connection.
func breakOff(ctx context.Context, tx *db.Tx) error {
	_, err := tx.ExecContext(ctx, "RESET ROLE") // the module's own may not
	if err == nil {
		_, err = hangUp.Exec(ctx, tx)
	}
	return err
}

func TestAConnectionThatIsLostBeforeTheCommitIsNotFelt(t *testing.T) {
	t.Parallel()
	d := openPostgres(t)
	runs := 0
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if runs++; runs <= 2 {
			return errors.Join(add("never")(ctx, tx), breakOff(ctx, tx))
		}
		return add("a")(ctx, tx)
	}))
	require.Equal(t, 3, runs)
	require.Equal(t, "a", names(t, d))
}

func TestAFunctionThatHidesALostConnectionIsRunAgainAsWell(t *testing.T) {
	t.Parallel()
	d := openPostgres(t)
	runs := 0
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if runs++; runs == 1 {
			_ = breakOff(ctx, tx)
			return errRefused
		}
		return add("a")(ctx, tx)
	}))
	require.Equal(t, "a", names(t, d))
}

func TestAConnectionThatIsLostWhileItCommitsIsToldAndNotRunAgain(t *testing.T) {
	t.Parallel()
	at := dbtest.Postgres(t)
	d := openWith(t, "test", at, db.Options{})
	require.NoError(t, d.Migrate(t.Context(), dbtest.Migration(`-- +goose Up
CREATE TABLE things (name TEXT PRIMARY KEY);
-- +goose StatementBegin
CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hang_up();
`)))
	runs := 0
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		runs++
		_, err := tx.ExecContext(ctx, "RESET ROLE")
		return errors.Join(err, add("a")(ctx, tx))
	})
	require.ErrorIs(t, err, db.ErrUnavailable)
	require.Equal(t, 1, runs, "nobody knows whether it is done")
}

func TestOfTwoThatWaitForEachOtherOneIsRunAgain(t *testing.T) {
	t.Parallel()
	d := openPostgres(t)
	first, second := make(chan struct{}), make(chan struct{})
	var (
		mu   sync.Mutex
		runs int
	)
	both := func(one, other string, mine, theirs chan struct{}) db.Effect {
		once := sync.OnceFunc(func() { close(mine) })
		return func(ctx context.Context, tx *db.Tx) error {
			mu.Lock()
			runs++
			mu.Unlock()
			if err := tx.Lock(ctx, one); err != nil {
				return err
			}
			once()
			<-theirs
			return errors.Join(tx.Lock(ctx, other), add(one)(ctx, tx))
		}
	}
	done := make(chan error, 2)
	go func() { done <- d.Write(t.Context(), both("a", "b", first, second)) }()
	go func() { done <- d.Write(t.Context(), both("b", "a", second, first)) }()
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Equal(t, 3, runs)
	require.Equal(t, "a b", names(t, d))
}

func TestWhatIsReadUnderALockStaysTrue(t *testing.T) {
	t.Parallel()
	at := dbtest.PostgresWith(t, "test", migrations)
	d, other := dbtest.Reopen(t, "test", at), dbtest.Reopen(t, "test", at)
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := account.Exec(ctx, tx, "mine")
		return err
	}))
	var working sync.WaitGroup
	for _, process := range []*db.DB{d, other} {
		for range 8 {
			working.Go(func() {
				for range 10 {
					if err := process.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
						if err := tx.Lock(ctx, "account/mine", "account/another"); err != nil {
							return err
						}
						var n int64
						if err := amount.QueryRow(ctx, tx, "mine").Scan(&n); err != nil {
							return err
						}
						_, err := setTo.Exec(ctx, tx, "mine", n+1)
						return err
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	working.Wait()
	var n int64
	require.NoError(t, amount.QueryRow(t.Context(), d.Read(), "mine").Scan(&n))
	require.EqualValues(t, 160, n)
}

func TestSharedLocksExcludeOnlyALock(t *testing.T) {
	t.Parallel()
	d := openPostgres(t)
	var order []string
	exclusive := make(chan error, 1)
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if err := tx.LockShared(ctx, "x"); err != nil {
			return err
		}
		require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return tx.LockShared(ctx, "x") }))
		began := make(chan struct{})
		go func() {
			exclusive <- d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				close(began)
				err := tx.Lock(ctx, "x")
				order = append(order, "exclusive")
				return err
			})
		}()
		<-began
		order = append(order, "shared")
		return nil
	}))
	require.NoError(t, <-exclusive)
	require.Equal(t, []string{"shared", "exclusive"}, order)
}

func TestATransactionGoesNotOnAfterAStatementThatFailed(t *testing.T) {
	t.Parallel()
	d := openPostgres(t)
	err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		require.NoError(t, add("a")(ctx, tx))
		require.True(t, db.IsUnique(add("a")(ctx, tx)))
		return nil
	})
	require.Error(t, err)
	require.NotErrorIs(t, err, db.ErrUnavailable, "it is a defect, and trying again does not help")
	require.Empty(t, names(t, d))
}

func TestWhoEndsItsGoroutineLeavesNothing(t *testing.T) {
	t.Parallel()
	d := openPostgres(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			defer runtime.Goexit()
			return add("a")(ctx, tx)
		})
	}()
	<-ended
	require.NoError(t, d.Write(t.Context(), add("b")))
	require.Equal(t, "b", names(t, d))
}

func TestWhoFindsNoFreeConnectionIsToldSo(t *testing.T) {
	t.Parallel()
	d := openWith(t, "test", dbtest.PostgresWith(t, "test", migrations), db.Options{Writers: 1, Acquire: time.Second})
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		require.ErrorIs(t, d.Write(t.Context(), add("b")), db.ErrUnavailable)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, d.Write(gone, add("c")), context.Canceled)
		require.NoError(t, count.QueryRow(ctx, d.Read()).Scan(new(int)), "who reads has other connections")
		return add("a")(ctx, tx)
	}))
	require.Equal(t, "a", names(t, d))
}

func TestWhatTakesTooLongIsEnded(t *testing.T) {
	t.Parallel()
	d := openWith(t, "test", dbtest.PostgresWith(t, "test", migrations), db.Options{Statement: time.Second, LockWait: 200 * time.Millisecond})
	slow := db.NewStatementFor("", `SELECT pg_sleep(60)`)
	_, err := slow.Exec(t.Context(), d.Read())
	require.ErrorIs(t, err, db.ErrUnavailable)
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		require.NoError(t, tx.Lock(ctx, "x"))
		require.ErrorIs(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { return tx.Lock(ctx, "x") }), db.ErrUnavailable)
		return nil
	}))
}

func TestNoTextIsEqualToOneThatCannotBeStored(t *testing.T) {
	t.Parallel()
	d := openPostgres(t)
	for _, text := range []string{"a\x00b", "\xff"} {
		require.ErrorContains(t, amount.QueryRow(t.Context(), d.Read(), text).Scan(new(int)), "no rows")
		require.ErrorContains(t, d.Write(t.Context(), add(text)), "cannot be stored")
	}
}

// wire is a way to the server that can be cut.
type wire struct {
	net.Listener
	to string

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
	ended sync.WaitGroup
}

// newWire gives a wire and the URL by which it is used.
func newWire(t *testing.T, at string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(at)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{Listener: listener, to: filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")}
	if !strings.HasPrefix(w.to, "/") {
		t.Fatal("the server has no socket: ", at)
	}
	w.ended.Go(w.run)
	t.Cleanup(func() {
		w.set(true)
		require.NoError(t, listener.Close())
		w.ended.Wait()
	})
	u.Host, u.RawQuery = listener.Addr().String(), ""
	return w, u.String()
}

func (w *wire) run() {
	for {
		here, err := w.Accept()
		if err != nil {
			return
		}
		there, err := net.Dial("unix", w.to)
		w.mu.Lock()
		if err != nil || w.cut {
			here.Close()
			if err == nil {
				there.Close()
			}
			w.mu.Unlock()
			continue
		}
		w.conns = append(w.conns, here, there)
		w.mu.Unlock()
		for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
			w.ended.Go(func() {
				_, _ = io.Copy(way[0], way[1])
				way[0].Close()
			})
		}
	}
}

func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

func TestAServerThatIsAwayIsToldAndItsReturnIsNoticed(t *testing.T) {
	t.Parallel()
	w, at := newWire(t, dbtest.PostgresWith(t, "test", migrations))
	d := openWith(t, "test", at, db.Options{})
	require.NoError(t, d.Write(t.Context(), add("a")))
	list := func() error {
		var names []string
		return d.Read().NewSelect().Table("things").Column("name").Scan(t.Context(), &names)
	}
	snapshot := func() error {
		return d.Snapshot(t.Context(), func(ctx context.Context, c db.Conn) error { return count.QueryRow(ctx, c).Scan(new(int)) })
	}
	require.NoError(t, errors.Join(list(), snapshot()))

	w.set(true)
	require.ErrorIs(t, list(), db.ErrUnavailable, "bun's statements as well")
	require.ErrorIs(t, snapshot(), db.ErrUnavailable)
	require.ErrorIs(t, count.QueryRow(t.Context(), d.Read()).Scan(new(int)), db.ErrUnavailable)
	require.ErrorIs(t, d.Write(t.Context(), add("b")), db.ErrUnavailable)
	require.ErrorIs(t, d.Ping(t.Context()), db.ErrUnavailable)
	_, err := db.OpenPostgres(t.Context(), "test", at, db.Options{})
	require.ErrorIs(t, err, db.ErrUnavailable)

	w.set(false)
	require.NoError(t, errors.Join(list(), snapshot(), d.Ping(t.Context())))
	require.NoError(t, d.Write(t.Context(), add("c")))
	w.set(false) // all connections break, new ones are let through
	require.NoError(t, errors.Join(list(), snapshot()))
	w.set(false)
	require.NoError(t, d.Write(t.Context(), add("d")))
	require.Equal(t, "a c d", names(t, d))
}

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

func TestOneAtATimeIsExclusive(t *testing.T) {
	t.Parallel()
	at := dbtest.PostgresWith(t, "test", migrations)
	d, other := dbtest.Reopen(t, "test", at), dbtest.Reopen(t, "test", at)
	entered, leave := make(chan struct{}), make(chan struct{})
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		first <- d.Exclusive(t.Context(), "pull", func(context.Context) error {
			close(entered)
			<-leave
			return errRefused
		})
	}()
	<-entered
	in := make(chan struct{})
	go func() {
		second <- other.Exclusive(t.Context(), "pull", func(context.Context) error {
			close(in)
			return nil
		})
	}()
	require.NoError(t, other.Exclusive(t.Context(), "push", func(context.Context) error { return nil }), "another name is another matter")
	select {
	case <-in:
		t.Fatal("two at once")
	case <-time.After(300 * time.Millisecond):
	}
	gone, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Error(t, other.Exclusive(gone, "pull", func(context.Context) error { t.Error("two at once"); return nil }))
	close(leave)
	require.ErrorIs(t, <-first, errRefused)
	require.NoError(t, <-second)
}

func TestExclusivenessThatIsLostIsTold(t *testing.T) {
	t.Parallel()
	w, at := newWire(t, dbtest.PostgresWith(t, "test", migrations))
	d := openWith(t, "test", at, db.Options{})
	err := d.Exclusive(t.Context(), "pull", func(ctx context.Context) error {
		w.set(false)
		<-ctx.Done()
		return ctx.Err()
	})
	require.ErrorIs(t, err, db.ErrUnavailable)
	require.NoError(t, d.Exclusive(t.Context(), "pull", func(context.Context) error { return nil }))
}

func TestACloseWaitsForWhatRuns(t *testing.T) {
	t.Parallel()
	d, err := db.OpenPostgres(t.Context(), "test", dbtest.PostgresWith(t, "test", migrations), db.Options{})
	require.NoError(t, err)
	held, free := make(chan struct{}), make(chan struct{})
	first, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		first <- d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { close(held); <-free; return add("a")(ctx, tx) })
	}()
	<-held
	go func() { closed <- d.Close() }()
	require.Eventually(t, func() bool { return errors.Is(d.Write(t.Context(), add("b")), db.ErrUnavailable) }, 5*time.Second, time.Millisecond)
	close(free)
	require.NoError(t, <-first)
	require.NoError(t, <-closed)
}
