package rpc

import (
	"context"
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"stoa/platform/directory"
)

// neighbour is a module that is called from here: who runs it, and whether it
// makes sense to call it.
type neighbour struct {
	client   *Client
	module   string
	pool     *directory.Pool // nil where the broker chooses
	breaker  circuitbreaker.CircuitBreaker[Reply]
	bulkhead bulkhead.Bulkhead[Reply]
	// Executors that try again, of methods that are idempotent and that are not.
	idempotent, once failsafe.Executor[Reply]
}

// bulkheadWait is how long a call waits for others to end where too many are
// under way.
const bulkheadWait = 250 * time.Millisecond

func newNeighbour(c *Client, module string) *neighbour {
	n := &neighbour{
		client: c, module: module, bulkhead: bulkhead.New[Reply](uint(c.cfg.Bulkhead)),
		idempotent: failsafe.With[Reply](c.retryPolicy(true)), once: failsafe.With[Reply](c.retryPolicy(false)),
	}
	if c.cfg.Driver == DriverHTTP {
		n.pool = directory.NewPool(c.deps.Directory, module, c.cfg.Balancer, c.deps.Clock)
	}
	b := c.cfg.Breaker
	n.breaker = circuitbreaker.NewBuilder[Reply]().
		WithFailureThresholdRatio(uint(b.Failures), uint(b.Window)).
		// Several try whether it is well again: one alone may be a call that takes its time.
		WithSuccessThresholdRatio(uint(min(2, b.Failures)), uint(b.Failures)).
		WithDelay(b.Pause).
		OnOpen(func(circuitbreaker.StateChangedEvent) { n.opened(true) }).
		OnClose(func(circuitbreaker.StateChangedEvent) { n.opened(false) }).
		Build()
	return n
}

// opened tells that calls are not tried for a while, or that they are again.
func (n *neighbour) opened(open bool) {
	value := 0.0
	if open {
		value = 1
		n.client.deps.Log.Warn("calls to a module fail; they are not tried for a while", "of", n.module, "pause", n.client.cfg.Breaker.Pause)
	} else {
		n.client.deps.Log.Info("calls to a module succeed again", "of", n.module)
	}
	if n.client.breakers != nil {
		n.client.breakers.WithLabelValues(n.module).Set(value)
	}
}

func (n *neighbour) retrying(m *call) failsafe.Executor[Reply] {
	if m.idempotent {
		return n.idempotent
	}
	return n.once
}

// gaveUp is a failure that trying again at once would not change.
type gaveUp struct{ error }

func (g gaveUp) Unwrap() error { return g.error }

// pick chooses an instance that was not tried yet.
func (n *neighbour) pick(ctx context.Context, tried *[]string) (directory.Instance, func(error), error) {
	if n.pool == nil {
		return directory.Instance{}, func(error) {}, nil
	}
	to, done, err := n.pool.Pick(ctx, "", *tried...)
	if err == nil {
		*tried = append(*tried, to.ID)
	}
	return to, done, err
}

// attempt tries a call once. limit is how long it may take at most, whatever
// its caller grants.
func (n *neighbour) attempt(ctx context.Context, m *call, limit time.Duration, tried *[]string) (Reply, error) {
	if !n.breaker.TryAcquirePermit() {
		return Reply{}, gaveUp{refuse("calls failed too often and are not tried for a while")}
	}
	if err := n.bulkhead.AcquirePermitWithMaxWait(ctx, bulkheadWait); err != nil {
		n.record(nil, true)
		if errors.Is(err, bulkhead.ErrFull) {
			return Reply{}, gaveUp{refuse("%d calls are under way already", n.client.cfg.Bulkhead)}
		}
		return Reply{}, gaveUp{err}
	}
	defer n.bulkhead.ReleasePermit()
	to, done, err := n.pick(ctx, tried)
	if err != nil {
		n.record(nil, true)
		return Reply{}, err
	}
	began := n.client.deps.Clock.Now()
	reply, err := n.client.transport.RoundTrip(ctx, to, &m.Call)
	took := n.client.deps.Clock.Now().Sub(began)
	if err == nil && (reply.Status == StatusBusy || reply.Status == StatusUnknown) {
		err = refuse("%s", reply.Body)
	}
	if err == nil && reply.Status == StatusGivenUp {
		err = errors.New(string(reply.Body))
	}
	switch {
	case err == nil:
		done(nil)
		n.record(nil, false)
	case errors.Is(err, ErrTooLarge):
		done(nil)
		n.record(nil, false)
		err = gaveUp{err}
	case ctx.Err() != nil && took < min(limit/2, enough):
		// The caller gave up, or had hardly any time to give: that says nothing.
		done(context.Canceled)
		n.record(nil, true)
	case errors.Is(ctx.Err(), context.Canceled):
		done(context.Canceled)
		n.record(nil, true)
	default:
		done(err)
		n.record(err, false)
	}
	return reply, err
}

// enough is the time in which whoever is well answers, so that not to have
// answered in it is a failure.
const enough = 500 * time.Millisecond

// record tells the breaker what a try came to. One that says nothing still
// ends: while the breaker looks whether the module is back, as a failure.
func (n *neighbour) record(err error, nothing bool) {
	switch {
	case err != nil || nothing && n.breaker.IsHalfOpen():
		n.breaker.RecordFailure()
	case !nothing:
		n.breaker.RecordSuccess()
	}
}
