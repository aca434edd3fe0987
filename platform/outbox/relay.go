package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
)

const (
	batchSize = 256
	// pollEvery finds what no wake-up told of: what a crash left, what another
	// process wrote.
	pollEvery = 2 * time.Second
	// othersPause is when to look again at what another process had hold of: it
	// may have died, or added more.
	othersPause = 20 * time.Millisecond
	// sweepEvery is how often what is past its retention is deleted.
	sweepEvery = 10 * time.Minute
	// markWithin is how soon what the bus has taken is marked sent where no other
	// transaction does it first.
	markWithin = 50 * time.Millisecond
	// The pauses when the bus does not take events.
	firstPause, longestPause = 50 * time.Millisecond, 5 * time.Second
)

var (
	unsent = db.NewStatement(`SELECT position, event FROM outbox WHERE sent_at IS NULL AND position > $1 ORDER BY position LIMIT $2`)
	sent   = db.NewStatement(`UPDATE outbox SET sent_at = $1 WHERE sent_at IS NULL AND position <= $2`)
	sweep  = db.NewStatement(`DELETE FROM outbox WHERE sent_at IS NOT NULL AND sent_at < $1`)
)

// Relay hands events to the bus, in the order in which they were added, until
// ctx ends. An event is marked sent once the bus has taken it; a crash in
// between publishes it again, under the same id.
func (o *Outbox) Relay(ctx context.Context) error {
	defer o.markLast(ctx)
	pause := firstPause
	swept := o.clock.Now()
	for {
		n, others, err := o.relayBatch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		o.markDue(ctx)
		switch {
		case err != nil:
			o.log.WarnContext(ctx, "events wait in the outbox", "module", o.module, "pause", pause, "error", err)
			if clock.Sleep(ctx, o.clock, pause) != nil {
				return nil
			}
			pause = min(2*pause, longestPause)
			continue
		case n == batchSize:
			pause = firstPause
			continue
		}
		pause = firstPause
		if now := o.clock.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			if err := o.sweep(ctx, now); err != nil && ctx.Err() == nil {
				o.log.WarnContext(ctx, "old events stay in the outbox", "module", o.module, "error", err)
			}
		}
		next := pollEvery
		if others {
			next = othersPause
		}
		if !o.await(ctx, next) {
			return nil
		}
	}
}

// await waits for a wake-up, the next look, or the next mark; it is false when
// ctx has ended.
func (o *Outbox) await(ctx context.Context, next time.Duration) bool {
	if at, due := o.taken.markAt(); due {
		next = min(next, at.Sub(o.clock.Now()))
	}
	poll := o.clock.NewTimer(next)
	defer poll.Stop()
	select {
	case <-o.wake:
		return true
	case <-poll.C():
		return true
	case <-ctx.Done():
		return false
	}
}

// relayBatch hands on what waits, and tells how many events that were, and
// whether another process had hold of others.
func (o *Outbox) relayBatch(ctx context.Context) (n int, others bool, err error) {
	if o.db.Dialect() == db.Postgres {
		return o.relayShared(ctx)
	}
	n, err = o.relayAlone(ctx)
	return n, false, err
}

// relayAlone is for a database that one process has: events become visible in
// the order of their positions.
func (o *Outbox) relayAlone(ctx context.Context) (int, error) {
	events, last, err := o.unsent(ctx)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	if err := o.bus.Publish(ctx, events); err != nil {
		return 0, err
	}
	o.taken.upTo(last, o.clock.Now().Add(markWithin))
	return len(events), nil
}

func (o *Outbox) unsent(ctx context.Context) (events []bus.Event, last int64, err error) {
	rows, err := unsent.Query(ctx, o.db.Read(), o.taken.last(), batchSize)
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

// sweep deletes what was sent longer ago than the retention.
func (o *Outbox) sweep(ctx context.Context, now time.Time) error {
	return o.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := sweep.Exec(ctx, tx, db.NewTime(now.Add(-o.retention)))
		return err
	})
}

// Backlog is how many events the bus has not taken yet.
func (o *Outbox) Backlog(ctx context.Context) (int64, error) {
	var n int64
	err := backlog.QueryRow(ctx, o.db.Read()).Scan(&n)
	return n, err
}

var backlog = db.NewStatement(`SELECT count(*) FROM outbox WHERE sent_at IS NULL`)
