package proxy

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"stoa/platform/web"
)

// lane is a connection that many safe requests use at once, one behind the other
// (pipelining, RFC 9112 §9.3.2): what several of them ask goes out in one write,
// and what is answered comes back in one read. Most of what a hop costs is system
// calls, so this halves it where there is much to do.
//
// Answers come in the order of the requests, so one that takes long would hold up
// those behind it. They are then asked anew, each over a connection of its own.
type lane struct {
	conn *conn

	mu      sync.Mutex
	waiting []*errand // in the order of their requests
	last    time.Time // the deadline of the last that has joined
	since   time.Time // since when the first of them has been the first
	out     []byte    // what is to be written
	spare   []byte
	writing bool
	idle    bool // nobody has waited for a while
	ended   bool // nobody may join any more
}

// errand is a request that waits for its answer.
type errand struct {
	passage *web.Passage
	done    chan *fault
}

var errands = sync.Pool{New: func() any { return &errand{done: make(chan *fault, 1)} }}

// lanes is how many there are to a process. The fewer, the more go together.
var lanes = max(2, runtime.GOMAXPROCS(0)/2)

const (
	// maxWaiting is how many requests wait in one lane.
	maxWaiting = 64
	// heldUp is how long a request may take before those behind it leave.
	heldUp = 20 * time.Millisecond
)

var (
	errHeldUp  = errors.New("the request before it takes long")
	errUnasked = errors.New("it answers what was not asked, or somebody else")
	errRetired = errors.New("the connection is not used any more")
)

// share has a request answered over a lane, if it may be and there is room.
func (h *host) share(x *web.Passage) (shared bool, f *fault) {
	if !x.Safe() || x.Streams() {
		return false, nil
	}
	if whole, stream, _ := x.Body(); stream != nil || len(whole) > 0 {
		return false, nil
	}
	e := errands.Get().(*errand)
	e.passage = x
	defer func() {
		e.passage = nil
		errands.Put(e)
	}()
	if l := h.lane(x); l == nil || !l.join(e) {
		return false, nil
	}
	if f = <-e.done; f == nil {
		x.Answered()
	}
	return true, f
}

// lane gives the lane where the fewest wait, a new one where some wait in each
// and there may be more, and none where there is no room.
func (h *host) lane(x *web.Passage) *lane {
	h.mu.Lock()
	var best *lane
	fewest := maxWaiting
	for _, l := range h.lanes {
		if n := l.length(); n < fewest {
			best, fewest = l, n
		}
	}
	if fewest == 0 || len(h.lanes)+h.opening >= lanes {
		h.mu.Unlock()
		return best
	}
	h.opening++
	h.mu.Unlock()
	c, _, err := h.get(x.Context(), true, false)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.opening--
	if err != nil {
		return best
	}
	l := &lane{conn: c, idle: true, ended: h.closed}
	l.wake(now().Add(h.cfg.IdleTimeout))
	c.reader.Reset(l)
	h.lanes = append(h.lanes, l)
	go l.serve()
	return l
}

// length is how many wait, as many as may where nobody can join.
func (l *lane) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return maxWaiting
	}
	return len(l.waiting)
}

// join sends a request, together with those that come meanwhile. It tells whether
// the lane takes it.
func (l *lane) join(e *errand) bool {
	due := e.passage.Deadline()
	l.mu.Lock()
	// The first in the lane is to be the first whose time is up.
	if l.ended || len(l.waiting) >= maxWaiting || due.Before(l.last.Add(-grace)) {
		l.mu.Unlock()
		return false
	}
	l.last = due
	l.out = e.passage.AppendHead(l.out, l.conn.host.addr)
	l.waiting = append(l.waiting, e)
	if len(l.waiting) == 1 {
		l.since = now()
	}
	if l.idle {
		l.idle = false
		l.wake(l.since.Add(heldUp))
	}
	writes := !l.writing
	l.writing = true
	l.mu.Unlock()
	if writes {
		runtime.Gosched() // lets those come who are about to
		l.write()
	}
	return true
}

