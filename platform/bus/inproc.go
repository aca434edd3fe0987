package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// InProcess carries events between modules of one process. Publish returns
// when every module that listens has stored them. It puts each event that
// somebody listens for through its JSON, as a broker would, so that nothing works
// here that fails there.
type InProcess struct {
	mu          sync.RWMutex
	subscribers map[string]*subscriber
}

type subscriber struct {
	ctx     context.Context // the subscription ends with it
	name    string
	types   []string
	deliver func(ctx context.Context, events []Event) error
}

// NewInProcess gives an empty bus.
func NewInProcess() *InProcess { return &InProcess{subscribers: map[string]*subscriber{}} }

// Publish delivers to every subscriber; those that can take the events do, even
// where another cannot.
func (b *InProcess) Publish(ctx context.Context, events []Event) error {
	subscribers := b.listening()
	wanted := make([][]Event, len(subscribers))
	for _, e := range events {
		if _, err := subject(e.Type); err != nil {
			return err
		}
		carried := false
		for i, s := range subscribers {
			if !slices.Contains(s.types, e.Type) {
				continue
			}
			if !carried {
				var err error
				if e, err = carry(e); err != nil {
					return fmt.Errorf("publish %s: %w", e.Type, err)
				}
				carried = true
			}
			wanted[i] = append(wanted[i], e)
		}
	}
	var failed error
	for i, s := range subscribers {
		if len(wanted[i]) == 0 {
			continue
		}
		if err := s.deliver(ctx, wanted[i]); err != nil {
			failed = errors.Join(failed, fmt.Errorf("deliver to %s: %w", s.name, err))
		}
	}
	return failed
}

func (b *InProcess) listening() []*subscriber {
	b.mu.RLock()
	defer b.mu.RUnlock()
	subscribers := make([]*subscriber, 0, len(b.subscribers))
	for _, s := range b.subscribers {
		if s.ctx.Err() == nil {
			subscribers = append(subscribers, s)
		}
	}
	return subscribers
}

// carry gives an event as it is on the other side.
func carry(e Event) (Event, error) {
	text, err := e.MarshalJSON()
	if err != nil {
		return e, err
	}
	var there Event
	if err := there.UnmarshalJSON(text); err != nil {
		return e, err
	}
	return there, nil
}

// Subscribe adds a subscriber until ctx ends.
func (b *InProcess) Subscribe(ctx context.Context, name string, types []string, deliver func(ctx context.Context, events []Event) error) error {
	for _, t := range types {
		if _, err := subject(t); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s, taken := b.subscribers[name]; taken && s.ctx.Err() == nil {
		return fmt.Errorf("bus: %s is subscribed already", name)
	}
	s := &subscriber{ctx, name, types, deliver}
	b.subscribers[name] = s
	context.AfterFunc(ctx, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.subscribers[name] == s {
			delete(b.subscribers, name)
		}
	})
	return nil
}
