package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/idempotency"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var migrations = fstest.MapFS{"0001_things.sql": {Data: []byte(`-- +goose Up
CREATE TABLE things (id TEXT PRIMARY KEY);
-- +goose Down
DROP TABLE things;
`)}}

var (
	insert = db.NewStatement(`INSERT INTO things (id) VALUES ($1)`)
	count  = db.NewStatement(`SELECT count(*) FROM things`)
)

// shop is a service that makes a thing for each request, and answers with it.
type shop struct {
	t     *testing.T
	db    *db.DB
	clock *clock.Fake
	*idempotency.Store
}

func newShop(t *testing.T) *shop {
	s := &shop{t: t, db: dbtest.Open(t, "shop", migrations), clock: clock.NewFake(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), 1)}
	s.restart()
	return s
}

// restart is what a new process, or another one, finds.
func (s *shop) restart() { s.Store = idempotency.New(s.db, s.clock) }

// make is a service method behind a route that honours keys.
func (s *shop) make(ctx context.Context) (idempotency.Response, error) {
	id, made := idempotency.Claimed(ctx)
	if !made {
		id = s.clock.ID()
		if err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			if err := idempotency.Claim(ctx, tx, id); err != nil {
				return err
			}
			_, err := insert.Exec(ctx, tx, id)
			return err
		}); err != nil {
			return idempotency.Response{}, err
		}
	}
	return answer(201, id), nil
}

func answer(status int, id string) idempotency.Response {
	return idempotency.Response{Status: status, Header: map[string]string{"Location": "/things/" + id}, Body: []byte(`{"id":"` + id + "\"}\x00\xff")}
}

func (s *shop) things() (n int) {
	s.t.Helper()
	require.NoError(s.t, count.QueryRow(s.t.Context(), s.db.Read()).Scan(&n))
	return n
}

func request(key string, change ...func(*idempotency.Request)) idempotency.Request {
	r := idempotency.Request{Caller: "ada", Method: "POST", Path: "/things", Key: key, Body: []byte(`{"a":1}`)}
	for _, f := range change {
		f(&r)
	}
	return r
}

func never(context.Context) (idempotency.Response, error) { panic("this must not run") }

func TestTheFirstAnswerIsGivenAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first, replayed, err := s.Do(t.Context(), request("k"), s.make)
	require.NoError(t, err)
	require.False(t, replayed)
	for range 2 {
		again, replayed, err := s.Do(t.Context(), request("k"), never)
		require.NoError(t, err)
		require.True(t, replayed)
		require.Equal(t, first, again, "byte for byte")
		s.restart()
	}
	require.Equal(t, 1, s.things())
}

func TestAKeyIsForOneRequest(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, _, err := s.Do(t.Context(), request("k"), s.make)
	require.NoError(t, err)
	for name, change := range map[string]func(*idempotency.Request){
		"body":                               func(r *idempotency.Request) { r.Body = []byte(`{"a":2}`) },
		"path":                               func(r *idempotency.Request) { r.Path = "/others" },
		"method":                             func(r *idempotency.Request) { r.Method = "PUT" },
		"where one ends and the next begins": func(r *idempotency.Request) { r.Path, r.Body = "/things{", []byte(`"a":1}`) },
	} {
		_, _, err := s.Do(t.Context(), request("k", change), never)
		require.ErrorIs(t, err, idempotency.ErrReused, name)
	}
	_, replayed, err := s.Do(t.Context(), request("k", func(r *idempotency.Request) { r.Caller = "bob" }), s.make)
	require.NoError(t, err)
	require.False(t, replayed, "keys are each caller's own")
	require.Equal(t, 2, s.things())
}

