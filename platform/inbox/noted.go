package inbox

import (
	"context"
	"slices"
	"sync"
	"time"

	"stoa/platform/clock"
	"stoa/platform/db"
)

const (
	// noteWithin is how soon an event is marked done whose handler changes nothing,
	// where no other transaction does it first.
	noteWithin = 50 * time.Millisecond
	// notesAtMost is how many such wait. They keep their turns, so it is less than
	// there are workers.
	notesAtMost = workers / 2
)

// noted are events that are done and not marked so. Where a handler changes
// nothing the mark is not worth a transaction of its own: the next that stores
// events makes it, or one for several. What a crash leaves unmarked is handled
// once more.
type noted struct {
	mu   sync.Mutex
	list []note
	some chan struct{} // the list is not empty any more
}

type note struct {
	delivery
	look bool // others may wait for it, nobody knows
}

// add notes an event. It tells whether it is time to mark them.
func (n *noted) add(d delivery, look bool) (full bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, note{d, look})
	if len(n.list) == 1 {
		select {
		case n.some <- struct{}{}:
		default:
		}
	}
	return len(n.list) >= notesAtMost
}

// look tells whether somebody may wait for one of them.
func (n *noted) look() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.list, func(n note) bool { return n.look })
}

// take gives those there are, to be marked or put back.
func (n *noted) take() []note {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.list
	n.list = nil
	return list
}

func (n *noted) putBack(list []note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, list...)
	select {
	case n.some <- struct{}{}:
	default:
	}
}

// mark marks events done in a transaction.
func (i *Inbox) mark(ctx context.Context, tx *db.Tx, list []note) error {
	now := db.NewTime(i.clock.Now())
	for _, n := range list {
		if err := finish.Later(ctx, tx, now, n.position, i.leases.name); err != nil {
			return err
		}
	}
	return nil
}

// marked ends the turns of events, unless they could not be marked.
func (i *Inbox) marked(list []note, err error) {
	if err != nil && len(list) > 0 {
		i.noted.putBack(list)
		return
	}
	for _, n := range list {
		i.leave(n.delivery, n.look)
	}
}

// flush marks what is noted in a transaction of its own.
func (i *Inbox) flush(ctx context.Context) error {
	list := i.noted.take()
	if len(list) == 0 {
		return nil
	}
	err := i.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return i.mark(ctx, tx, list) })
	if err != nil && ctx.Err() == nil {
		i.log.WarnContext(ctx, "events that are done are not marked", "module", i.module, "error", err)
	}
	i.marked(list, err)
	return err
}

// keepNotes marks what nobody has marked in time, until ctx ends.
func (i *Inbox) keepNotes(ctx context.Context) {
	for {
		select {
		case <-i.noted.some:
		case <-ctx.Done():
			return
		}
		if clock.Sleep(ctx, i.clock, noteWithin) == nil && i.flush(ctx) != nil {
			_ = clock.Sleep(ctx, i.clock, pollEvery)
		}
	}
}
