package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stoa/platform/bus"
	"stoa/platform/db"
)

var sentSince = db.NewStatement(`SELECT position, event FROM outbox WHERE sent_at >= $1 AND position > $2 ORDER BY position LIMIT $3`)

// Replay publishes once more, in their order, the events that were sent at
// since or later and are still kept, and tells how many the bus has taken. It
// is for a broker that lost what it had, and for a module whose inbox did. An
// event keeps its id, so that whoever has had it does nothing; the bus takes it
// for new. After an error it can be called again.
//
// A module that has had none of an aggregate's events must not meet the later
// before the earlier: replay before it listens, or before anything new happens.
func (o *Outbox) Replay(ctx context.Context, since time.Time, b bus.Bus) (n int64, err error) {
	again := o.clock.ID()
	from := since.UnixMicro()
	if since.IsZero() {
		from = 0
	}
	for last := int64(0); ; {
		var events []bus.Event
		events, last, err = o.sentSince(ctx, from, last)
		if err != nil {
			return n, fmt.Errorf("outbox of %s: %w", o.module, err)
		}
		if len(events) == 0 {
			return n, nil
		}
		for i := range events {
			events[i].Again = again
		}
		if err := b.Publish(ctx, events); err != nil {
			return n, fmt.Errorf("outbox of %s: %w", o.module, err)
		}
		n += int64(len(events))
	}
}

func (o *Outbox) sentSince(ctx context.Context, from, after int64) (events []bus.Event, last int64, err error) {
	rows, err := sentSince.Query(ctx, o.db.Read(), from, after, batchSize)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&last, &text); err != nil {
			return nil, 0, err
		}
		var e bus.Event
		if err := e.UnmarshalJSON([]byte(text)); err != nil {
			return nil, 0, fmt.Errorf("event %d in the outbox: %w", last, err)
		}
		events = append(events, e)
	}
	return events, last, rows.Err()
}
