package rpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	subjectCall     = "stoa.rpc.call."     // + module + . + method
	subjectDocument = "stoa.rpc.document." // + module
	subjectCancel   = "stoa.rpc.cancel"
	// queue is the group in which instances of a module share its calls.
	queue = "stoa"
)

// natsListener answers calls that come through the broker.
type natsListener struct {
	server     *Server
	stop       func()
	over       chan struct{} // closed by stop
	subscribed func() error

	mu        sync.Mutex
	subs      []*nats.Subscription
	calls     map[string]context.CancelCauseFunc // that run, by id
	answering sync.WaitGroup
}

func listenNATS(s *Server) (*natsListener, error) {
	if s.deps.Conn == nil {
		return nil, errors.New("rpc.driver nats needs a connection to NATS")
	}
	l := &natsListener{server: s, over: make(chan struct{}), calls: map[string]context.CancelCauseFunc{}}
	l.stop = sync.OnceFunc(func() { close(l.over) })
	l.subscribed = sync.OnceValue(l.subscribe)
	return l, nil
}

func (*natsListener) addr() net.Addr { return nil }

func (l *natsListener) begin() error { return l.subscribed() }

// subscribe listens for calls; when it returns, the broker knows.
func (l *natsListener) subscribe() error {
	conn := l.server.deps.Conn
	add := func(subject, group string, handle nats.MsgHandler) error {
		sub, err := conn.QueueSubscribe(subject, group, handle)
		if err != nil {
			return fmt.Errorf("listen for calls on %s: %w", subject, err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.subs = append(l.subs, sub)
		return nil
	}
	// Every instance hears who gave up; whom it concerns knows.
	failed := add(subjectCancel, "", l.cancel)
	for module := range l.server.methods {
		failed = errors.Join(failed, add(subjectCall+module+".*", queue, l.hear))
	}
	for module := range l.server.documents {
		failed = errors.Join(failed, add(subjectDocument+module, queue, l.tell))
	}
	if failed != nil || !conn.IsConnected() {
		return failed // what is not said yet is said when the broker is back
	}
	if err := conn.FlushTimeout(flushWithin); !errors.Is(err, nats.ErrConnectionClosed) {
		return err
	}
	return nil // the broker went away meanwhile
}

// flushWithin bounds how long the broker may take to know what is listened to.
const flushWithin = 2 * time.Second

func (l *natsListener) serve() error {
	if err := l.begin(); err != nil {
		return err
	}
	<-l.over
	return nil
}

func (l *natsListener) drain(ctx context.Context) error {
	l.stop()
	l.mu.Lock()
	subs := l.subs
	l.subs = nil
	l.mu.Unlock()
	for n, sub := range subs {
		if n == 0 {
			continue // who gives up is heard until the end
		}
		over := sub.StatusChanged(nats.SubscriptionClosed)
		if err := sub.Drain(); err != nil {
			continue // the connection is closed: nothing comes
		}
		select {
		case <-over:
		case <-ctx.Done():
		}
	}
	done := make(chan struct{})
	go func() {
		l.answering.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("wait for calls to end: %w", ctx.Err())
		<-done // their contexts have ended with ctx
	}
	if len(subs) > 0 {
		_ = subs[0].Unsubscribe() // the connection may be closed already
	}
	return err
}

// cancel ends a call whose caller gave up.
func (l *natsListener) cancel(m *nats.Msg) {
	l.mu.Lock()
	end := l.calls[string(m.Data)]
	l.mu.Unlock()
	if end != nil {
		end(errGone)
	}
}

// hear takes a call and has it answered.
func (l *natsListener) hear(m *nats.Msg) {
	module, method, _ := strings.Cut(strings.TrimPrefix(m.Subject, subjectCall), ".")
	left, err := parseTimeLeft(m.Header.Get(headerTimeout))
	if err != nil {
		l.reply(m, Reply{StatusMalformed, []byte(err.Error())}, "")
		return
	}
	ctx, cancel := context.WithCancelCause(l.server.base)
	id := m.Header.Get(headerCall)
	if id != "" {
		l.mu.Lock()
		l.calls[id] = cancel
		l.mu.Unlock()
	}
	ctx, end := context.WithTimeout(ctx, left)
	l.answering.Go(func() {
		defer end()
		defer cancel(nil)
		l.reply(m, l.server.answer(ctx, &Call{
			Module: module, Method: method, ID: id, Body: m.Data,
			TraceParent: m.Header.Get(headerTraceParent), RequestID: m.Header.Get(headerRequestID),
		}), "")
		if id != "" {
			l.mu.Lock()
			delete(l.calls, id)
			l.mu.Unlock()
		}
	})
}

func (l *natsListener) tell(m *nats.Msg) {
	l.answering.Go(func() {
		reply, kind := l.server.document(l.server.base, strings.TrimPrefix(m.Subject, subjectDocument), m.Header.Get(headerDocument))
		l.reply(m, reply, kind)
	})
}

func (l *natsListener) reply(to *nats.Msg, r Reply, kind string) {
	if to.Reply == "" {
		return // nobody waits
	}
	m := nats.NewMsg(to.Reply)
	m.Header.Set(headerStatus, strconv.Itoa(r.Status))
	if kind != "" {
		m.Header.Set(headerContentType, kind)
	}
	m.Data = r.Body
	if err := l.server.deps.Conn.PublishMsg(m); err != nil {
		l.server.deps.Log.Warn("an answer cannot be sent", "error", err)
	}
}

// payload is how large a message may be, less what its header takes.
func payload(conn *nats.Conn) int {
	const header = 4096
	most := conn.MaxPayload() - header
	if most <= 0 { // not connected yet
		return maxBody
	}
	return int(min(most, maxBody))
}
