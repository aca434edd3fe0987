// Package outbox is how events leave a module: written in the transaction of
// the change they tell of, and handed to the bus by a relay after it. So an
// event is published if and only if its change was committed, whatever process
// or broker dies when.
//
// Services call Add; the composition root runs Relay. Modules never meet the bus.
package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/telemetry"
)

// Outbox is one module's.
type Outbox struct {
	module string
	db     *db.DB
	bus    bus.Bus
	clock  clock.Clock
	log    *slog.Logger
	wake   chan struct{}
	taken  taken

	retention time.Duration
}

// Options are how an outbox works; the zero value is right for tests.
type Options struct {
	// Retention is how long sent events can be published again; 0 is 7 days.
	Retention time.Duration
}

// New gives the outbox of a module.
func New(module string, d *db.DB, b bus.Bus, c clock.Clock, log *slog.Logger, o Options) *Outbox {
	if o.Retention == 0 {
		o.Retention = 7 * 24 * time.Hour
	}
	return &Outbox{module: module, db: d, bus: b, clock: c, log: log, wake: make(chan struct{}, 1), retention: o.Retention}
}

var (
	nextSequence = db.NewStatement(`INSERT INTO outbox_sequences (aggregate, last) VALUES ($1, $2)
		ON CONFLICT (aggregate) DO UPDATE SET last = outbox_sequences.last + $2 RETURNING last`)
	insertEvent = db.NewStatement(`INSERT INTO outbox (event_id, type, aggregate, event, added_at) VALUES ($1, $2, $3, $4, $5)`)
	// countEvent has PostgreSQL count, so that nobody waits to be told the number.
	countEvent = db.NewStatementFor("", `WITH counted AS (INSERT INTO outbox_sequences (aggregate, last) VALUES (CAST($3 AS text), 1)
			ON CONFLICT (aggregate) DO UPDATE SET last = outbox_sequences.last + 1 RETURNING last)
		INSERT INTO outbox (event_id, type, aggregate, event, added_at)
		SELECT CAST($1 AS text), CAST($2 AS text), CAST($3 AS text),
			CAST($4 AS text) || lpad(CAST(last AS text), `+strconv.Itoa(bus.SequenceDigits)+`, '0') || CAST($5 AS text), CAST($6 AS bigint) FROM counted`)
)

// Add records that something happened to an aggregate, in the transaction in
// which it happens. The events reach every module that listens, in this order.
func (o *Outbox) Add(ctx context.Context, tx *db.Tx, aggregate string, events ...bus.Data) error {
	if len(events) == 0 {
		return nil
	}
	add := o.addCounted
	if o.db.Dialect() == db.Postgres {
		add = o.addUncounted
	}
	if err := add(ctx, tx, aggregate, events); err != nil {
		return fmt.Errorf("outbox of %s: %w", o.module, err)
	}
	tx.AfterCommit(o.Wake)
	return o.markAlong(ctx, tx)
}

func (o *Outbox) addCounted(ctx context.Context, tx *db.Tx, aggregate string, events []bus.Data) error {
	var last int64
	if err := nextSequence.QueryRow(ctx, tx, aggregate, len(events)).Scan(&last); err != nil {
		return err
	}
	for i, data := range events {
		e, err := o.event(ctx, aggregate, data)
		if err != nil {
			return err
		}
		e.Sequence = last - int64(len(events)-1-i)
		whole, err := e.MarshalJSON()
		if err != nil {
			return fmt.Errorf("%s: %w", e.Type, err)
		}
		if err := insertEvent.Later(ctx, tx, e.ID, e.Type, aggregate, string(whole), db.NewTime(e.Time)); err != nil {
			return err
		}
	}
	return nil
}

func (o *Outbox) addUncounted(ctx context.Context, tx *db.Tx, aggregate string, events []bus.Data) error {
	for _, data := range events {
		e, err := o.event(ctx, aggregate, data)
		if err != nil {
			return err
		}
		before, after, err := e.Around()
		if err != nil {
			return fmt.Errorf("%s: %w", e.Type, err)
		}
		if err := countEvent.Later(ctx, tx, e.ID, e.Type, aggregate, string(before), string(after), db.NewTime(e.Time)); err != nil {
			return err
		}
	}
	return nil
}

// event gives what is said of an aggregate, all but its number.
func (o *Outbox) event(ctx context.Context, aggregate string, data bus.Data) (bus.Event, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return bus.Event{}, fmt.Errorf("%s: %w", data.EventType(), err)
	}
	return bus.Event{
		ID: o.clock.ID(), Source: o.module, Type: data.EventType(), Subject: aggregate,
		Time: o.clock.Now(), TraceParent: telemetry.TraceParent(ctx), Data: text,
	}, nil
}

// Wake has the relay look now. It never waits.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}
