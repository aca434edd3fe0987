package web

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"stoa/platform/telemetry"
)

// deadline is the context of a handler: it knows its request, and ends with it
// or at its deadline. The timer is made when somebody first asks for Done or
// Err, since many a request is answered before.
type deadline struct {
	parent  context.Context
	at      time.Time
	id      string
	client  netip.Addr
	request atomic.Pointer[request] // nil once it is over

	mu    sync.Mutex
	timed atomic.Pointer[timed]
	ended bool
}

type timed struct {
	context.Context
	cancel context.CancelFunc
}

var _ context.Context = (*deadline)(nil)

// Deadline is when it ends at the latest.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done is closed when it ends.
func (d *deadline) Done() <-chan struct{} { return d.begin().Done() }

// Err tells why it has ended, nil before.
func (d *deadline) Err() error { return d.begin().Err() }

// Value finds the request, and what its parents know. Once it is timed, that
// context is asked: by it package context finds out whom to tell of the end.
func (d *deadline) Value(key any) any {
	if key == (contextKey{}) {
		return d
	}
	if key == (telemetry.RequestKey{}) {
		return d.id
	}
	if t := d.timed.Load(); t != nil {
		return t.Value(key)
	}
	return d.parent.Value(key)
}

func (d *deadline) begin() *timed {
	if t := d.timed.Load(); t != nil {
		return t
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.timed.Load(); t != nil {
		return t
	}
	t := &timed{}
	t.Context, t.cancel = context.WithDeadline(d.parent, d.at)
	if d.ended {
		t.cancel()
	}
	d.timed.Store(t)
	return t
}

// end ends it with its request.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	d.request.Store(nil)
	if t := d.timed.Load(); t != nil {
		t.cancel()
	}
}
