package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"stoa/platform/clock"
)

// patience is how long an answer may take before the server counts as stuck.
const patience = 60 * time.Second

// Load is what is asked of a server: each connection sends a request, waits for
// the answer, and sends the next at once.
type Load struct {
	Addr        string // host:port
	Connections int
	// Warm is how long requests are sent before any counts, For how long they
	// count. A request counts when its answer came within that time.
	Warm, For time.Duration
	// Next gives the n-th request of a connection, from 0, as it goes over the wire.
	Next func(connection, n int) []byte
	// Check says whether an answer will do. The first that will not ends all: a
	// figure that some errors are part of says nothing.
	Check func(status int, body []byte) error
	// Most is how many requests are sent in all, if that is not 0; then all of
	// them count, and For is only the longest that this may take.
	Most int
	// Idle connections are opened before and say nothing. Loaded, if it is not
	// nil, is called at the end while they are still open.
	Idle   int
	Loaded func()
}

// Result is what came of a Load.
type Result struct {
	For     time.Duration
	Latency Histogram
}

// Rate is how many answers there were in a second.
func (r *Result) Rate() float64 { return float64(r.Latency.Count()) / r.For.Seconds() }

// Request writes a request as Load takes it. A nil body is none; headers are
// names and values in turn.
func Request(method, path string, body []byte, headers ...string) []byte {
	r := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(r)
	r.Header.SetMethod(method)
	r.SetRequestURI(path)
	r.Header.SetHost("bench")
	r.Header.SetNoDefaultContentType(true)
	if body != nil {
		r.Header.SetContentType("application/json")
		r.SetBody(body)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	var text bytes.Buffer
	w := bufio.NewWriter(&text)
	_ = r.Write(w) // a buffer takes everything
	_ = w.Flush()
	return text.Bytes()
}

// Run puts a load on a server.
func Run(ctx context.Context, c clock.Clock, l Load) (*Result, error) {
	idle, err := dialIdle(ctx, l)
	defer func() {
		for _, conn := range idle {
			_ = conn.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	counted := make([]Histogram, l.Connections)
	var all sync.WaitGroup
	began := c.Now()
	from := began.Add(l.Warm)
	until := from.Add(l.For)
	left := new(atomic.Int64)
	left.Store(math.MaxInt64)
	if l.Most > 0 {
		left.Store(int64(l.Most))
	}
	for i := range l.Connections {
		all.Go(func() {
			if err := l.connection(ctx, c, i, from, until, left, &counted[i]); err != nil {
				cancel(fmt.Errorf("connection %d: %w", i, err))
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r := &Result{For: l.For}
	if l.Most > 0 {
		r.For = c.Now().Sub(began)
	}
	if l.Loaded != nil {
		l.Loaded()
	}
	for i := range counted {
		r.Latency.Add(&counted[i])
	}
	if r.Latency.Count() == 0 {
		return nil, errors.New("no answer came in time")
	}
	return r, nil
}

func dialIdle(ctx context.Context, l Load) ([]net.Conn, error) {
	idle := make([]net.Conn, 0, l.Idle)
	for range l.Idle {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr)
		if err != nil {
			return idle, err
		}
		idle = append(idle, conn)
		if _, err := conn.Write(l.Next(0, 0)); err != nil {
			return idle, err
		}
		// One answer, so that the server has begun to keep the connection.
		if err := new(fasthttp.Response).Read(bufio.NewReader(conn)); err != nil {
			return idle, err
		}
	}
	return idle, nil
}

// connection sends requests until the time is up.
func (l *Load) connection(ctx context.Context, c clock.Clock, number int, from, until time.Time, left *atomic.Int64, h *Histogram) error {
	var conn net.Conn
	hangUp := func() {}
	defer func() { hangUp() }()
	reader := bufio.NewReaderSize(nil, 16<<10)
	var answer fasthttp.Response
	began := c.Now()
	for n := 0; began.Before(until) && left.Add(-1) >= 0; n++ {
		if conn == nil {
			var err error
			if conn, err = new(net.Dialer).DialContext(ctx, "tcp", l.Addr); err != nil {
				return err
			}
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			hangUp = func() {
				stop()
				_ = conn.Close()
			}
			if err := conn.SetDeadline(until.Add(patience)); err != nil {
				return err
			}
			reader.Reset(conn)
		}
		if _, err := conn.Write(l.Next(number, n)); err != nil {
			return err
		}
		if err := answer.Read(reader); err != nil {
			return err
		}
		ended := c.Now()
		if err := l.Check(answer.StatusCode(), answer.Body()); err != nil {
			return err
		}
		if !ended.Before(from) && !ended.After(until) {
			h.Record(ended.Sub(began))
		}
		if answer.ConnectionClose() {
			hangUp()
			conn, hangUp = nil, func() {}
		}
		began = ended
	}
	return nil
}

// Want gives a Check that takes answers with a status, and a text in their body
// where that is not empty.
func Want(status int, text string) func(int, []byte) error {
	return func(got int, body []byte) error {
		if got != status || text != "" && !bytes.Contains(body, []byte(text)) {
			return fmt.Errorf("answer of %d is not the one wanted: %.300s", got, body)
		}
		return nil
	}
}
