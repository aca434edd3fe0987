package outbox

import (
	"context"
	"sync"
	"time"

	"stoa/platform/db"
)

// taken is how far the bus has taken events of an outbox that one process has,
// and how far they are marked sent. The mark is not worth a transaction of its
// own: the next that adds events makes it, or the relay a moment later. What a
// crash leaves unmarked is published again.
type taken struct {
	mu      sync.Mutex
	bus     int64 // the position up to which the bus has taken them
	claimed int64 // up to which a transaction is to mark them, or was
	marked  int64 // and up to which that is in the database
	at      time.Time
}

func (t *taken) last() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bus
}

// upTo says that the bus has taken what is up to a position. Unless it is done
// before, that is to be marked at a time.
func (t *taken) upTo(position int64, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bus == t.marked {
		t.at = at
	}
	t.bus = position
}

// claim gives a transaction the position up to which it is to mark events; it is
// false where there are none that no other has.
func (t *taken) claim() (position int64, some bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	some = t.bus > t.claimed
	t.claimed = t.bus
	return t.bus, some
}

// markAt is when the relay is to do it.
func (t *taken) markAt() (at time.Time, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.at, t.bus > t.marked
}

func (t *taken) postpone(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = at
}

// markedUpTo says that a mark is committed. What the bus has taken since is to be
// marked at a time.
func (t *taken) markedUpTo(position int64, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if position > t.marked {
		t.marked, t.at = position, at
	}
}

// markAlong marks what the bus has taken in a transaction of others.
func (o *Outbox) markAlong(ctx context.Context, tx *db.Tx) error {
	position, some := o.taken.claim()
	if !some {
		return nil
	}
	return o.mark(ctx, tx, position)
}

func (o *Outbox) mark(ctx context.Context, tx *db.Tx, position int64) error {
	tx.AfterCommit(func() { o.taken.markedUpTo(position, o.clock.Now().Add(markWithin)) })
	return sent.Later(ctx, tx, db.NewTime(o.clock.Now()), position)
}

// markDue marks what nobody has marked in time.
func (o *Outbox) markDue(ctx context.Context) {
	now := o.clock.Now()
	if at, due := o.taken.markAt(); due && !now.Before(at) {
		o.markAll(ctx, now)
	}
}

// markLast marks what is left when the relay ends.
func (o *Outbox) markLast(ctx context.Context) {
	if _, due := o.taken.markAt(); due {
		o.markAll(context.WithoutCancel(ctx), o.clock.Now())
	}
}

// markAll marks all that the bus has taken. Where that fails it is tried again,
// and what a process leaves unmarked is published once more by the next.
func (o *Outbox) markAll(ctx context.Context, now time.Time) {
	position := o.taken.last()
	err := o.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return o.mark(ctx, tx, position) })
	if err != nil && ctx.Err() == nil {
		o.log.WarnContext(ctx, "events that were sent are not marked", "module", o.module, "error", err)
		o.taken.postpone(now.Add(pollEvery))
	}
}
