package db_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
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
