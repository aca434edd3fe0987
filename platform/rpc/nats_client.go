package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"stoa/platform/directory"
)

// natsTransport carries calls through the broker, which chooses the instance.
type natsTransport struct{ conn *nats.Conn }

// Close does nothing: the connection is its owner's.
func (*natsTransport) Close() error { return nil }

// RoundTrip sends a call and waits for what comes back.
func (t *natsTransport) RoundTrip(ctx context.Context, _ directory.Instance, c *Call) (Reply, error) {
	m := nats.NewMsg(subjectCall + c.Module + "." + c.Method)
	m.Header.Set(headerCall, c.ID)
	m.Header.Set(headerTimeout, formatTimeLeft(ctx))
	if c.TraceParent != "" {
		m.Header.Set(headerTraceParent, c.TraceParent)
	}
	if c.RequestID != "" {
		m.Header.Set(headerRequestID, c.RequestID)
	}
	m.Data = c.Body
	reply, _, err := t.do(ctx, m)
	if err != nil && ctx.Err() != nil {
		_ = t.conn.Publish(subjectCancel, []byte(c.ID)) // else it ends when its time is over
	}
	return reply, err
}

func (t *natsTransport) document(ctx context.Context, _ directory.Instance, module, name string) (Reply, string, error) {
	m := nats.NewMsg(subjectDocument + module)
	m.Header.Set(headerDocument, name)
	return t.do(ctx, m)
}

func (t *natsTransport) do(ctx context.Context, m *nats.Msg) (Reply, string, error) {
	if !t.conn.IsConnected() {
		return Reply{}, "", refuse("the broker is away") // what waited for it would come too late
	}
	if most := payload(t.conn); len(m.Data) > most {
		return Reply{}, "", ErrTooLarge.With("the request on %s has %d bytes; the broker takes %d", m.Subject, len(m.Data), most)
	}
	r, err := t.conn.RequestMsgWithContext(ctx, m)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return Reply{}, "", refuse("nobody answers on %s", m.Subject)
	case err != nil:
		return Reply{}, "", ended(ctx, fmt.Errorf("call through the broker: %w", err))
	}
	status, err := strconv.Atoi(r.Header.Get(headerStatus))
	if err != nil {
		return Reply{}, "", fmt.Errorf("what came on %s is no answer", m.Subject)
	}
	return Reply{status, r.Data}, r.Header.Get(headerContentType), nil
}