func TestOneOfManyAtOnceRuns(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	running, goOn := make(chan struct{}), make(chan struct{})
	first := make(chan idempotency.Response, 1)
	go func() {
		resp, _, err := s.Do(t.Context(), request("k"), func(ctx context.Context) (idempotency.Response, error) {
			close(running)
			<-goOn
			return s.make(ctx)
		})
		if err != nil {
			t.Error(err)
		}
		first <- resp
	}()
	<-running
	_, _, err := s.Do(t.Context(), request("k"), never)
	require.ErrorIs(t, err, idempotency.ErrInProgress)
	_, _, err = s.Do(t.Context(), request("other"), s.make)
	require.NoError(t, err)
	close(goOn)
	want := <-first

	var asking sync.WaitGroup
	for range 50 {
		asking.Go(func() {
			resp, replayed, err := s.Do(t.Context(), request("k"), never)
			if err != nil && !errors.Is(err, idempotency.ErrInProgress) {
				t.Error(err)
			}
			if err == nil && (!replayed || string(resp.Body) != string(want.Body)) {
				t.Errorf("answered %q, replayed %t", resp.Body, replayed)
			}
		})
	}
	asking.Wait()
	require.Equal(t, 2, s.things())
}

func TestAnAnswerThatIsNotFinalIsNotKept(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403, 408, 415, 429, 500, 503, 504} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			resp, _, err := s.Do(t.Context(), request("k"), func(context.Context) (idempotency.Response, error) { return answer(status, "x"), nil })
			require.NoError(t, err)
			require.Equal(t, status, resp.Status)
			resp, replayed, err := s.Do(t.Context(), request("k", func(r *idempotency.Request) { r.Body = nil }), s.make)
			require.NoError(t, err, "the key was not used")
			require.False(t, replayed)
			require.Equal(t, 201, resp.Status)
		})
	}
}

func TestARefusalIsFinal(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, status := range []int{404, 409, 412, 422} {
		key := fmt.Sprint(status)
		_, _, err := s.Do(t.Context(), request(key), func(context.Context) (idempotency.Response, error) { return answer(status, "x"), nil })
		require.NoError(t, err)
		resp, replayed, err := s.Do(t.Context(), request(key), never)
		require.NoError(t, err)
		require.True(t, replayed)
		require.Equal(t, answer(status, "x"), resp)
	}
}

func TestAFailureIsToldAndLeavesTheKeyFree(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	failed := errors.New("failed")
	_, _, err := s.Do(t.Context(), request("k"), func(context.Context) (idempotency.Response, error) { return idempotency.Response{}, failed })
	require.ErrorIs(t, err, failed)
	require.Panics(t, func() { _, _, _ = s.Do(t.Context(), request("k"), never) })
	_, _, err = s.Do(t.Context(), request("k"), s.make)
	require.NoError(t, err)
}

// errCrash stands for the end of the process between the effect and its answer.
var errCrash = errors.New("the process is gone")

func (s *shop) crash(key string) {
	s.t.Helper()
	_, _, err := s.Do(s.t.Context(), request(key), func(ctx context.Context) (idempotency.Response, error) {
		if _, err := s.make(ctx); err != nil {
			return idempotency.Response{}, err
		}
		return idempotency.Response{}, errCrash
	})
	require.ErrorIs(s.t, err, errCrash)
	s.restart()
}

func TestACrashBetweenEffectAndAnswerMakesNothingTwice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.crash("k")
	_, _, err := s.Do(t.Context(), request("k", func(r *idempotency.Request) { r.Body = nil }), never)
	require.ErrorIs(t, err, idempotency.ErrReused, "the key is bound already")
	first, replayed, err := s.Do(t.Context(), request("k"), s.make)
	require.NoError(t, err)
	require.True(t, replayed)
	again, _, err := s.Do(t.Context(), request("k"), never)
	require.NoError(t, err)
	require.Equal(t, first, again, "the answer that was made again is the one from now on")
	require.Equal(t, 1, s.things())
}

func TestAClaimGoesWithItsTransaction(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	refused := errors.New("refused")
	_, _, err := s.Do(t.Context(), request("k"), func(ctx context.Context) (idempotency.Response, error) {
		return idempotency.Response{}, s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			return errors.Join(idempotency.Claim(ctx, tx, "x"), refused)
		})
	})
	require.ErrorIs(t, err, refused)
	_, replayed, err := s.Do(t.Context(), request("k"), s.make)
	require.NoError(t, err)
	require.False(t, replayed)
}

