package rpc

import (
	"net"
	"runtime"
	"sync"
	"time"

	"stoa/platform/clock"
)

// keptFrames is how many bytes of room are kept for the frames to come.
const keptFrames = 1 << 20

// frameWriter sends frames over a connection, those that come while others are being
// sent together.
type frameWriter struct {
	conn net.Conn
	wake chan struct{} // there is something to look at
	// done tells, with mu held, whether all is over once nothing is left to send.
	done func() bool

	mu    sync.Mutex
	moved sync.Cond // something was sent, or all is over
	out   []byte    // to be sent
	spare []byte
	over  bool
	// Bytes, of all that was ever to be sent: in all, those that the connection was
	// given, and those that it took.
	queued, given, taken int64

	extended time.Time // when the deadline for writing was moved on; the writer's
}

func (w *frameWriter) init(conn net.Conn, done func() bool) {
	w.conn, w.wake, w.done = conn, make(chan struct{}, 1), done
	w.moved.L = &w.mu
}

// queue has out, which is what was to be sent already and more, sent. It tells
// where in all that is ever sent that ends. mu is held.
func (w *frameWriter) queue(out []byte) (end int64) {
	w.queued += int64(len(out) - len(w.out))
	w.out = out
	w.look()
	return w.queued
}

// look has the writer see whether there is something to do.
func (w *frameWriter) look() {
	select {
	case w.wake <- struct{}{}:
	default: // it will
	}
}

// finish has the writer end, whatever is left to send. mu is held.
func (w *frameWriter) finish() {
	w.over = true
	w.moved.Broadcast()
	w.look()
}

// write sends until all is over, or sending fails, and closes the connection, by
// which whoever reads it learns of that.
func (w *frameWriter) write() {
	defer func() {
		_ = w.conn.Close() // it is of no further use either way
		w.mu.Lock()
		defer w.mu.Unlock()
		w.finish() // nobody need wait for anything to be sent
	}()
	for range w.wake {
		runtime.Gosched() // lets those come who are about to
		for {
			out, over := w.next()
			if over {
				return
			}
			if len(out) == 0 {
				break
			}
			if !w.send(out) {
				return
			}
		}
	}
}

// next takes what is to be sent.
func (w *frameWriter) next() (out []byte, over bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.out) == 0 || w.over {
		return nil, w.over || w.done()
	}
	out = w.out
	w.out, w.spare = w.spare[:0], nil
	w.given += int64(len(out))
	return out, false
}

// send tells whether the connection took all.
func (w *frameWriter) send(out []byte) bool {
	// The deadline is moved on now and then, not each time.
	if now := clock.System().Now(); now.Sub(w.extended) >= writeWithin/10 {
		w.extended = now
		if w.conn.SetWriteDeadline(now.Add(writeWithin)) != nil {
			return false
		}
	}
	n, err := w.conn.Write(out)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken += int64(n)
	if err != nil {
		w.given = w.taken
		return false
	}
	if cap(out) <= keptFrames {
		w.spare = out
	}
	w.moved.Broadcast()
	return true
}
