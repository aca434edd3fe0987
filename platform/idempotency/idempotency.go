// Package idempotency makes a request with an Idempotency-Key take effect once
// and be answered the same for ever after: also at the same time twice, after
// a restart, and after a crash between the effect and its answer.
//
// The key lives in the database of the module whose effect it guards, and is
// bound to what the request made in the transaction that makes it. The answer's
// bytes are stored before they are sent. platform/web calls Do; services call
// Claimed and Claim.
package idempotency

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/errs"
)

// Retention is how long a key is remembered.
const Retention = 24 * time.Hour

// What a caller may test for.
var (
	ErrReused     = errs.New(errs.Invalid, "idempotency.key_reused", "this idempotency key was used for another request")
	ErrInProgress = errs.New(errs.Conflict, "idempotency.in_progress", "the first request with this idempotency key is still running").After(time.Second)
)

// Where several processes share a database, a request counts as running so long
// after the process that runs it said so, and it says so again so often.
const (
	lease      = 10 * time.Second
	renewEvery = 3 * time.Second
)

// Store keeps the keys of one module.
type Store struct {
	db     *db.DB
	clock  clock.Clock
	shared bool // several processes may use the database

	mu      sync.Mutex
	running map[identity]*claim
}

type identity struct{ caller, key string }

// New gives the store of a module.
func New(d *db.DB, c clock.Clock) *Store {
	return &Store{db: d, clock: c, shared: d.Dialect() == db.Postgres, running: map[identity]*claim{}}
}

// Request is what a key was sent with.
type Request struct {
	Caller, Method, Path, Key string
	Body                      []byte
}

// fingerprint tells requests apart. Fields are prefixed with their length, so
// that no two requests run together to the same text.
func (r Request) fingerprint() string {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(r.Method), []byte(r.Path), r.Body} {
		h.Write(strconv.AppendInt(nil, int64(len(part)), 10))
		h.Write([]byte{':'})
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Response is an answer, as it is sent.
type Response struct {
	Status int
	Header map[string]string
	Body   []byte
}

// storable tells whether an answer is final. A failure of ours is not, nor one
// that comes of the caller's haste or lack of a name.
func (r Response) storable() bool {
	switch r.Status {
	case 401, 403, 408, 415, 429:
		return false
	}
	return r.Status < 500
}

// claim travels with the context of a request that has a key.
type claim struct {
	request     Request
	fingerprint string
	resource    string // what an earlier run made
	now         time.Time
	store       *Store
	// claimed tells that the key says in the database that this process runs it.
	// The store's lock guards it.
	claimed bool
}

// claims says that the key is, or is about to be, this process's in the database.
func (c *claim) claims() {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	c.claimed = c.store.shared
}

// until is how long the key is this process's, unless it is renewed; zero where
// nobody else can want it.
func (c *claim) until() int64 {
	if !c.store.shared {
		return 0
	}
	return c.store.clock.Now().Add(lease).UnixMicro()
}

type contextKey struct{}

var (
	load = db.NewStatement(`SELECT fingerprint, resource, status, header, body, running_until FROM idempotency_keys
		WHERE caller = $1 AND key = $2 AND created_at > $3`)
	insert = db.NewStatement(`INSERT INTO idempotency_keys (caller, key, fingerprint, resource, created_at, running_until) VALUES ($1, $2, $3, $4, $5, $6)`)
	forget = db.NewStatement(`DELETE FROM idempotency_keys WHERE caller = $1 AND key = $2 AND created_at <= $3`)
	answer = db.NewStatement(`INSERT INTO idempotency_keys (caller, key, fingerprint, status, header, body, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (caller, key) DO UPDATE
		SET status = excluded.status, header = excluded.header, body = excluded.body
		WHERE idempotency_keys.status = 0 AND idempotency_keys.fingerprint = excluded.fingerprint`)
	takeOver = db.NewStatement(`UPDATE idempotency_keys SET running_until = $1 WHERE caller = $2 AND key = $3 AND status = 0 AND running_until <= $4`)
	renew    = db.NewStatementFor("", `UPDATE idempotency_keys SET running_until = $1
		WHERE (caller, key) IN (SELECT * FROM unnest($2::text[], $3::text[])) AND status = 0`)
	release = db.NewStatement(`UPDATE idempotency_keys SET running_until = 0 WHERE caller = $1 AND key = $2 AND status = 0`)
	sweep   = db.NewStatement(`DELETE FROM idempotency_keys WHERE created_at <= $1`)
)

// Do answers a request that has a key: with the answer it was given before
// (replayed), or by running it. Where an earlier run was cut short after its
// effect, run is called again and finds what was made by Claimed.
//
// Errors: ErrReused, ErrInProgress, and what run returns.
func (s *Store) Do(ctx context.Context, r Request, run func(ctx context.Context) (Response, error)) (resp Response, replayed bool, err error) {
	id := identity{r.Caller, r.Key}
	c := &claim{request: r, fingerprint: r.fingerprint(), now: s.clock.Now(), store: s}

	// What is stored is looked at before what runs: a key that was used for
	// something else is that, whatever is running.
	free := s.enter(id, c)
	if free {
		defer s.leave(id)
	}
	stored, known, err := s.load(ctx, c)
	switch {
	case err != nil:
		return Response{}, false, err
	case known && stored.Status != 0:
		return stored, true, nil
	case !free:
		return Response{}, false, ErrInProgress
	case known && s.shared:
		if err := s.takeOver(ctx, c); err != nil {
			return Response{}, false, err
		}
	}
	defer s.release(ctx, c)
	resp, err = run(context.WithValue(ctx, contextKey{}, c))
	if errors.Is(err, errClaimed) {
		// Another process made it between our look and our claim.
		return Response{}, false, ErrInProgress
	}
	if err != nil || !resp.storable() {
		return resp, false, err
	}
	first, err := s.keep(ctx, c, resp)
	if err != nil {
		return Response{}, false, err
	}
	if !first {
		// Another process has answered meanwhile: with that, the answer is given.
		if stored, known, err = s.load(ctx, c); err != nil || known {
			return stored, known, err
		}
	}
	return resp, known, nil
}

func (s *Store) enter(id identity, c *claim) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[id] != nil {
		return false
	}
	s.running[id] = c
	return true
}

