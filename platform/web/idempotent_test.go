package web_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/errs"
	"stoa/platform/idempotency"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

// orders is a module with one idempotent operation, which counts its runs.
type orders struct {
	*webtest.Server
	db   *db.DB
	runs atomic.Int64
	// hook is called by each run; its error is the operation's.
	hook func(ctx context.Context) error
}

func newOrders(t *testing.T) *orders {
	o := &orders{db: dbtest.Open(t, "orders", nil), hook: func(context.Context) error { return nil }}
	o.serve(t)
	return o
}

// serve serves anew, as after a restart.
func (o *orders) serve(t *testing.T) {
	o.Server = webtest.New(t, "orders", func(r *web.Router) {
		web.Register(r, web.Operation{
			ID: "place", Method: http.MethodPost, Path: "/orders", Summary: "Place", Status: http.StatusCreated, Idempotent: true,
		}, func(ctx context.Context, in *struct {
			Loud bool `query:"loud"`
			makeThing
		}) (*thingAnswer, error) {
			n := o.runs.Add(1)
			if err := o.hook(ctx); err != nil {
				return nil, err
			}
			id := strconv.FormatInt(n, 10)
			return &thingAnswer{ETag: web.Version(n), Location: "/api/v1/orders/" + id, Body: thing{ID: id, Name: in.Body.Name}}, nil
		})
	}, func(options *webtest.Options) { options.Idempotency = idempotency.New(o.db, clock.System()) })
}

func (o *orders) place(t *testing.T, as, key, body string, header ...string) webtest.Answer {
	return o.As(as).Do(t, http.MethodPost, "/orders", body, append(header, "Idempotency-Key", key)...)
}

func TestTheSameKeyGivesTheSameAnswer(t *testing.T) {
	t.Parallel()
	o := newOrders(t)
	first := o.place(t, "u1", "key", good, "X-Request-Id", "first")
	require.Equal(t, 201, first.Status, "%s", first.Body)
	require.Empty(t, first.Header.Get("Idempotent-Replayed"))
	for range 2 {
		again := o.place(t, "u1", "key", good, "X-Request-Id", "again", "Prefer", "wait=5")
		require.Equal(t, 201, again.Status)
		require.Equal(t, string(first.Body), string(again.Body))
		require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
		require.Equal(t, "again", again.Header.Get("X-Request-Id"))
		for _, name := range []string{"Content-Type", "Location", "Etag", "Cache-Control"} {
			require.Equal(t, first.Header.Get(name), again.Header.Get(name), name)
		}
		o.serve(t)
	}
	require.EqualValues(t, 1, o.runs.Load())
}

func TestKeysArePerCallerAndRequest(t *testing.T) {
	t.Parallel()
	o := newOrders(t)
	require.Equal(t, 201, o.place(t, "u1", "key", good).Status)
	other := o.place(t, "u2", "key", good)
	require.Equal(t, 201, other.Status)
	require.Empty(t, other.Header.Get("Idempotent-Replayed"), "it is somebody else's key")

	for _, reused := range []webtest.Answer{
		o.place(t, "u1", "key", `{"name":"another"}`),
		o.place(t, "u1", "key", ` {"name":"lamp"}`),
		o.As("u1").Do(t, http.MethodPost, "/orders?loud=true", good, "Idempotency-Key", "key"),
	} {
		require.Equal(t, 422, reused.Status)
		require.Equal(t, "idempotency.key_reused", reused.Problem(t).Code)
	}
	for range 2 {
		require.Equal(t, 201, o.As("u1").Do(t, http.MethodPost, "/orders", good).Status, "the key is optional")
	}
	require.EqualValues(t, 4, o.runs.Load())
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	o := newOrders(t)
	for _, key := range []string{strings.Repeat("k", 256), "é", "a\tb"} {
		answer := o.place(t, "u1", key, good)
		require.Equal(t, 422, answer.Status, "%q", key)
		require.Equal(t, "header.Idempotency-Key", answer.Problem(t).Errors[0].Location)
	}
	require.Equal(t, 422, o.place(t, "u1", "a", good, "Idempotency-Key", "b").Status)
	empty := send(t, o.Addr, "POST /api/v1/orders HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nIdempotency-Key:\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"+good)
	require.Contains(t, empty, "HTTP/1.1 422 ")
	require.Zero(t, o.runs.Load())
	require.Equal(t, 201, o.place(t, "u1", strings.Repeat("k", 255), good).Status)
	require.Equal(t, 201, o.place(t, "u1", "a b~!", good).Status)
}

