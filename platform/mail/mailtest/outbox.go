// Package mailtest holds what tests use in place of a mail server.
package mailtest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"stoa/platform/mail"
)

// Outbox is a mail.Sender that keeps what it is given. The zero Outbox is ready.
// It is safe for concurrent use.
type Outbox struct {
	mu       sync.Mutex
	messages []mail.Message
	err      error
	changed  chan struct{} // closed when a message arrives
}

// Send keeps the message, or gives the error that Fail has set. It refuses what
// every Sender refuses.
func (o *Outbox) Send(_ context.Context, m mail.Message) error {
	m, err := m.Check()
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	o.messages = append(o.messages, m)
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
	return nil
}

// Fail lets every Send from now on fail with err; nil ends that.
func (o *Outbox) Fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

// Messages gives what was sent so far, in order.
func (o *Outbox) Messages() []mail.Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.messages)
}

// To gives the messages to one address.
func (o *Outbox) To(address string) []mail.Message {
	return slices.DeleteFunc(o.Messages(), func(m mail.Message) bool { return m.To != address })
}

// Await gives the first n messages as soon as there are that many, for mail that
// is sent in the background. It fails when ctx is done first.
func (o *Outbox) Await(ctx context.Context, n int) ([]mail.Message, error) {
	for {
		o.mu.Lock()
		if len(o.messages) >= n {
			defer o.mu.Unlock()
			return slices.Clone(o.messages[:n]), nil
		}
		if o.changed == nil {
			o.changed = make(chan struct{})
		}
		count, changed := len(o.messages), o.changed
		o.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %d messages, there are %d: %w", n, count, ctx.Err())
		}
	}
}
