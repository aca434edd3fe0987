package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/errs"
	"stoa/platform/telemetry"
)

const (
	// look is how many events that are due are read at once. Those whose turn has
	// come are all of different aggregates or handlers.
	look = 4 * workers
	// pollEvery finds what no wake-up told of.
	pollEvery = time.Second
	// sweepEvery is how often what is past its retention is deleted.
	sweepEvery = 10 * time.Minute
	// The pauses between attempts, doubling.
	firstPause, longestPause = 100 * time.Millisecond, time.Minute
	// longestOutage is for how long an event is tried whose fault is temporary.
	longestOutage = 24 * time.Hour
	// errorLength is how much of an error is kept beside its event, in bytes.
	errorLength = 1000
)

// delivery is an event on its way into one handler.
type delivery struct {
	position   int64
	handler    string
	source     string
	aggregate  string
	attempts   int64
	receivedAt db.Time
	event      string
}

func (d delivery) key() key { return key{d.handler, d.source, d.aggregate} }

var (
	// due gives events whose turn it is: none earlier of their aggregate is open
	// for their handler.
	due = db.NewStatement(`SELECT position, handler, source, aggregate, attempts, received_at, event FROM inbox AS i
		WHERE state = 'pending' AND due_at <= $1 AND NOT EXISTS (
			SELECT 1 FROM inbox AS e WHERE e.handler = i.handler AND e.source = i.source AND e.aggregate = i.aggregate
			AND e.sequence < i.sequence AND e.state <> 'done')
		ORDER BY due_at, position LIMIT $2`)
	nextDue = db.NewStatement(`SELECT due_at FROM inbox WHERE state = 'pending' AND due_at > $1 ORDER BY due_at LIMIT 1`)
	finish  = db.NewStatement(`UPDATE inbox SET state = 'done', done_at = $1, attempts = attempts + 1, error = '', lease = '' WHERE position = $2 AND state = 'pending' AND lease = $3`)
	retry   = db.NewStatement(`UPDATE inbox SET attempts = attempts + 1, due_at = $1, error = $2, lease = '' WHERE position = $3 AND state = 'pending' AND lease = $4`)
	park    = db.NewStatement(`UPDATE inbox SET state = 'parked', attempts = attempts + 1, error = $1, lease = '' WHERE position = $2 AND state = 'pending' AND lease = $3`)
	sweep   = db.NewStatement(`DELETE FROM inbox WHERE state = 'done' AND done_at < $1`)
)

// Run runs handlers until ctx ends, and returns when those that ran have ended.
func (i *Inbox) Run(ctx context.Context) error {
	var (
		keeping sync.WaitGroup
		queue   []delivery // due when they were read, and not begun
		begin   []delivery
		swept   = i.clock.Now()
	)
	keeping.Go(func() { i.leases.keep(ctx) })
	keeping.Go(func() { i.keepNotes(ctx) })
	i.turns.begin(ctx)
	defer func() {
		i.turns.end()
		keeping.Wait()
		_ = i.flush(context.WithoutCancel(ctx)) // where that fails they are handled again
		i.leases.release(ctx)
	}()
	for ctx.Err() == nil {
		if len(queue) > 0 || i.noted.look() {
			_ = i.flush(ctx) // what is done has turns that others wait for
		}
		if len(queue) == 0 {
			var err error
			if queue, err = i.look(ctx); err != nil && ctx.Err() == nil {
				i.log.WarnContext(ctx, "events wait in the inbox", "module", i.module, "error", err)
			}
		}
		begin, queue = i.turns.next(queue)
		for _, d := range begin {
			i.turns.run(func(ctx context.Context) { i.attempt(ctx, d) })
		}
		if now := i.clock.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			if err := i.sweep(ctx, now); err != nil && ctx.Err() == nil {
				i.log.WarnContext(ctx, "old events stay in the inbox", "module", i.module, "error", err)
			}
		}
		i.await(ctx)
	}
	return nil
}

// leave gives the turn of a delivery back, and has Run look for what may have
// waited for it.
func (i *Inbox) leave(d delivery, look bool) {
	i.leases.forget(d.position)
	if i.turns.leave(d.key()) || look {
		i.Wake()
	}
}

// look gives what is due and, of an inbox that is shared, has been leased.
func (i *Inbox) look(ctx context.Context) ([]delivery, error) {
	i.turns.look()
	list, err := i.due(ctx)
	list = i.turns.current(list)
	if err != nil {
		return nil, err
	}
	return i.leases.take(ctx, list)
}

// await waits for a wake-up, for the next event that is due, or for the poll.
func (i *Inbox) await(ctx context.Context) {
	pause := pollEvery
	now := i.clock.Now()
	var at db.Time
	if err := nextDue.QueryRow(ctx, i.db.Read(), db.NewTime(now)).Scan(&at); err == nil {
		pause = min(pause, at.Sub(now))
	}
	timer := i.clock.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-i.wake:
	case <-timer.C():
	case <-ctx.Done():
	}
}

func (i *Inbox) due(ctx context.Context) (list []delivery, err error) {
	rows, err := due.Query(ctx, i.db.Read(), db.NewTime(i.clock.Now()), look)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var d delivery
		if err := rows.Scan(&d.position, &d.handler, &d.source, &d.aggregate, &d.attempts, &d.receivedAt, &d.event); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, rows.Err()
}