func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	o := newOrders(t)
	running, done := make(chan struct{}), make(chan struct{})
	o.hook = func(context.Context) error {
		close(running)
		<-done
		return nil
	}
	first := make(chan webtest.Answer)
	go func() { first <- o.place(t, "u1", "key", good) }()
	<-running
	second := o.place(t, "u1", "key", good)
	require.Equal(t, 409, second.Status)
	require.Equal(t, "idempotency.in_progress", second.Problem(t).Code)
	require.Equal(t, "1", second.Header.Get("Retry-After"))
	close(done)
	require.Equal(t, 201, (<-first).Status)
	require.Equal(t, "true", o.place(t, "u1", "key", good).Header.Get("Idempotent-Replayed"))
}

func TestWhatIsNotKept(t *testing.T) {
	t.Parallel()
	o := newOrders(t)
	require.Equal(t, 422, o.place(t, "u1", "a", `{"name":""}`).Status)
	require.Equal(t, 400, o.place(t, "u1", "a", `{"name":`).Status)
	require.Equal(t, 422, o.As("u1").Do(t, http.MethodPost, "/orders?loud=x", good, "Idempotency-Key", "a").Status)
	require.Equal(t, 201, o.place(t, "u1", "a", good).Status, "what was not valid may be put right")

	for name, err := range map[string]error{"b": errors.New("the disk is full"), "c": errs.ErrUnavailable, "d": errs.ErrTimeout} {
		o.hook = func(context.Context) error { return err }
		failed := o.place(t, "u1", name, good)
		require.GreaterOrEqual(t, failed.Status, 500)
		failed.Problem(t)
		o.hook = func(context.Context) error { return nil }
		again := o.place(t, "u1", name, good)
		require.Equal(t, 201, again.Status, "what was our fault may be tried again")
		require.Empty(t, again.Header.Get("Idempotent-Replayed"))
	}
}

func TestRefusalsAreKept(t *testing.T) {
	t.Parallel()
	o := newOrders(t)
	o.hook = func(context.Context) error { return errs.New(errs.Conflict, "orders.sold_out", "it is sold out") }
	first := o.place(t, "u1", "key", good)
	require.Equal(t, 409, first.Status)
	o.hook = func(context.Context) error { return nil }
	again := o.place(t, "u1", "key", good)
	require.Equal(t, string(first.Body), string(again.Body), "the first request's id stands in it")
	require.Equal(t, "application/problem+json", again.Header.Get("Content-Type"))
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
}

// TestCutShort lets a request die between its effect and its answer: the next
// one finds what was made.
func TestCutShort(t *testing.T) {
	t.Parallel()
	o := newOrders(t)
	var found string
	o.hook = func(ctx context.Context) error {
		resource, ok := idempotency.Claimed(ctx)
		if ok {
			found = resource
			return nil
		}
		err := o.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return idempotency.Claim(ctx, tx, "order 1") })
		return errors.Join(err, errors.New("the lights went out"))
	}
	require.Equal(t, 500, o.place(t, "u1", "key", good).Status)
	again := o.place(t, "u1", "key", good)
	require.Equal(t, 201, again.Status, "%s", again.Body)
	require.Equal(t, "order 1", found)
}

// TestClaimedElsewhere has another process claim the key in the middle.
func TestClaimedElsewhere(t *testing.T) {
	t.Parallel()
	o := newOrders(t)
	elsewhere := idempotency.New(o.db, clock.System())
	o.hook = func(ctx context.Context) error {
		claim := func(ctx context.Context) error {
			return o.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return idempotency.Claim(ctx, tx, "theirs") })
		}
		_, _, err := elsewhere.Do(context.WithoutCancel(t.Context()), idempotency.Request{Caller: "u1", Method: http.MethodPost, Path: "/api/v1/orders", Key: "key", Body: []byte(good)},
			func(ctx context.Context) (idempotency.Response, error) {
				return idempotency.Response{Status: 201}, claim(ctx)
			})
		return errors.Join(err, claim(ctx))
	}
	answer := o.place(t, "u1", "key", good)
	require.Equal(t, 409, answer.Status, "%s", answer.Body)
	require.Equal(t, "idempotency.in_progress", answer.Problem(t).Code)
}
