// Package inbox is how events arrive at a module. What the bus delivers is
// first stored, once for each handler, and only then acknowledged; handlers
// run from the store. So however often an event is delivered and whatever dies
// when, its effect happens exactly once, in order for each aggregate and
// handler, and what keeps failing is put aside for a person to look at while
// everything else goes on.
//
// Modules subscribe through platform/module; the composition root runs Run.
package inbox

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
)

// Handler is what a module does when something happened.
type Handler struct {
	// Name is unique within the module and never changes: it is stored.
	Name string
	// Types are the events it is for.
	Types []string
	// Handle does what must happen outside the database, if anything, and
	// returns what is to change inside it (nil for nothing). It may be called
	// more than once for one event, so what it does outside is idempotent; the
	// Effect is committed exactly once, together with the event being done.
	//
	// An error has it called again after a growing pause. One that is temporary
	// (errs.Unavailable, errs.Timeout) is tried for a day, any other a few
	// times; then the event is parked.
	Handle func(ctx context.Context, e bus.Event) (db.Effect, error)
}

// Inbox is one module's.
type Inbox struct {
	module   string
	db       *db.DB
	clock    clock.Clock
	log      *slog.Logger
	handlers map[string]Handler
	wake     chan struct{}
	leases   *leases

	retention time.Duration
	attempts  int64
}

// Options are how an inbox works; the zero value is right.
type Options struct {
	// Attempts is how often an event is tried that keeps failing for good
	// before it is parked; 0 is 8.
	Attempts int64
	// Retention is how long an event that is done is remembered, so that it is
	// known when it comes again; 0 is 8 days. At least as long as outboxes.
	Retention time.Duration
}

// New gives the inbox of a module.
func New(module string, d *db.DB, c clock.Clock, log *slog.Logger, o Options) *Inbox {
	if o.Retention == 0 {
		o.Retention = 8 * 24 * time.Hour
	}
	if o.Attempts == 0 {
		o.Attempts = 8
	}
	return &Inbox{
		module: module, db: d, clock: c, log: log,
		handlers: map[string]Handler{}, wake: make(chan struct{}, 1), leases: newLeases(d, c, log), retention: o.Retention, attempts: o.Attempts,
	}
}

// Handle adds a handler, before Run and before the bus delivers.
func (i *Inbox) Handle(h Handler) error {
	if _, taken := i.handlers[h.Name]; taken {
		return fmt.Errorf("module %s has two handlers named %q", i.module, h.Name)
	}
	i.handlers[h.Name] = h
	return nil
}

// Types are the events that any handler is for.
func (i *Inbox) Types() []string {
	var types []string
	for _, h := range i.handlers {
		types = append(types, h.Types...)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

var store = db.NewStatement(`INSERT INTO inbox (event_id, handler, source, aggregate, sequence, type, event, state, due_at, received_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $8) ON CONFLICT (event_id, handler) DO NOTHING`)

// Deliver stores events for the handlers that they are for. When it returns
// nil they are on disk, and the bus may forget them.
func (i *Inbox) Deliver(ctx context.Context, events []bus.Event) error {
	now := db.NewTime(i.clock.Now())
	err := i.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, e := range events {
			text, err := json.Marshal(e)
			if err != nil {
				return err
			}
			for _, h := range i.handlers {
				if !slices.Contains(h.Types, e.Type) {
					continue
				}
				if err := store.Later(ctx, tx, e.ID, h.Name, e.Source, e.Subject, e.Sequence, e.Type, string(text), now); err != nil {
					return err
				}
			}
		}
		tx.AfterCommit(i.Wake)
		return nil
	})
	if err != nil {
		return fmt.Errorf("inbox of %s: %w", i.module, err)
	}
	return nil
}

// Wake has Run look now. It never waits.
func (i *Inbox) Wake() {
	select {
	case i.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

var counts = db.NewStatement(`SELECT count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'parked') FROM inbox WHERE state <> 'done'`)

// Backlog is how many events wait for their handler, and how many are parked.
func (i *Inbox) Backlog(ctx context.Context) (pending, parked int64, err error) {
	err = counts.QueryRow(ctx, i.db.Read()).Scan(&pending, &parked)
	return pending, parked, err
}