// attempt runs one handler for one event of the store and records what came of it.
func (i *Inbox) attempt(ctx context.Context, d delivery) {
	var (
		e      bus.Event
		effect db.Effect
	)
	err := e.UnmarshalJSON([]byte(d.event))
	if err == nil {
		ctx = telemetry.WithTraceParent(ctx, e.TraceParent)
		effect, err = i.call(ctx, d.handler, e)
	}
	i.settle(ctx, d, effect, err, true)
}

// settle records what came of a handler's run, with its effect, and gives the
// turn back. What is due is looked at then, or only where somebody may wait.
func (i *Inbox) settle(ctx context.Context, d delivery, effect db.Effect, err error, look bool) {
	switch {
	case err == nil && effect == nil:
		if i.noted.add(d, look) || i.turns.awaited(d.key()) {
			_ = i.flush(ctx) // where that fails they stay noted
		} else if look {
			i.Wake()
		}
		return
	case err == nil:
		err = i.finish(ctx, d, effect)
	}
	if err != nil && ctx.Err() == nil { // otherwise it is done, or the next process does it
		i.putOff(ctx, d, err)
		look = true
	}
	i.leave(d, look)
}

// putOff has an event tried again later, or parks it.
func (i *Inbox) putOff(ctx context.Context, d delivery, err error) {
	now := i.clock.Now()
	text := err.Error()
	text = text[:min(len(text), errorLength)]
	log := i.log.With("module", i.module, "handler", d.handler, "aggregate", d.aggregate, "attempt", d.attempts+1, "error", err)
	give := d.attempts+1 >= i.attempts
	if errs.KindOf(err).Temporary() {
		give = give && now.Sub(d.receivedAt.Time) >= longestOutage
	}
	pause := min(firstPause<<min(d.attempts, 20), longestPause)
	record := func(ctx context.Context, tx *db.Tx) error {
		if give {
			return park.Later(ctx, tx, text, d.position, i.leases.name)
		}
		return retry.Later(ctx, tx, db.NewTime(now.Add(pause)), text, d.position, i.leases.name)
	}
	switch writeErr := i.db.Write(ctx, record); {
	case writeErr != nil:
		// It stays due; without a pause a broken database would be asked again at once.
		log.ErrorContext(ctx, "event failed and could not be put off", "database", writeErr)
		_ = clock.Sleep(ctx, i.clock, pause)
	case give:
		log.ErrorContext(ctx, "event parked: a person must look at it")
	default:
		log.LogAttrs(ctx, slog.LevelWarn, "event failed, to be tried again", slog.Duration("pause", pause))
	}
}

// errDone says that somebody else has dealt with the event meanwhile.
var errDone = errors.New("done by somebody else")

// call runs a handler. A panic is its error.
func (i *Inbox) call(ctx context.Context, handler string, e bus.Event) (effect db.Effect, err error) {
	defer recovered(&err)
	h, known := i.handlers[handler]
	if !known {
		return nil, fmt.Errorf("no handler is named %q any more", handler)
	}
	return h.Handle(ctx, e)
}

// finish commits that an event is done, with its effect.
func (i *Inbox) finish(ctx context.Context, d delivery, effect db.Effect) (err error) {
	defer recovered(&err)
	err = i.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		err := finish.LaterOr(ctx, tx, errDone, db.NewTime(i.clock.Now()), d.position, i.leases.name)
		if err != nil {
			return err
		}
		return effect(ctx, tx)
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v", p)
	}
}

func (i *Inbox) sweep(ctx context.Context, now time.Time) error {
	return i.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := sweep.Exec(ctx, tx, db.NewTime(now.Add(-i.retention)))
		return err
	})
}

// ErrNotParked says that no parked event has this id.
var ErrNotParked = errs.New(errs.NotFound, "events.dead_letter_not_found", "there is no such dead letter")

// DeadLetter is an event that a handler could not deal with.
type DeadLetter struct {
	ID         int64     `json:"id"`
	Handler    string    `json:"handler"`
	Attempts   int64     `json:"attempts"`
	Error      string    `json:"error"`
	Event      bus.Event `json:"event"`
	ReceivedAt time.Time `json:"received_at"`
}

var (
	parked = db.NewStatement(`SELECT position, handler, attempts, error, event, received_at FROM inbox
		WHERE state = 'parked' AND position > $1 ORDER BY position LIMIT $2`)
	unpark = db.NewStatement(`UPDATE inbox SET state = 'pending', attempts = 0, due_at = $1 WHERE position = $2 AND state = 'parked'`)
)

// DeadLetters gives parked events in the order of their ids, those after the id given.
func (i *Inbox) DeadLetters(ctx context.Context, after int64, limit int) (list []DeadLetter, err error) {
	rows, err := parked.Query(ctx, i.db.Read(), after, limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var (
			d    DeadLetter
			text string
			at   db.Time
		)
		if err := rows.Scan(&d.ID, &d.Handler, &d.Attempts, &d.Error, &text, &at); err != nil {
			return nil, err
		}
		if err := d.Event.UnmarshalJSON([]byte(text)); err != nil {
			return nil, err
		}
		d.ReceivedAt = at.Time
		list = append(list, d)
	}
	return list, rows.Err()
}

// Replay has a parked event tried again. Errors: ErrNotParked.
func (i *Inbox) Replay(ctx context.Context, id int64) error {
	return i.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := db.Affected(unpark.Exec(ctx, tx, db.NewTime(i.clock.Now()), id))
		if err == nil && n == 0 {
			return ErrNotParked
		}
		tx.AfterCommit(i.Wake)
		return err
	})
}
