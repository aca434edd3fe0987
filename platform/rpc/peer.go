package rpc

import (
	"context"
	"net"
	"sync"
	"time"

	"stoa/platform/clock"
)

// state is how the other side of a connection is.
type state int

const (
	quiet   state = iota // there, and has sent nothing that was not read
	talking              // there, and has sent something
	gone                 // has closed the connection, or died
)

// watchEvery is how often the connections of calls that run are looked at.
// Calls that are answered sooner cost next to nothing.
const watchEvery = 25 * time.Millisecond

// watch ends the contexts of calls whose callers have closed their connection.
// Nobody reads a connection while its call is answered, so it has to be looked
// at.
type watch struct {
	clock clock.Clock
	wake  chan struct{}

	mu    sync.Mutex
	idle  bool
	calls map[*watched]struct{}
}

type watched struct {
	conn   net.Conn
	cancel context.CancelCauseFunc
}

func newWatch(c clock.Clock) *watch {
	return &watch{clock: c, wake: make(chan struct{}, 1), calls: map[*watched]struct{}{}}
}

// begin watches over a call until the returned function is called.
func (w *watch) begin(conn net.Conn, cancel context.CancelCauseFunc) (end func()) {
	call := &watched{conn, cancel}
	w.mu.Lock()
	w.calls[call] = struct{}{}
	wake := w.idle
	w.idle = false
	w.mu.Unlock()
	if wake {
		w.wake <- struct{}{}
	}
	return func() {
		w.mu.Lock()
		delete(w.calls, call)
		w.mu.Unlock()
	}
}

// run looks until ctx ends.
func (w *watch) run(ctx context.Context) {
	var running []*watched
	for {
		w.mu.Lock()
		running = running[:0]
		for call := range w.calls {
			running = append(running, call)
		}
		w.idle = len(running) == 0
		idle := w.idle
		w.mu.Unlock()
		for _, call := range running {
			if peerState(call.conn) == gone {
				call.cancel(errGone)
			}
		}
		if idle {
			select {
			case <-w.wake:
			case <-ctx.Done():
				return
			}
		}
		if clock.Sleep(ctx, w.clock, watchEvery) != nil {
			return
		}
	}
}
