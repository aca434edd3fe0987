package outbox

import (
	"context"
	"fmt"
	"time"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
)

// publishWithin is how long the bus may take while a process has hold of what
// it publishes.
const publishWithin = 15 * time.Second

// Several processes may relay from one outbox on PostgreSQL. Aggregates are dealt
// out to 64 parts by their names; who relays takes hold of the parts that it sees
// events of, leaves those that another has, and then reads: what the other has
// published before is marked by then. Of one aggregate events are committed in
// the order of their positions, because each waits for the row that counts them;
// of different ones in any, so nothing is taken for sent because something after
// it was.
//
// Both go to the server together. What the first found is kept there for the
// second, in settings that end with the transaction.
var (
	hold = db.NewStatementFor("", `SELECT count(*), count(*) FILTER (WHERE mine),
			set_config('stoa.relay_parts', coalesce(array_agg(part) FILTER (WHERE mine), '{}')::text, true),
			set_config('stoa.relay_last', coalesce(max(last), 0)::text, true)
		FROM (SELECT part, max(position) AS last, pg_try_advisory_xact_lock(hashtext($1), part) AS mine
			FROM (SELECT position, hashtext(aggregate) & 63 AS part FROM outbox WHERE sent_at IS NULL ORDER BY position LIMIT $2) AS waiting
			GROUP BY part) AS parts`)
	held = db.NewStatementFor("", `SELECT coalesce(array_agg(position ORDER BY position), '{}'), coalesce(array_agg(event ORDER BY position), '{}')
		FROM (SELECT position, event FROM outbox
			WHERE sent_at IS NULL AND position <= CAST(current_setting('stoa.relay_last') AS bigint)
				AND hashtext(aggregate) & 63 = ANY(CAST(current_setting('stoa.relay_parts') AS int[]))
			ORDER BY position LIMIT $1) AS mine`)
	// The first and last have the index be used, whatever is known of the table: a
	// plan that was made while it was empty would read all of it.
	sentThese = db.NewStatementFor("", `UPDATE outbox SET sent_at = $1 WHERE position BETWEEN $2 AND $3 AND position = ANY($4::bigint[])`)
)

func (o *Outbox) relayShared(ctx context.Context) (n int, others bool, err error) {
	// The transaction is open while the bus takes the events: its locks are what
	// keeps other processes from publishing the same, and they end with whoever dies.
	err = o.db.Write(ctx, func(inner context.Context, tx *db.Tx) (err error) {
		var (
			positions []int64
			events    []bus.Event
		)
		n = 0
		if positions, events, others, err = o.held(inner, tx); err != nil || len(events) == 0 {
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
		return sentThese.Later(inner, tx, db.NewTime(o.clock.Now()), positions[0], positions[len(positions)-1], positions)
	})
	if err != nil {
		return 0, false, err
	}
	return n, others, nil
}

// held takes hold of events and gives them; others tells whether another process
// has hold of some.
func (o *Outbox) held(ctx context.Context, tx *db.Tx) (positions []int64, events []bus.Event, others bool, err error) {
	taken, read := hold.QueryRow(ctx, tx, o.module+"/outbox", batchSize), held.QueryRow(ctx, tx, batchSize)
	var (
		parts, mine int
		texts       []string
	)
	if err := taken.Scan(&parts, &mine, nil, nil); err != nil {
		return nil, nil, false, err
	}
	if err := read.Scan(&positions, &texts); err != nil {
		return nil, nil, false, err
	}
	events = make([]bus.Event, len(texts))
	for i, text := range texts {
		if err := events[i].UnmarshalJSON([]byte(text)); err != nil {
			return nil, nil, false, fmt.Errorf("event %d in the outbox: %w", positions[i], err)
		}
	}
	return positions, events, mine < parts, nil
}