func (s *Store) leave(id identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, id)
}

// takeOver makes a request this process's that another was running, which has not
// been heard of since its time was up.
func (s *Store) takeOver(ctx context.Context, c *claim) error {
	c.claims()
	var n int64
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = db.Affected(takeOver.Exec(ctx, tx, c.until(), c.request.Caller, c.request.Key, s.clock.Now().UnixMicro()))
		return err
	})
	if err == nil && n == 0 {
		return ErrInProgress
	}
	return err
}

// release says that a request without an answer runs no more.
func (s *Store) release(ctx context.Context, c *claim) {
	s.mu.Lock()
	held := c.claimed
	c.claimed = false
	s.mu.Unlock()
	if !held {
		return
	}
	// Where that fails its time runs out.
	_ = s.db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx *db.Tx) error {
		_, err := release.Exec(ctx, tx, c.request.Caller, c.request.Key)
		return err
	})
}

// Renew says of what runs here that it still does, until ctx ends.
func (s *Store) Renew(ctx context.Context) error {
	if !s.shared {
		return nil
	}
	for clock.Sleep(ctx, s.clock, renewEvery) == nil {
		var callers, keys []string
		s.mu.Lock()
		for id, c := range s.running {
			if c.claimed {
				callers, keys = append(callers, id.caller), append(keys, id.key)
			}
		}
		s.mu.Unlock()
		if len(keys) == 0 {
			continue
		}
		// A failure is made good by the next round.
		_ = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			_, err := renew.Exec(ctx, tx, s.clock.Now().Add(lease).UnixMicro(), callers, keys)
			return err
		})
	}
	return nil
}

func (s *Store) load(ctx context.Context, c *claim) (resp Response, known bool, err error) {
	var (
		fingerprint, header string
		running             int64
	)
	err = load.QueryRow(ctx, s.db.Read(), c.request.Caller, c.request.Key, db.NewTime(c.now.Add(-Retention))).
		Scan(&fingerprint, &c.resource, &resp.Status, &header, &resp.Body, &running)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Response{}, false, nil
	case err != nil:
		return Response{}, false, fmt.Errorf("idempotency key: %w", err)
	case fingerprint != c.fingerprint:
		return Response{}, false, ErrReused
	case resp.Status == 0 && running > s.clock.Now().UnixMicro():
		return Response{}, false, ErrInProgress
	}
	if err := json.Unmarshal([]byte(header), &resp.Header); err != nil {
		return Response{}, false, fmt.Errorf("idempotency key: %w", err)
	}
	return resp, true, nil
}

// keep stores an answer, unless there is one: then it is not the first.
func (s *Store) keep(ctx context.Context, c *claim, resp Response) (first bool, err error) {
	header, err := json.Marshal(resp.Header)
	if err != nil {
		return false, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := c.forgetOld(ctx, tx); err != nil {
			return err
		}
		n, err := db.Affected(answer.Exec(ctx, tx, c.request.Caller, c.request.Key, c.fingerprint, resp.Status, string(header), resp.Body, db.NewTime(c.now)))
		first = n > 0
		return err
	})
	if err == nil {
		s.mu.Lock()
		c.claimed = false // it is answered
		s.mu.Unlock()
	}
	return first, err
}

// forgetOld makes room for a key that is used anew after its retention.
func (c *claim) forgetOld(ctx context.Context, tx *db.Tx) error {
	_, err := forget.Exec(ctx, tx, c.request.Caller, c.request.Key, db.NewTime(c.now.Add(-Retention)))
	return err
}

// errClaimed says that another process has claimed the key meanwhile; the
// transaction must come to nothing.
var errClaimed = errors.New("idempotency key was claimed by another process")

// Claim binds the request's key, if it has one, to what it makes, in the
// transaction that makes it. Its error must end the transaction.
func Claim(ctx context.Context, tx *db.Tx, resource string) error {
	c, ok := ctx.Value(contextKey{}).(*claim)
	if !ok || c.resource != "" {
		return nil
	}
	if err := c.forgetOld(ctx, tx); err != nil {
		return err
	}
	c.claims()
	_, err := insert.Exec(ctx, tx, c.request.Caller, c.request.Key, c.fingerprint, resource, db.NewTime(c.now), c.until())
	if db.IsUnique(err) {
		return errClaimed
	}
	return err
}

// Claimed gives what an earlier run of this request made, where it was cut
// short before its answer: that is to be answered, and nothing to be made.
func Claimed(ctx context.Context) (resource string, ok bool) {
	c, ok := ctx.Value(contextKey{}).(*claim)
	if !ok || c.resource == "" {
		return "", false
	}
	return c.resource, true
}

// Sweep deletes keys past their retention until ctx ends.
func (s *Store) Sweep(ctx context.Context) error {
	for clock.Sleep(ctx, s.clock, time.Hour) == nil {
		// A failure is no harm: the next round deletes what this one did not.
		_ = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			_, err := sweep.Exec(ctx, tx, db.NewTime(s.clock.Now().Add(-Retention)))
			return err
		})
	}
	return nil
}
