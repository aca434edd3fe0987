package rpc

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"

	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/errs"
	"stoa/platform/telemetry"
)

// ClientDeps are what a client stands on.
type ClientDeps struct {
	Clock clock.Clock
	Log   *slog.Logger
	// Metrics is told of calls; nil is nobody.
	Metrics prometheus.Registerer
	// Directory knows the instances. The driver nats asks it only how long methods
	// take, and does without.
	Directory directory.Directory
	// Conn is the broker, for the driver nats.
	Conn *nats.Conn
	// Wrap changes the transport; tests put their mischief between. nil leaves it.
	Wrap func(Transport) Transport
}

// Client calls modules that run elsewhere. It is safe for concurrent use.
type Client struct {
	cfg       Config
	deps      ClientDeps
	transport Transport
	documents documents
	metrics   *metrics
	retries   *prometheus.CounterVec
	breakers  *prometheus.GaugeVec

	ids    string // begins the ids of this client's calls
	nextID atomic.Uint64

	mu         sync.RWMutex
	neighbours map[string]*neighbour
}

// documents fetches what an instance tells of a module.
type documents interface {
	document(ctx context.Context, to directory.Instance, module, name string) (_ Reply, kind string, _ error)
}

// NewClient makes a client.
func NewClient(cfg Config, deps ClientDeps) (*Client, error) {
	c := &Client{cfg: cfg, deps: deps, metrics: newMetrics(deps.Metrics, "client", "Calls to other processes"), neighbours: map[string]*neighbour{}}
	switch cfg.Driver {
	case DriverHTTP:
		if deps.Directory == nil {
			return nil, errors.New("rpc.driver http needs a directory")
		}
		t := newHTTPTransport(deps.Clock, cfg.Bulkhead)
		c.transport, c.documents = t, t
	case DriverNATS:
		if deps.Conn == nil {
			return nil, errors.New("rpc.driver nats needs a connection to NATS")
		}
		t := &natsTransport{deps.Conn}
		c.transport, c.documents = t, t
	default:
		return nil, fmt.Errorf("there is no rpc driver %q", cfg.Driver)
	}
	if deps.Wrap != nil {
		c.transport = deps.Wrap(c.transport)
	}
	var random [8]byte
	_, _ = deps.Clock.Read(random[:]) // never fails
	c.ids = hex.EncodeToString(random[:]) + "-"
	if deps.Metrics != nil {
		c.retries = prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stoa_rpc_client_retries_total", Help: "Calls that were tried again, by module and method.",
		}, []string{"module", "method"})
		c.breakers = prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "stoa_rpc_client_breaker_open", Help: "1 while calls to a module are not tried because too many failed.",
		}, []string{"module"})
		deps.Metrics.MustRegister(c.retries, c.breakers)
	}
	return c, nil
}

// Close lets go of connections. Calls that run fail.
func (c *Client) Close() error { return c.transport.Close() }

// call is a call as the client makes it.
type call struct {
	Call
	idempotent bool
	timeout    time.Duration
}

func (c *call) name() string { return c.Module + "." + c.Method }

// The pauses between tries: the first, and the longest.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = 250 * time.Millisecond
)

// call makes a call and gives the answer's bytes.
func (c *Client) call(ctx context.Context, m *call) (_ []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("call %s: %w", m.name(), err)
	}
	began := c.deps.Clock.Now()
	defer func() { c.metrics.count(m.Module, m.Method, outcomeOf(err), c.deps.Clock.Now().Sub(began)) }()
	n := c.neighbour(m.Module)
	limit := c.timeout(m)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	limited, span := telemetry.Start(limited, "call "+m.name(), attribute.String("rpc.side", "client"))
	defer span.End()
	m.ID = c.ids + strconv.FormatUint(c.nextID.Add(1), 36)
	m.TraceParent = telemetry.TraceParent(limited)
	m.RequestID = telemetry.RequestID(ctx)

	var tried []string
	attempt := func(failsafe.Execution[Reply]) (Reply, error) { return n.attempt(limited, m, limit, &tried) }
	reply, err := n.retrying(m).WithContext(limited).GetWithExecution(attempt)
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		err = fmt.Errorf("call %s: %w", m.name(), ctx.Err())
	case err == nil:
		err = decode(m, reply)
	case limited.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		err = errs.ErrTimeout.With("there was no answer of %s in time", m.Module).Detail("module", m.Module).
			Because(fmt.Errorf("call %s: %w", m.name(), context.DeadlineExceeded))
	default:
		err = c.explain(m, err)
	}
	if err != nil {
		telemetry.Fail(span, err)
		return nil, err
	}
	return reply.Body, nil
}

