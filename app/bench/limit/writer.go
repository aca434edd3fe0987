package limit

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"stoa/platform/clock"
)

// writer owns the connection that writes a SQLite file. Whoever waits shares its
// transaction and its fsync.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	queue chan *job
	ended chan struct{}
}

// job is what a caller waits for.
type job struct {
	do   func() error
	done chan error
}

func openWriter(ctx context.Context, path string, callers int) (*writer, error) {
	dsn := (&url.URL{Scheme: "file", Opaque: path, RawQuery: url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "cache_size(-8192)"},
	}.Encode()}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	w := &writer{db: db, conn: conn, queue: make(chan *job, callers), ended: make(chan struct{})}
	go w.run(ctx)
	return w, nil
}

// write has do run in a transaction, and returns when that is on disk.
func (w *writer) write(do func() error) error {
	j := &job{do, make(chan error, 1)}
	w.queue <- j
	return <-j.done
}

// run commits what waits together, until the queue is closed.
func (w *writer) run(ctx context.Context) {
	defer close(w.ended)
	group := make([]*job, 0, cap(w.queue))
	for first := range w.queue {
		group = append(group[:0], first)
	more:
		for {
			select {
			case j, open := <-w.queue:
				if !open {
					break more
				}
				group = append(group, j)
			default:
				break more
			}
		}
		err := w.commit(ctx, group)
		for _, j := range group {
			j.done <- err
		}
	}
}

func (w *writer) commit(ctx context.Context, group []*job) error {
	if _, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, j := range group {
		if err := j.do(); err != nil {
			return err
		}
	}
	_, err := w.conn.ExecContext(ctx, "COMMIT")
	return err
}

// close is called when nobody writes any more.
func (w *writer) close() error {
	close(w.queue)
	<-w.ended
	return errors.Join(w.conn.Close(), w.db.Close())
}

// errEnough says that there is nothing left to do before the time is up.
var errEnough = errors.New("there is no more to be done")

// measure has callers call one thing after the other, and makes one figure of
// what they saw after a warm-up.
func measure(c clock.Clock, callers int, warm, during time.Duration, call func(caller int) error) (Placed, error) {
	from := c.Now().Add(warm)
	until := from.Add(during)
	took := make([][]time.Duration, callers)
	failed := make([]error, callers)
	var calling sync.WaitGroup
	for i := range callers {
		calling.Go(func() {
			for began := c.Now(); began.Before(until); {
				if failed[i] = call(i); failed[i] != nil {
					return
				}
				ended := c.Now()
				if !began.Before(from) && !ended.After(until) {
					took[i] = append(took[i], ended.Sub(began))
				}
				began = ended
			}
		})
	}
	calling.Wait()
	for i, err := range failed {
		if errors.Is(err, errEnough) {
			during = min(during, c.Now().Sub(from))
			failed[i] = nil
		}
	}
	return summarise(took, during), errors.Join(failed...)
}
