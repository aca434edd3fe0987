// Package inbox is how events arrive at a module. What the bus delivers is
// stored, once for each handler, and only then acknowledged; what a handler
// makes of it is committed together with its being done. So however often an
// event is delivered and whatever dies when, its effect happens exactly once, in
// order for each aggregate and handler, and what keeps failing is put aside for
// a person to look at while everything else goes on.
//
// A handler whose turn it is begins while its event is being stored, and has its
// effect once that is done; the others run from the store.
//
// Modules subscribe through platform/module; the composition root runs Run.
package inbox

import (
	"context"
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
	// more than once for one event, also before the event is kept here, so what
	// it does outside is idempotent; the Effect is committed exactly once,
	// together with the event being done. Where there is none, that is kept a
	// moment later.
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
	turns    turns
	noted    noted

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
		handlers: map[string]Handler{}, wake: make(chan struct{}, 1), leases: newLeases(d, c, log), turns: newTurns(), noted: noted{some: make(chan struct{}, 1)},
		retention: o.Retention, attempts: o.Attempts,
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
