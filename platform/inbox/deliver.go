package inbox

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"stoa/platform/bus"
	"stoa/platform/db"
	"stoa/platform/telemetry"
)

const (
	insertEvent = `INSERT INTO inbox (event_id, handler, source, aggregate, sequence, type, event, state, due_at, received_at, lease)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', $8, $9, $10) ON CONFLICT (event_id, handler) DO NOTHING`
	// follows tells of a new row whether one before it is open.
	follows = `EXISTS (SELECT 1 FROM inbox AS e WHERE e.handler = $2 AND e.source = $3 AND e.aggregate = $4
		AND e.sequence < $5 AND e.state <> 'done')`
)

var (
	store = db.NewStatement(insertEvent)
	// storeFirst also tells what runs of a handler must know. There is no row
	// where the event was there.
	storeFirst = db.NewStatement(insertEvent + ` RETURNING position, ` + follows)
	// unlease leaves to others what was stored as this process's.
	unlease = db.NewStatement(`UPDATE inbox SET due_at = $1, lease = '' WHERE position = $2`)
)

// arrival is an event that comes for a handler.
type arrival struct {
	delivery
	event bus.Event
	text  string

	// Of one that has its key's turn the handler is called as soon as the event is
	// known to be new and to follow on nothing that is open, and has its effect
	// once the event is stored.
	called bool
	waits  bool // for what is before it
	stored chan bool
}

// Deliver stores events for the handlers that they are for. When it returns
// nil they are on disk, and the bus may forget them.
func (i *Inbox) Deliver(ctx context.Context, events []bus.Event) error {
	list, err := i.arrivals(events)
	if err == nil && len(list) > 0 {
		err = i.store(ctx, list)
	}
	if err != nil {
		return fmt.Errorf("inbox of %s: %w", i.module, err)
	}
	return nil
}

// arrivals gives what is to be stored, those of a key in their order.
func (i *Inbox) arrivals(events []bus.Event) ([]*arrival, error) {
	now := db.NewTime(i.clock.Now())
	var list []*arrival
	for _, e := range events {
		text, err := e.MarshalJSON()
		if err != nil {
			return nil, err
		}
		for _, h := range i.handlers {
			if slices.Contains(h.Types, e.Type) {
				d := delivery{handler: h.Name, source: e.Source, aggregate: e.Subject, receivedAt: now}
				list = append(list, &arrival{delivery: d, event: e, text: string(text)})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *arrival) int { return cmp.Compare(a.event.Sequence, b.event.Sequence) })
	return list, nil
}

// store stores events, and has the handlers called whose turn it is.
func (i *Inbox) store(ctx context.Context, list []*arrival) error {
	first, later := i.turnsFor(list)
	notes := i.noted.take()
	err := i.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := i.mark(ctx, tx, notes); err != nil {
			return err
		}
		if err := i.storeFirst(ctx, tx, first); err != nil {
			return err
		}
		for _, a := range later {
			if err := store.Later(ctx, tx, a.row(a.receivedAt, "")...); err != nil {
				return err
			}
		}
		if len(later) > 0 {
			tx.AfterCommit(i.Wake)
		}
		return nil
	})
	i.marked(notes, err)
	for _, a := range first {
		if a.called {
			a.stored <- err == nil && a.position != 0 && !a.waits
		} else {
			i.leave(a.delivery, a.waits)
		}
	}
	return err
}

// turnsFor takes turns for the first of each key, where they are free.
func (i *Inbox) turnsFor(list []*arrival) (first, later []*arrival) {
	refused := map[key]bool{}
	for _, a := range list {
		// Of a key whose first had to wait, the next must not be had before it.
		if k := a.key(); !refused[k] {
			if i.turns.take(k) {
				a.stored = make(chan bool, 1)
				first = append(first, a)
				continue
			}
			refused[k] = true
		}
		later = append(later, a)
	}
	return first, later
}

// storeFirst stores those that have their key's turn and calls their handlers.
func (i *Inbox) storeFirst(ctx context.Context, tx *db.Tx, first []*arrival) error {
	rows := make([][]any, len(first))
	for n, a := range first {
		rows[n] = a.row(i.leases.until(a.receivedAt), i.leases.name)
	}
	if err := storeFirst.QueryRows(ctx, tx, rows, func(n int, r db.Row) error {
		a := first[n]
		a.position, a.waits = 0, false
		err := r.Scan(&a.position, &a.waits)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // it was there
		}
		return err
	}); err != nil {
		return err
	}
	for _, a := range first {
		if a.position == 0 {
			continue
		}
		if !a.waits && !a.called {
			a.called = i.turns.run(func(ctx context.Context) { i.callFirst(ctx, a) })
			a.waits = !a.called // for the next process
		}
		if a.waits && i.leases.name != "" {
			if err := unlease.Later(ctx, tx, a.receivedAt, a.position); err != nil {
				return err
			}
		}
	}
	return nil
}

// callFirst runs the handler of an event that is being stored.
func (i *Inbox) callFirst(ctx context.Context, a *arrival) {
	ctx = telemetry.WithTraceParent(ctx, a.event.TraceParent)
	effect, err := i.call(ctx, a.handler, a.event)
	if !<-a.stored {
		i.leave(a.delivery, a.waits)
		return
	}
	i.leases.hold(a.position)
	i.settle(ctx, a.delivery, effect, err, false)
}

// row is what is stored of it.
func (a *arrival) row(due db.Time, lease string) []any {
	return []any{a.event.ID, a.handler, a.source, a.aggregate, a.event.Sequence, a.event.Type, a.text, due, a.receivedAt, lease}
}