// write sends what is to be sent until there is no more.
func (l *lane) write() {
	for {
		l.mu.Lock()
		out := l.out
		if len(out) == 0 {
			l.writing = false
			l.mu.Unlock()
			return
		}
		l.out, l.spare = l.spare, nil
		l.mu.Unlock()
		if _, err := l.conn.Write(out); err != nil {
			_ = l.conn.Close() // serve learns of it by that
		}
		l.mu.Lock()
		if cap(out) <= keptOut {
			l.spare = out[:0]
		}
		l.mu.Unlock()
	}
}

// serve reads one answer after the other.
func (l *lane) serve() {
	for {
		if _, err := l.conn.reader.Peek(1); err != nil {
			l.end(fmt.Errorf("wait for an answer: %w", err))
			return
		}
		e := l.first()
		if e == nil {
			l.end(errUnasked)
			return
		}
		resp := e.passage.Response()
		length, stays, err := l.conn.readHead(&resp.Header)
		if err == nil && !e.passage.Mine(&resp.Header) {
			l.end(errUnasked)
			return
		}
		if err == nil {
			err = l.conn.readBody(resp, length)
		}
		if err != nil {
			l.end(fmt.Errorf("read an answer: %w", err))
			return
		}
		stays = l.next() && stays
		e.done <- nil
		if !stays {
			l.end(errRetired)
			return
		}
	}
}

// Read reads from the connection. That nothing came until its deadline is
// looked into.
func (l *lane) Read(p []byte) (int, error) {
	for {
		n, err := l.conn.Conn.Read(p)
		if err == nil || !isTimeout(err) {
			return n, err
		}
		if err := l.late(); err != nil {
			return 0, err
		}
	}
}

// late says what is to be done when nothing came for a while: an error ends the
// lane.
func (l *lane) late() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch at := now(); {
	case len(l.waiting) == 0 && (l.idle || l.ended):
		return errRetired
	case len(l.waiting) == 0:
		l.idle = true
		l.wake(at.Add(l.conn.host.cfg.IdleTimeout))
	case at.Sub(l.since) < heldUp:
		l.wake(l.since.Add(heldUp))
	default:
		due := l.waiting[0].passage.Deadline().Add(grace)
		if !at.Before(due) {
			return os.ErrDeadlineExceeded
		}
		l.ended = true
		fail(l.waiting[1:], &fault{err: errHeldUp, sent: true, stale: true})
		l.waiting = l.waiting[:1]
		l.wake(due)
	}
	return nil
}

// wake has late called at a time, unless something comes before.
func (l *lane) wake(at time.Time) {
	_ = l.conn.SetReadDeadline(at) // where it fails, so does reading
}

// first gives the request that is to be answered next.
func (l *lane) first() *errand {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return nil
	}
	return l.waiting[0]
}

// next takes the first out of the lane. It tells whether the lane goes on.
func (l *lane) next() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = slices.Delete(l.waiting, 0, 1)
	l.since = now()
	return !l.ended || len(l.waiting) > 0
}

// retire ends the lane once nobody waits.
func (l *lane) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if len(l.waiting) == 0 {
		l.wake(now())
	}
}

// end closes the lane. Who waits may ask again, but for the first if its time is
// up.
func (l *lane) end(err error) {
	l.mu.Lock()
	l.ended = true
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	h := l.conn.host
	h.mu.Lock()
	h.lanes = slices.DeleteFunc(h.lanes, func(other *lane) bool { return other == l })
	h.mu.Unlock()
	l.conn.drop()
	if len(waiting) > 0 && isTimeout(err) {
		fail(waiting[:1], &fault{err: err, sent: true})
		waiting = waiting[1:]
	}
	fail(waiting, &fault{err: err, sent: true, stale: true})
}

// fail says to requests why they were not answered.
func fail(waiting []*errand, f *fault) {
	for _, e := range waiting {
		e.done <- f
	}
}
