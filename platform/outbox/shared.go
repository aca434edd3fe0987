package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
)

// publishWithin is how long the bus may take while a process has hold of what
// it publishes.
const publishWithin = 15 * time.Second

// Several processes may relay from one outbox on PostgreSQL. Aggregates are dealt
// out to 64 parts by their names; who relays takes hold of the parts that it has
// seen events of, leaves those that another has, and reads again: what the other
// has published meanwhile is marked by then. Of one aggregate events are
// committed in the order of their positions, because each waits for the row that
// counts them; of different ones in any, so nothing is taken for sent because
// something after it was.
var (
	waiting = db.NewStatementFor("", `SELECT position, hashtext(aggregate) & 63 FROM outbox WHERE sent_at IS NULL ORDER BY position LIMIT $1`)
	hold    = db.NewStatementFor("", `SELECT part FROM unnest($2::int[]) AS part WHERE pg_try_advisory_xact_lock(hashtext($1), part)`)
	held    = db.NewStatementFor("", `SELECT position, event FROM outbox WHERE sent_at IS NULL AND position <= $1
		AND hashtext(aggregate) & 63 = ANY($2::int[]) ORDER BY position LIMIT $3`)
	sentThese = db.NewStatementFor("", `UPDATE outbox SET sent_at = $1 WHERE position = ANY($2::bigint[])`)
)

func (o *Outbox) relayShared(ctx context.Context) (n int, others bool, err error) {
	last, parts, err := o.waiting(ctx)
	if err != nil || len(parts) == 0 {
		return 0, false, err
	}
	// The transaction is open while the bus takes the events: its locks are what
	// keeps other processes from publishing the same, and they end with whoever dies.
	err = o.db.Write(ctx, func(inner context.Context, tx *db.Tx) error {
		n, others = 0, false
		mine, err := o.hold(inner, tx, parts)
		if err != nil {
			return err
		}
		if others = len(mine) < len(parts); len(mine) == 0 {
			return nil
		}
		positions, events, err := o.held(inner, tx, last, mine)
		if err != nil || len(events) == 0 {
			return err
		}
		limited, cancel := clock.WithDeadline(ctx, o.clock, o.clock.Now().Add(publishWithin))
		defer cancel()
		if err := o.bus.Publish(limited, events); err != nil {
			return err
		}
		n = len(events)
		// Where the mark is lost in a crash the events are published again.
		if err := tx.Relax(inner); err != nil {
			return err
		}
		return sentThese.Later(inner, tx, db.NewTime(o.clock.Now()), positions)
	})
	if err != nil {
		return 0, false, err
	}
	return n, others, nil
}

// waiting gives the parts that have events, and the last position it looked at.
func (o *Outbox) waiting(ctx context.Context) (last int64, parts []int32, err error) {
	rows, err := waiting.Query(ctx, o.db.Read(), batchSize)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var part int32
		if err := rows.Scan(&last, &part); err != nil {
			return 0, nil, err
		}
		parts = append(parts, part)
	}
	slices.SortFunc(parts, cmp.Compare[int32])
	return last, slices.Compact(parts), rows.Err()
}

func (o *Outbox) hold(ctx context.Context, tx *db.Tx, parts []int32) (mine []int32, err error) {
	rows, err := hold.Query(ctx, tx, o.module+"/outbox", parts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var part int32
		if err := rows.Scan(&part); err != nil {
			return nil, err
		}
		mine = append(mine, part)
	}
	return mine, rows.Err()
}

func (o *Outbox) held(ctx context.Context, tx *db.Tx, last int64, parts []int32) (positions []int64, events []bus.Event, err error) {
	rows, err := held.Query(ctx, tx, last, parts, batchSize)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var (
			position int64
			text     string
			e        bus.Event
		)
		if err := rows.Scan(&position, &text); err != nil {
			return nil, nil, err
		}
		if err := e.UnmarshalJSON([]byte(text)); err != nil {
			return nil, nil, fmt.Errorf("event %d in the outbox: %w", position, err)
		}
		positions, events = append(positions, position), append(events, e)
	}
	return positions, events, rows.Err()
}
