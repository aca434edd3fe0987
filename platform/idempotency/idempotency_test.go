package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/idempotency"
)

var things = fstest.MapFS{"0001_things.sql": {Data: []byte("-- +goose Up\nCREATE TABLE things (id TEXT PRIMARY KEY);\n")}}

var (
	insert = db.NewStatement(`INSERT INTO things (id) VALUES ($1)`)
	count  = db.NewStatement(`SELECT count(*) FROM things`)
)

type shop struct {
	*testing.T
	db    *db.DB
	clock *clock.Fake
	store *idempotency.Store
}

func newShop(t *testing.T) *shop {
	s := &shop{T: t, db: dbtest.Open(t, "things", things), clock: clock.NewFake(time.Unix(1e9, 0), 1)}
	s.store = idempotency.New(s.db, s.clock)
	return s
}

// make makes a thing, once for a key.
func (s *shop) make(ctx context.Context) (string, error) {
	if id, ok := idempotency.Claimed(ctx); ok {
		return id, nil
	}
	id := s.clock.ID()
	return id, s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := idempotency.Claim(ctx, tx, id); err != nil {
			return err
		}
		_, err := insert.Exec(ctx, tx, id)
		return err
	})
}

func (s *shop) run(ctx context.Context) (idempotency.Response, error) {
	id, err := s.make(ctx)
	return idempotency.Response{Status: 201, Header: map[string]string{"Location": "/" + id}, Body: []byte(id)}, err
}

func (s *shop) made() (n int) {
	require.NoError(s, count.QueryRow(s.Context(), s.db.Read()).Scan(&n))
	return n
}

func request(key, body string) idempotency.Request {
	return idempotency.Request{Caller: "me", Method: "POST", Path: "/things", Key: key, Body: []byte(body)}
}

func TestTheSameRequestIsAnsweredTheSame(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first, replayed, err := s.store.Do(t.Context(), request("k", "{}"), s.run)
	require.NoError(t, err)
	require.False(t, replayed)

	// Also by another process on the same database.
	s.store = idempotency.New(s.db, s.clock)
	again, replayed, err := s.store.Do(t.Context(), request("k", "{}"), s.run)
	require.NoError(t, err)
	require.True(t, replayed)
	require.Equal(t, first, again)
	require.Equal(t, 1, s.made())
}

func TestAnotherRequestWithTheKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, _, err := s.store.Do(t.Context(), request("k", "{}"), s.run)
	require.NoError(t, err)
	others := []idempotency.Request{request("k", `{"a":1}`)}
	for _, change := range []func(r *idempotency.Request){
		func(r *idempotency.Request) { r.Path = "/others" },
		func(r *idempotency.Request) { r.Method = "PUT" },
		func(r *idempotency.Request) { r.Path, r.Body = "/thing", []byte("s{}") }, // the same text, cut elsewhere
	} {
		r := request("k", "{}")
		change(&r)
		others = append(others, r)
	}
	for _, r := range others {
		_, _, err := s.store.Do(t.Context(), r, s.run)
		require.ErrorIs(t, err, idempotency.ErrReused, r)
	}
	require.Equal(t, 1, s.made())
}

func TestKeysAreTheirCallers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, _, err := s.store.Do(t.Context(), request("k", "{}"), s.run)
	require.NoError(t, err)
	other := request("k", "{}")
	other.Caller = "you"
	_, replayed, err := s.store.Do(t.Context(), other, s.run)
	require.NoError(t, err)
	require.False(t, replayed)
	require.Equal(t, 2, s.made())
}

func TestOneOfManyAtOnceRunsAndTheOthersHearSo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	inside, gate := make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() {
		_, _, err := s.store.Do(t.Context(), request("k", "{}"), func(ctx context.Context) (idempotency.Response, error) {
			close(inside)
			<-gate
			return s.run(ctx)
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-inside
	for range 5 {
		_, _, err := s.store.Do(t.Context(), request("k", "{}"), s.run)
		require.ErrorIs(t, err, idempotency.ErrInProgress)
	}
	close(gate)
	first.Wait()
	require.Equal(t, 1, s.made())
}

// Several processes know nothing of each other but what is in the database.
func TestManyProcessesAtOnceMakeOneThing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var (
		all  sync.WaitGroup
		made atomic.Int64
	)
	for range 32 {
		all.Go(func() {
			_, replayed, err := idempotency.New(s.db, s.clock).Do(t.Context(), request("k", "{}"), s.run)
			switch {
			case err == nil && !replayed:
				made.Add(1)
			case err != nil && !errors.Is(err, idempotency.ErrInProgress):
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, s.made())
	require.LessOrEqual(t, made.Load(), int64(1))
}

func TestWhatAProcessMadeBeforeItDiedIsAnsweredByTheNext(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var made string
	died := errors.New("died")
	_, _, err := s.store.Do(t.Context(), request("k", "{}"), func(ctx context.Context) (idempotency.Response, error) {
		made, _ = s.make(ctx)
		return idempotency.Response{}, died // before the answer was stored
	})
	require.ErrorIs(t, err, died)

	s.store = idempotency.New(s.db, s.clock)
	resp, replayed, err := s.store.Do(t.Context(), request("k", "{}"), s.run)
	require.NoError(t, err)
	require.True(t, replayed)
	require.Equal(t, made, string(resp.Body))
	again, _, err := s.store.Do(t.Context(), request("k", "{}"), s.run)
	require.NoError(t, err)
	require.Equal(t, resp, again)
	require.Equal(t, 1, s.made())
}

func TestOnlyFinalAnswersAreKept(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, c := range []struct {
		status int
		kept   bool
	}{{200, true}, {201, true}, {409, true}, {422, true}, {401, false}, {403, false}, {429, false}, {500, false}, {503, false}} {
		key := fmt.Sprint(c.status)
		runs := 0
		for range 2 {
			_, _, err := s.store.Do(t.Context(), request(key, "{}"), func(context.Context) (idempotency.Response, error) {
				runs++
				return idempotency.Response{Status: c.status}, nil
			})
			require.NoError(t, err)
		}
		require.Equal(t, c.kept, runs == 1, "status %d ran %d times", c.status, runs)
	}
}

func TestAKeyIsForgottenAfterADay(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for range 2 {
		_, replayed, err := s.store.Do(t.Context(), request("k", "{}"), s.run)
		require.NoError(t, err)
		require.False(t, replayed)
		s.clock.Advance(idempotency.Retention - time.Second)
		_, replayed, err = s.store.Do(t.Context(), request("k", "{}"), s.run)
		require.NoError(t, err)
		require.True(t, replayed)
		s.clock.Advance(2 * time.Second)
	}
	require.Equal(t, 2, s.made())
}

func TestWithoutAKeyNothingIsClaimed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, err := s.make(t.Context())
	require.NoError(t, err)
	_, ok := idempotency.Claimed(t.Context())
	require.False(t, ok)
}
