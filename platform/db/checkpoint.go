package db

import (
	"context"
	"database/sql"

	"modernc.org/sqlite"
)

// In pages of 4 KiB: how much is written to the log before it is copied into the
// file, so that pages which change again and again, as the first and last of every
// index do, are copied less often; and how long the log becomes before the writer
// copies itself what is left to copy. Only then can the log begin anew while there
// is always somebody who writes.
const (
	checkpointPages    = 8000
	checkpointAtCommit = "32000"
)

// checkpointer copies the log of a SQLite file into the file on a connection of
// its own, so that commits do not wait for it.
type checkpointer struct {
	conn    *sql.DB
	wake    chan struct{}
	stop    context.CancelFunc
	stopped chan struct{}
}

func newCheckpointer(path string) *checkpointer {
	ctx, stop := context.WithCancel(context.Background())
	c := &checkpointer{
		conn: sql.OpenDB(newConnector(path, writing)),
		wake: make(chan struct{}, 1),
		stop: stop, stopped: make(chan struct{}),
	}
	c.conn.SetMaxOpenConns(1)
	go c.run(ctx)
	return c
}

// committed tells of a commit on the connection that writes. Only its writer
// calls it. SQLite counts the pages, in 31 bits: it begins anew each time.
func (c *checkpointer) committed(writer *sql.Conn) {
	_ = writer.Raw(func(conn any) error { // which fails only where the connection is closed
		status := conn.(sqlite.DBStatus)
		written, _, err := status.Status(sqlite.DBStatusCacheWrite, false)
		if err != nil || written < checkpointPages {
			return err
		}
		select {
		case c.wake <- struct{}{}:
		default: // it is about to begin anyway
		}
		_, _, err = status.Status(sqlite.DBStatusCacheWrite, true)
		return err
	})
}

func (c *checkpointer) run(ctx context.Context) {
	defer close(c.stopped)
	for {
		select {
		case <-c.wake:
			// What cannot be copied now, as on a full disk, stays in the log and is
			// copied later: as when it does this at a commit, SQLite says nothing.
			_, _ = c.conn.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`)
		case <-ctx.Done():
			return
		}
	}
}

func (c *checkpointer) close() error {
	c.stop()
	<-c.stopped
	return c.conn.Close()
}