func TestTwoProcessesMakeOneThing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	other := idempotency.New(s.db, s.clock)
	_, _, err := s.Do(t.Context(), request("k"), func(ctx context.Context) (idempotency.Response, error) {
		_, _, err := other.Do(t.Context(), request("k"), s.make) // it is quicker
		require.NoError(t, err)
		return s.make(ctx)
	})
	require.ErrorIs(t, err, idempotency.ErrInProgress)
	require.Equal(t, 1, s.things())
}

func TestTwoProcessesGiveOneAnswer(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.crash("k") // so that both find the same thing, and neither has to make it
	other := idempotency.New(s.db, s.clock)
	resp, replayed, err := s.Do(t.Context(), request("k"), func(context.Context) (idempotency.Response, error) {
		s.clock.Advance(time.Minute) // it was not heard of for so long that it counts as gone
		_, _, err := other.Do(t.Context(), request("k"), func(context.Context) (idempotency.Response, error) { return answer(201, "first"), nil })
		require.NoError(t, err)
		return answer(201, "second"), nil
	})
	require.NoError(t, err)
	require.True(t, replayed)
	require.Equal(t, answer(201, "first"), resp)
}

func TestWhatAnotherProcessRunsIsInProgress(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	if s.db.Dialect() != db.Postgres {
		t.Skip("a SQLite file has one process")
	}
	renewing, stop := context.WithCancel(t.Context())
	renewed := make(chan error, 1)
	go func() { renewed <- s.Renew(renewing) }()
	made, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, _, err := s.Do(t.Context(), request("k"), func(ctx context.Context) (idempotency.Response, error) {
			first, err := s.make(ctx)
			close(made)
			<-goOn
			return first, err
		})
		ended <- err
	}()
	<-made
	other := idempotency.New(s.db, s.clock)
	ask := func() error {
		_, _, err := other.Do(t.Context(), request("k"), s.make)
		return err
	}
	require.ErrorIs(t, ask(), idempotency.ErrInProgress)
	_, _, err := other.Do(t.Context(), request("k", func(r *idempotency.Request) { r.Body = nil }), never)
	require.ErrorIs(t, err, idempotency.ErrReused)
	// It is renewed for as long as it runs.
	for range 10 {
		s.clock.AwaitTimers(1)
		s.clock.Advance(3 * time.Second)
	}
	s.clock.AwaitTimers(1)
	require.ErrorIs(t, ask(), idempotency.ErrInProgress)
	// Its process is heard of no more.
	stop()
	require.NoError(t, <-renewed)
	s.clock.Advance(10 * time.Second)
	require.NoError(t, ask())
	close(goOn)
	require.NoError(t, <-ended)
	require.Equal(t, 1, s.things())
}

func TestWithoutAKeyThereIsNothingToClaim(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for range 2 {
		_, err := s.make(t.Context())
		require.NoError(t, err)
	}
	require.Equal(t, 2, s.things())
}

func TestAKeyIsRememberedForADay(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, _, err := s.Do(t.Context(), request("k"), s.make)
	require.NoError(t, err)
	s.clock.Advance(idempotency.Retention - time.Second)
	_, replayed, err := s.Do(t.Context(), request("k"), never)
	require.NoError(t, err)
	require.True(t, replayed)
	s.clock.Advance(time.Second)
	_, replayed, err = s.Do(t.Context(), request("k", func(r *idempotency.Request) { r.Body = nil }), s.make)
	require.NoError(t, err)
	require.False(t, replayed)
	require.Equal(t, 2, s.things())
}

func TestOldKeysAreSwept(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, _, err := s.Do(t.Context(), request("old"), s.make)
	require.NoError(t, err)
	s.clock.Advance(idempotency.Retention)
	_, _, err = s.Do(t.Context(), request("new"), s.make)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	swept := make(chan error, 1)
	go func() { swept <- s.Sweep(ctx) }()
	s.clock.AwaitTimers(1)
	s.clock.Advance(time.Hour)
	s.clock.AwaitTimers(1) // it has swept, and waits for the next time
	cancel()
	require.NoError(t, <-swept)
	keys := db.NewStatement(`SELECT key FROM idempotency_keys`)
	var left string
	require.NoError(t, keys.QueryRow(t.Context(), s.db.Read()).Scan(&left))
	require.Equal(t, "new", left)
}
