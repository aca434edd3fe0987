// Package broker is the connection to NATS that the bus, calls between modules
// and the directory of instances share, and the server itself where the
// configuration wants it in this process.
//
// The composition root opens one for a process and hands its connection on;
// modules never meet it. A broker that is away is waited for, at start and
// later: what needs it then fails at once, and nothing is kept in memory to be
// sent later, because what must not be lost is in an outbox. It logs no URL and
// no credentials.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	// connectWithin bounds one attempt to connect.
	connectWithin = 2 * time.Second
	// reconnectPause is between attempts, and up to as much again at random, so
	// that the processes of a shop do not all come back in the same instant.
	reconnectPause = 250 * time.Millisecond
	// pingEvery finds a broker that holds the connection and does not answer: it
	// is given up after two unanswered pings.
	pingEvery = 5 * time.Second
	// drainWithin bounds how long what was received may take at the end.
	drainWithin = 5 * time.Second
)

// Broker is a connection to NATS.
type Broker struct {
	conn   *nats.Conn
	server *server.Server // nil where it runs elsewhere
	closed chan struct{}
}

// Open connects to the broker that the configuration names, and starts it first
// where it is to run in this process, with its store in nats in dataDir. It does
// not wait for a broker elsewhere: the connection is made when it is there.
// Errors: what cannot come right by waiting, such as credentials that cannot be
// read or an address in use.
func Open(_ context.Context, c Config, dataDir string, log *slog.Logger) (_ *Broker, err error) {
	log = log.With("component", "nats")
	b := &Broker{closed: make(chan struct{})}
	options := []nats.Option{
		nats.Name("stoa"),
		nats.Timeout(connectWithin),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectPause),
		nats.ReconnectJitter(reconnectPause, reconnectPause),
		nats.ReconnectBufSize(-1), // what is published meanwhile fails
		nats.PingInterval(pingEvery),
		nats.DrainTimeout(drainWithin),
		nats.ConnectHandler(func(*nats.Conn) { log.Info("connected to NATS") }),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("connected to NATS again") }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("NATS is away; events wait in their outboxes", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			if s != nil {
				log.Error("NATS reports an error", "subject", s.Subject, "error", err)
				return
			}
			log.Error("NATS reports an error", "error", err)
		}),
		nats.ClosedHandler(func(*nats.Conn) { close(b.closed) }),
	}
	at := c.URL
	if c.Embedded {
		if b.server, err = startServer(c, dataDir, log); err != nil {
			return nil, err
		}
		options = append(options, nats.InProcessServer(b.server))
		at = ownURL(c)
	} else {
		options = append(options, c.clientOptions()...)
	}
	if b.conn, err = nats.Connect(at, options...); err != nil {
		if b.server != nil {
			stopServer(b.server)
		}
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	if !b.conn.IsConnected() {
		log.Warn("NATS is not there yet; it is waited for", "error", b.conn.LastError())
	}
	return b, nil
}

// clientOptions are the credentials and certificates of the configuration.
func (c *Config) clientOptions() []nats.Option {
	var options []nats.Option
	if c.Creds != "" {
		options = append(options, nats.UserCredentials(c.Creds))
	}
	if c.TLS.CA != "" {
		options = append(options, nats.RootCAs(c.TLS.CA))
	}
	if c.TLS.Cert != "" {
		options = append(options, nats.ClientCert(c.TLS.Cert, c.TLS.Key))
	}
	return options
}

// Conn gives the connection. It is the same for as long as the broker is open,
// whether NATS is there or not.
func (b *Broker) Conn() *nats.Conn { return b.conn }

// URL is where other processes reach the server of this one, without
// credentials; empty where none can.
func (b *Broker) URL() string {
	if b.server == nil || b.server.Addr() == nil {
		return ""
	}
	return "nats://" + b.server.Addr().String()
}

// Check tells whether NATS answers.
func (b *Broker) Check(ctx context.Context) error {
	if status := b.conn.Status(); status != nats.CONNECTED {
		if err := b.conn.LastError(); err != nil {
			return fmt.Errorf("NATS is away (%s): %w", status, err)
		}
		return fmt.Errorf("NATS is away (%s)", status)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, connectWithin)
		defer cancel()
	}
	if err := b.conn.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("NATS does not answer: %w", err)
	}
	return nil
}

// Close lets subscribers finish what they have received, closes the connection,
// and stops the server where it is in this process.
func (b *Broker) Close() error {
	err := b.conn.Drain()
	if err != nil { // it is away: there is nothing to drain
		b.conn.Close()
	}
	<-b.closed
	if b.server != nil {
		stopServer(b.server)
	}
	if errors.Is(err, nats.ErrConnectionReconnecting) || errors.Is(err, nats.ErrConnectionClosed) {
		return nil
	}
	return err
}
