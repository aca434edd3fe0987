package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// exclusiveLook is how long one statement waits for the lock; a statement
	// that waits holds back the server's clean-up.
	exclusiveLook = 2 * time.Second
	// exclusivePing is how often the connection that has the lock is tried, and
	// how long it may take to answer. The server lets go of one that is silent
	// after about the same.
	exclusivePing = 5 * time.Second
)

// errLockLost says that the connection that had the lock is gone.
var errLockLost = errors.New("the connection that had the lock is lost")

// exclusive holds a lock of the session on a connection of its own.
func (e *pgEngine) exclusive(ctx context.Context, name string, fn func(ctx context.Context) error) error {
	c := e.session(writing)
	c.RuntimeParams["application_name"] = "stoa " + e.name + " " + name
	c.RuntimeParams["lock_timeout"] = milliseconds(exclusiveLook)
	c.RuntimeParams["tcp_keepalives_idle"] = "5"
	c.RuntimeParams["tcp_keepalives_interval"] = "5"
	c.RuntimeParams["tcp_keepalives_count"] = "2"
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return ofPostgres(ctx, err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), exclusivePing)
		defer cancel()
		_ = conn.Close(closing) // the lock goes with the connection
	}()
	for {
		_, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", e.key(name))
		if err == nil {
			break
		}
		var waited *pgconn.PgError
		if !errors.As(err, &waited) || waited.Code != "55P03" {
			return ofPostgres(ctx, err)
		}
	}
	inner, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watch(inner, conn)
		cancel(errLockLost)
	}()
	err = fn(inner)
	lost := context.Cause(inner) == errLockLost
	cancel(nil)
	<-watched
	if lost && ctx.Err() == nil {
		return ErrUnavailable.Because(fmt.Errorf("%s: %s: %w", e.name, name, errors.Join(errLockLost, err)))
	}
	return err
}

// watch returns when the connection is lost or ctx ends.
func watch(ctx context.Context, conn *pgx.Conn) {
	for ctx.Err() == nil && !conn.IsClosed() {
		// Nobody notifies: this waits until the server hangs up, or for a while.
		waiting, cancel := context.WithTimeout(ctx, exclusivePing)
		_, _ = conn.WaitForNotification(waiting)
		cancel()
		if ctx.Err() != nil {
			return
		}
		asking, cancel := context.WithTimeout(ctx, exclusivePing)
		err := conn.Ping(asking)
		cancel()
		if err != nil {
			return
		}
	}
}