// decode makes the error of a reply that holds one.
func decode(m *call, r Reply) error {
	switch r.Status {
	case StatusAnswer:
		return nil
	case StatusError:
		return decodeError(m.Module, m.Method, r.Body)
	case StatusTooLarge:
		return ErrTooLarge.With("the request of %s has %d bytes: %s", m.name(), len(m.Body), r.Body)
	}
	return errs.ErrInternal.Because(fmt.Errorf("%s answered with status %d: %s", m.name(), r.Status, r.Body))
}

// explain makes what a call came to on its way an error that callers know.
func (c *Client) explain(m *call, err error) error {
	if _, known := errs.As(err); known {
		return err
	}
	known := ErrBroken
	message := "%s went away without an answer"
	if isRefused(err) {
		known, message = ErrUnavailable, "%s is not available right now"
	}
	return known.With(message, m.Module).Detail("module", m.Module).Because(fmt.Errorf("call %s: %w", m.name(), err))
}

// timeout is how long a call may take at most: what the instances say; else
// what the method declares; else what the configuration says.
func (c *Client) timeout(m *call) time.Duration {
	if c.deps.Directory != nil {
		if all := c.deps.Directory.Instances(m.Module); len(all) > 0 {
			if said := all[0].Meta[metaTimeout+m.Method]; said != "" {
				if d, err := time.ParseDuration(said); err == nil && d > 0 && d <= longest {
					return d
				}
			}
		}
	}
	if m.timeout > 0 {
		return m.timeout
	}
	return c.cfg.Timeout
}

// Document fetches what a module tells of itself under a name, from any of its
// instances. Errors: ErrUnavailable, directory.ErrNoInstance, errs.ErrTimeout.
func (c *Client) Document(ctx context.Context, module, name string) (body []byte, contentType string, err error) {
	m := &call{Call: Call{Module: module, Method: name}, idempotent: true}
	limited, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	n := c.neighbour(module)
	var tried []string
	reply, err := n.retrying(m).WithContext(limited).GetWithExecution(func(failsafe.Execution[Reply]) (Reply, error) {
		to, done, err := n.pick(limited, &tried)
		if err != nil {
			return Reply{}, err
		}
		reply, kind, err := c.documents.document(limited, to, module, name)
		done(err)
		contentType = kind
		if err == nil && reply.Status == StatusUnknown {
			err = refuse("%s", reply.Body)
		}
		return reply, err
	})
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return nil, "", fmt.Errorf("fetch %s of %s: %w", name, module, ctx.Err())
	case err == nil:
		if err = decode(m, reply); err != nil {
			return nil, "", err
		}
		return reply.Body, contentType, nil
	case limited.Err() != nil:
		return nil, "", errs.ErrTimeout.With("there was no answer of %s in time", module).Because(context.DeadlineExceeded)
	}
	return nil, "", c.explain(m, err)
}

// Await waits until an instance of a module is known. Without a directory it
// waits for nobody. Errors: directory.ErrNoInstance when ctx ends first.
func (c *Client) Await(ctx context.Context, module string) error {
	if c.deps.Directory == nil {
		return nil
	}
	for {
		changed := c.deps.Directory.Changed()
		if len(c.deps.Directory.Instances(module)) > 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return directory.ErrNoInstance.With("no instance of %s is known", module).Detail("module", module).Because(ctx.Err())
		}
	}
}

// neighbour gives what is known of a module that is called.
func (c *Client) neighbour(module string) *neighbour {
	c.mu.RLock()
	n := c.neighbours[module]
	c.mu.RUnlock()
	if n != nil {
		return n
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.neighbours[module]; n != nil {
		return n
	}
	n = newNeighbour(c, module)
	c.neighbours[module] = n
	return n
}

// retryPolicy says what is tried again: what certainly was not begun, and, of
// idempotent methods, what may have been.
func (c *Client) retryPolicy(idempotent bool) retrypolicy.RetryPolicy[Reply] {
	return retrypolicy.NewBuilder[Reply]().
		HandleIf(func(_ Reply, err error) bool {
			var final gaveUp
			if err == nil || errors.As(err, &final) {
				return false
			}
			return idempotent || isRefused(err) || errors.Is(err, directory.ErrNoInstance)
		}).
		WithMaxRetries(c.cfg.Retries).
		WithBackoff(firstPause, lastPause).
		WithJitterFactor(0.25).
		ReturnLastFailure().
		Build()
}
