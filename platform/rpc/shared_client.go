package rpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"stoa/platform/clock"
)

// sharedConns keeps a connection to each instance that calls share.
type sharedConns struct {
	clock  clock.Clock
	dialer net.Dialer

	running sync.WaitGroup

	mu     sync.Mutex
	closed bool
	taking map[string]*sharedConn // by address, those that take calls
	open   map[*sharedConn]struct{}
	dials  map[string]*sharedDial // by address, those under way
	plain  map[string]time.Time   // until when an address is taken to share none
}

// plainFor is how long it is believed that an instance shares no connection.
const plainFor = time.Minute

// errPlain says that an instance shares no connection: each call is to have its
// own.
var errPlain = errors.New("the instance shares no connection")

// errLeft says that a connection takes no more calls.
var errLeft = errors.New("the connection takes no more calls")

func newSharedConns(c clock.Clock) *sharedConns {
	return &sharedConns{
		clock: c, taking: map[string]*sharedConn{}, open: map[*sharedConn]struct{}{},
		dials: map[string]*sharedDial{}, plain: map[string]time.Time{},
	}
}

// close ends every connection, and what runs on it.
func (s *sharedConns) close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		_ = c.conn.Close() // read learns of it by that
	}
	for _, d := range s.dials {
		d.cancel()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// call sends a call and waits for what comes back; errPlain says that it was
// not sent.
func (s *sharedConns) call(ctx context.Context, addr string, c *Call) (Reply, error) {
	for {
		conn, err := s.get(ctx, addr)
		if err != nil {
			return Reply{}, err
		}
		reply, err := conn.call(ctx, c)
		if err == nil || !errors.Is(err, errLeft) {
			return reply, err
		}
	}
}

// get gives the connection to an instance.
func (s *sharedConns) get(ctx context.Context, addr string) (*sharedConn, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errClosed
	}
	if c := s.taking[addr]; c != nil {
		s.mu.Unlock()
		return c, nil
	}
	if until, ok := s.plain[addr]; ok && s.clock.Now().Before(until) {
		s.mu.Unlock()
		return nil, errPlain
	}
	d := s.dials[addr]
	if d == nil {
		// Who waits may give up; those who come later wait for the same.
		dialing, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialWithin)
		d = &sharedDial{done: make(chan struct{}), cancel: cancel}
		s.dials[addr] = d
		s.running.Go(func() { s.dial(dialing, addr, d) })
	}
	s.mu.Unlock()
	select {
	case <-d.done:
		return d.conn, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// sharedDial is a connection in the making. conn and err hold once done is
// closed.
type sharedDial struct {
	done   chan struct{}
	cancel context.CancelFunc
	conn   *sharedConn
	err    error
}

func (s *sharedConns) dial(ctx context.Context, addr string, d *sharedDial) {
	defer d.cancel()
	c, err := s.connect(ctx, addr)
	s.mu.Lock()
	delete(s.dials, addr)
	delete(s.plain, addr)
	switch {
	case err == nil && s.closed:
		_ = c.conn.Close() // it was not used
		c, err = nil, errClosed
	case err == nil:
		s.taking[addr] = c
		s.open[c] = struct{}{}
		s.running.Go(c.write)
		s.running.Go(c.read)
	case errors.Is(err, errPlain):
		now := s.clock.Now()
		for other, until := range s.plain {
			if until.Before(now) {
				delete(s.plain, other)
			}
		}
		s.plain[addr] = now.Add(plainFor)
	}
	s.mu.Unlock()
	d.conn, d.err = c, err
	close(d.done)
}

// connect makes a connection and asks that calls may share it.
func (s *sharedConns) connect(ctx context.Context, addr string) (_ *sharedConn, err error) {
	raw, err := s.dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, refused{err}
	}
	defer func() {
		if err != nil {
			_ = raw.Close() // no call was sent on it
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := fmt.Fprintf(raw, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", pathShared, addr, sharedProtocol); err != nil {
		return nil, refused{fmt.Errorf("ask %s for a connection to share: %w", addr, err)}
	}
	r := bufio.NewReaderSize(raw, readAtOnce)
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	if err := resp.Header.Read(r); err != nil {
		return nil, refused{fmt.Errorf("ask %s for a connection to share: %w", addr, err)}
	}
	if resp.StatusCode() != http.StatusSwitchingProtocols || !strings.EqualFold(string(resp.Header.Peek(fasthttp.HeaderUpgrade)), sharedProtocol) {
		return nil, errPlain
	}
	if !stop() {
		return nil, refused{fmt.Errorf("ask %s for a connection to share: %w", addr, ctx.Err())}
	}
	c := &sharedConn{conns: s, addr: addr, reader: r, calls: map[uint64]*waiting{}, used: s.clock.Now()}
	c.init(raw, c.ended)
	return c, nil
}

// readAtOnce is how many bytes of frames are read at once.
const readAtOnce = 32 << 10

// spare has new calls use another connection.
func (s *sharedConns) spare(c *sharedConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taking[c.addr] == c {
		delete(s.taking, c.addr)
	}
}

// drop forgets a connection that has ended.
func (s *sharedConns) drop(c *sharedConn) {
	s.spare(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// sharedConn is a connection to an instance that calls share.
type sharedConn struct {
	frameWriter // its mu guards what follows

	conns  *sharedConns
	addr   string
	reader *bufio.Reader

	id    uint64 // of the last call
	calls map[uint64]*waiting
	left  bool      // takes no more calls
	used  time.Time // for the last call
	owed  time.Time // since when nothing came though something should; zero where nothing should
}

// waiting is a call that waits for its answer.
type waiting struct {
	end   int64 // where it ends in all that is sent
	done  chan struct{}
	reply Reply
	err   error
}

var waitings = sync.Pool{New: func() any { return &waiting{done: make(chan struct{}, 1)} }}

// call sends a call and waits for what comes back; errLeft says that it was not
// sent.
func (c *sharedConn) call(ctx context.Context, call *Call) (Reply, error) {
	w := waitings.Get().(*waiting)
	id, ok := c.send(ctx, call, w)
	if !ok {
		waitings.Put(w)
		return Reply{}, errLeft
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		if c.giveUp(id, errors.Is(ctx.Err(), context.DeadlineExceeded)) {
			waitings.Put(w) // nobody else has it
			return Reply{}, ctx.Err()
		}
		<-w.done
	}
	reply, err := w.reply, w.err
	w.reply, w.err = Reply{}, nil
	waitings.Put(w)
	return reply, err
}

// send sends a call. It tells whether the connection takes it.
func (c *sharedConn) send(ctx context.Context, call *Call, w *waiting) (id uint64, ok bool) {
	now := c.conns.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left && len(c.calls) == 0 && now.Sub(c.used) > idleClient {
		c.leave() // what lies between may have forgotten it
	}
	if c.left {
		return 0, false
	}
	c.id++
	c.used = now
	if c.owed.IsZero() {
		c.owed = now
	}
	w.end = c.queue(appendCall(c.out, c.id, timeLeft(ctx), call))
	c.calls[c.id] = w
	return c.id, true
}

// giveUp tells the instance that nobody waits for a call any more. It is false
// where the call has come to something. Where the time of a call is up and
// nothing at all has come for a while, the connection may be dead without
// anybody knowing: it takes no more calls.
func (c *sharedConn) giveUp(id uint64, late bool) bool {
	now := c.conns.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls[id] == nil {
		return false
	}
	delete(c.calls, id)
	c.queue(appendBare(c.out, frameCancel, id))
	if late && !c.owed.IsZero() && now.Sub(c.owed) >= enough {
		c.leave()
	}
	return true
}

// leave has the connection take no more calls, and end once none waits. mu is
// held.
func (c *sharedConn) leave() {
	c.left = true
	c.conns.spare(c)
	c.look()
}

// ended tells that nobody waits and nobody will. mu is held.
func (c *sharedConn) ended() bool { return c.left && len(c.calls) == 0 }

// read takes answers until the connection ends.
func (c *sharedConn) read() {
	for {
		f, err := readFrame(c.reader, maxBody+frameMargin)
		if err == nil {
			err = c.take(f)
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

// take does what the instance says.
func (c *sharedConn) take(f frame) error {
	now := c.conns.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch f.kind {
	case frameReply:
		reply, err := f.reply()
		if err != nil {
			return err
		}
		if w := c.calls[f.id]; w != nil { // else its caller gave up
			delete(c.calls, f.id)
			w.reply = reply
			w.done <- struct{}{}
		}
		if c.owed = now; len(c.calls) == 0 {
			c.owed = time.Time{}
		}
		if c.ended() {
			c.look()
		}
	case frameGoAway:
		c.leave()
	default:
		return errFrame
	}
	return nil
}

// end ends the connection, with all that waits. What was not even given to the
// connection was certainly not begun.
func (c *sharedConn) end(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	err = fmt.Errorf("wait for %s: %w", c.addr, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	c.conns.drop(c)
	for _, w := range c.calls {
		if w.err = err; w.end > c.given {
			w.err = refused{err}
		}
		w.done <- struct{}{}
	}
	clear(c.calls)
	c.finish()
}
