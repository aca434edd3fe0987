package rpc

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// sharedPeer answers calls that share a connection.
type sharedPeer struct {
	frameWriter // its mu guards what follows

	listener *httpListener
	ctx      context.Context // of what came over the connection
	cancel   context.CancelCauseFunc

	calls   map[uint64]context.CancelCauseFunc // that run
	closing bool                               // what comes is turned away, and the connection ends once all is answered
}

// share answers the calls of a connection until it ends.
func (h *httpListener) share(conn net.Conn) {
	raw := conn
	if c, ok := conn.(interface{ UnsafeConn() net.Conn }); ok {
		raw = c.UnsafeConn() // it can be closed, the other ends when this function does
	}
	p := &sharedPeer{listener: h, calls: map[uint64]context.CancelCauseFunc{}}
	p.init(raw, p.answered)
	h.mu.Lock()
	if h.draining {
		h.mu.Unlock()
		return // it was told nothing, and sends nothing
	}
	p.ctx, p.cancel = context.WithCancelCause(h.server.base)
	h.shared[p] = struct{}{}
	h.sharing.Add(1)
	h.mu.Unlock()
	defer h.sharing.Done()
	defer func() {
		h.mu.Lock()
		delete(h.shared, p)
		h.mu.Unlock()
	}()
	p.serve(conn)
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + sharedProtocol + "\r\n\r\n"

func (p *sharedPeer) serve(conn io.Reader) {
	var writing sync.WaitGroup
	p.mu.Lock()
	p.queue(append(p.out, switching...))
	p.mu.Unlock()
	writing.Go(p.write)
	r := bufio.NewReaderSize(conn, readAtOnce)
	for {
		f, err := readFrame(r, maxShared+frameMargin)
		if err == nil {
			err = p.take(f)
		}
		if err != nil {
			break
		}
	}
	p.cancel(errGone) // nobody waits for what runs
	p.mu.Lock()
	p.finish()
	p.mu.Unlock()
	writing.Wait()
}

// take does what the caller wants.
func (p *sharedPeer) take(f frame) error {
	switch f.kind {
	case frameCall:
		c, left, err := f.call()
		if err != nil {
			return err
		}
		p.begin(f.id, left, &c)
	case frameCancel:
		p.mu.Lock()
		cancel := p.calls[f.id]
		p.mu.Unlock()
		if cancel != nil {
			cancel(errGone)
		}
	default:
		return errFrame
	}
	return nil
}

// begin has a call answered, unless there is too much to do.
func (p *sharedPeer) begin(id uint64, left time.Duration, c *Call) {
	ctx, cancel := context.WithCancelCause(p.ctx)
	p.mu.Lock()
	closing, busy := p.closing, len(p.calls) >= p.listener.server.cfg.MaxCalls
	if !closing && !busy {
		p.calls[id] = cancel
	}
	p.mu.Unlock()
	switch {
	case closing:
		cancel(nil)
		p.reply(id, Reply{StatusBusy, []byte("the process is about to stop")})
		return
	case busy:
		cancel(nil)
		p.reply(id, Reply{StatusBusy, []byte("there is too much to do")})
		return
	}
	p.listener.workers.do(func() {
		defer cancel(nil)
		ctx, end := context.WithTimeout(ctx, left)
		defer end()
		p.reply(id, p.listener.server.answer(ctx, c))
	})
}

// maxUnsent is how many bytes of answers may wait for who does not take them.
const maxUnsent = 1 << 20

// reply sends an answer. Where too much waits to be taken by the caller, it waits,
// too.
func (p *sharedPeer) reply(id uint64, r Reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.queued-p.taken > maxUnsent && !p.over {
		p.moved.Wait()
	}
	delete(p.calls, id)
	p.queue(appendReply(p.out, id, r))
}

// answered tells that nothing is left to do. mu is held.
func (p *sharedPeer) answered() bool { return p.closing && len(p.calls) == 0 }

// goAway has the caller send nothing more. It closes the connection once it has
// its answers.
func (p *sharedPeer) goAway() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue(appendBare(p.out, frameGoAway, 0))
}

// breakOff has the connection end: now, or as soon as all calls are answered.
func (p *sharedPeer) breakOff(now bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = true
	if now {
		_ = p.conn.Close() // reading ends by that
		return
	}
	p.look()
}
