package inbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"stoa/platform/clock"
	"stoa/platform/db"
)

const (
	// lease is how long an event is a process's who runs its handler; one that
	// lives renews it. What a process that died had is run by another after that.
	lease      = 10 * time.Second
	renewEvery = 3 * time.Second
)

// leases is what this process runs of an inbox that it shares with others. While
// an event is leased it is not due, and those after it wait for it as ever. On
// SQLite the inbox is shared with nobody, the name is empty, and nothing is
// written.
type leases struct {
	db    *db.DB
	clock clock.Clock
	log   *slog.Logger
	name  string

	mu   sync.Mutex
	held map[int64]bool // by position
	took bool           // ever
}

func newLeases(d *db.DB, c clock.Clock, log *slog.Logger) *leases {
	l := &leases{db: d, clock: c, log: log, held: map[int64]bool{}}
	if d.Dialect() == db.Postgres {
		l.name = c.ID()
	}
	return l
}

var (
	// claim takes what is still due, and leaves what another is just taking.
	claim = db.NewStatementFor("", `UPDATE inbox SET due_at = $1, lease = $2 WHERE position IN (
		SELECT position FROM inbox WHERE position = ANY($3::bigint[]) AND state = 'pending' AND due_at <= $4
		ORDER BY position FOR UPDATE SKIP LOCKED) RETURNING position`)
	renew   = db.NewStatementFor("", `UPDATE inbox SET due_at = $1 WHERE position = ANY($2::bigint[]) AND lease = $3 AND state = 'pending'`)
	release = db.NewStatementFor("", `UPDATE inbox SET due_at = $1, lease = '' WHERE lease = $2 AND state = 'pending'`)
)

// take leases events, and gives those that nobody else had.
func (l *leases) take(ctx context.Context, list []delivery) ([]delivery, error) {
	if l.name == "" || len(list) == 0 {
		return list, nil
	}
	now := l.clock.Now()
	positions := make([]int64, len(list))
	for i, d := range list {
		positions[i] = d.position
	}
	mine := map[int64]bool{}
	err := l.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		clear(mine)
		// A lease need not outlive the server: who had it asks again.
		if err := tx.Relax(ctx); err != nil {
			return err
		}
		rows, err := claim.Query(ctx, tx, l.until(db.NewTime(now)), l.name, positions, db.NewTime(now))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var position int64
			if err := rows.Scan(&position); err != nil {
				return err
			}
			mine[position] = true
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = l.took || len(mine) > 0
	taken := list[:0]
	for _, d := range list {
		if mine[d.position] {
			l.held[d.position] = true
			taken = append(taken, d)
		}
	}
	return taken, nil
}

// until is how long what is leased now is this process's; on SQLite it is due as
// ever.
func (l *leases) until(now db.Time) db.Time {
	if l.name == "" {
		return now
	}
	return db.NewTime(now.Add(lease))
}

// hold says that an event that was stored as leased is run here.
func (l *leases) hold(position int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = true
	l.held[position] = true
}

// forget says that an event is no longer run here.
func (l *leases) forget(position int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, position)
}

// keep renews the leases of what is run here until ctx ends.
func (l *leases) keep(ctx context.Context) {
	if l.name == "" {
		return
	}
	for clock.Sleep(ctx, l.clock, renewEvery) == nil {
		l.mu.Lock()
		positions := make([]int64, 0, len(l.held))
		for position := range l.held {
			positions = append(positions, position)
		}
		l.mu.Unlock()
		if len(positions) == 0 {
			continue
		}
		err := l.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			_, err := renew.Exec(ctx, tx, l.until(db.NewTime(l.clock.Now())), positions, l.name)
			return err
		})
		if err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "leases of events were not renewed", "error", err)
		}
	}
}

// release gives back what was leased and not run, once nothing runs any more.
func (l *leases) release(ctx context.Context) {
	l.mu.Lock()
	took := l.took
	clear(l.held)
	l.mu.Unlock()
	if !took {
		return
	}
	// Where that fails the leases run out.
	if err := l.db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx *db.Tx) error {
		_, err := release.Exec(ctx, tx, db.NewTime(l.clock.Now()), l.name)
		return err
	}); err != nil {
		l.log.WarnContext(ctx, "leases of events run out by themselves", "error", err)
	}
}
