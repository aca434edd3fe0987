// Package proxy passes requests on to the instances of modules that run in
// other processes, and learns from them which requests are theirs.
//
// It is the one room besides platform/web and `internal/rest` packages that
// knows fasthttp: what an instance answers is read straight into the answer to
// the client. Only the gateway's wiring imports it. It never looks into a body.
package proxy

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"stoa/modules/gateway"
	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/errs"
	"stoa/platform/web"
)

// Deps is what a Proxy stands on.
type Deps struct {
	Clock clock.Clock
	Log   *slog.Logger
	// Directory tells which instances there are.
	Directory directory.Directory
	// Describe asks an instance of a module for its web.Description, as JSON.
	Describe func(ctx context.Context, module string) ([]byte, error)
	// Metrics takes what is counted; nil counts nothing.
	Metrics prometheus.Registerer
}

// Proxy passes requests on.
type Proxy struct {
	cfg   Config
	deps  Deps
	tries *prometheus.CounterVec // nil where nothing is counted

	mu      sync.RWMutex
	modules map[string]*upstream
	hosts   map[string]*host

	routes routes
}

// New makes a proxy that knows no routes yet: Run learns them.
func New(cfg Config, deps Deps) *Proxy {
	p := &Proxy{cfg: cfg, deps: deps, modules: map[string]*upstream{}, hosts: map[string]*host{}}
	if deps.Metrics != nil {
		p.tries = prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stoa_gateway_tries_total", Help: "Requests sent to instances, by module and what came of it.",
		}, []string{"module", "outcome"})
		deps.Metrics.MustRegister(p.tries)
	}
	return p
}

// upstream is a module that runs elsewhere.
type upstream struct {
	proxy   *Proxy
	name    string
	pool    *directory.Pool
	breaker circuitbreaker.CircuitBreaker[any]
	counts  [len(outcomes)]prometheus.Counter
}

// outcomes are what can come of a try.
var outcomes = [...]string{"answered", "unavailable", "unreachable", "broken", "client"}

const (
	answered = iota
	unavailable
	unreachable
	broken
	client
)

// Forward passes a request on. Errors: gateway.ErrModuleUnavailable,
// gateway.ErrAnswerLost, errs.ErrTimeout, and what is wrong with the client's
// body.
func (p *Proxy) Forward(x *web.Passage) error {
	m := p.upstream(x.Module())
	if !m.breaker.TryAcquirePermit() {
		return m.unavailable(errors.New("it has failed too often")).After(max(m.breaker.RemainingDelay(), time.Second))
	}
	err := m.forward(x)
	if f := (*fault)(nil); errors.As(err, &f) && !f.caller {
		m.breaker.RecordFailure()
		return m.tell(x, f)
	}
	m.breaker.RecordSuccess()
	return err
}

// tell says to the client what a fault means for it.
func (m *upstream) tell(x *web.Passage, f *fault) error {
	switch {
	case f.sent && isTimeout(f.err):
		return errs.ErrTimeout.Because(f)
	case f.sent && !x.Safe():
		return gateway.ErrAnswerLost.Because(f)
	}
	return m.unavailable(f)
}

func (m *upstream) unavailable(cause error) *errs.Error {
	return gateway.ErrModuleUnavailable.Detail("module", m.name).Because(cause)
}

// forward tries instances until one answers.
func (m *upstream) forward(x *web.Passage) error {
	var key string
	if m.proxy.cfg.Balancer.Policy == directory.Hash {
		key = x.Client().String()
	}
	var tried []string
	var last error // nil too where an instance has answered that it is not available
	for {
		// The request's own context would make a timer when it is asked whether it
		// has ended; connections have the deadline.
		i, done, err := m.pool.Pick(context.Background(), key, tried...)
		if err != nil {
			if len(tried) > 0 {
				return last
			}
			return &fault{err: err}
		}
		if slices.Contains(tried, i.ID) {
			done(context.Canceled) // nothing was asked of it
			return last
		}
		f := m.proxy.host(i.HTTP).exchange(x, done)
		again := len(tried) < m.proxy.cfg.Retries
		switch {
		case f == nil && x.Streaming():
			m.count(answered)
			return nil // done is called when it ends
		case f == nil && x.Status() != fasthttp.StatusServiceUnavailable:
			m.count(answered)
			done(nil)
			return nil
		case f == nil:
			m.count(unavailable)
			done(gateway.ErrModuleUnavailable)
			if !again || !x.Safe() {
				return nil
			}
			last = nil
		case f.caller:
			m.count(client)
			done(nil)
			return f
		default:
			if f.sent {
				m.count(broken)
			} else {
				m.count(unreachable)
			}
			done(f)
			last = f
			if !again || f.sent && (!x.Safe() || isTimeout(f.err)) {
				return f
			}
		}
		tried = append(tried, i.ID)
	}
}

func (m *upstream) count(outcome int) {
	if c := m.counts[outcome]; c != nil {
		c.Inc()
	}
}

// upstream gives what is known of a module.
func (p *Proxy) upstream(name string) *upstream {
	p.mu.RLock()
	m := p.modules[name]
	p.mu.RUnlock()
	if m != nil {
		return m
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.modules[name]; m != nil {
		return m
	}
	m = &upstream{
		proxy: p, name: name, pool: directory.NewPool(p.deps.Directory, name, p.cfg.Balancer, p.deps.Clock),
		// Several try at once whether it is well again: one alone may be a request
		// that takes its time, and the first that is answered says enough.
		breaker: circuitbreaker.NewBuilder[any]().
			WithFailureThreshold(uint(p.cfg.BreakerFailures)).WithDelay(p.cfg.BreakerDelay).
			WithSuccessThresholdRatio(1, uint(p.cfg.BreakerFailures)).Build(),
	}
	if p.tries != nil {
		for i, outcome := range outcomes {
			m.counts[i] = p.tries.WithLabelValues(name, outcome)
		}
	}
	p.modules[name] = m
	return m
}

// host gives the connections to an address.
func (p *Proxy) host(addr string) *host {
	p.mu.RLock()
	h := p.hosts[addr]
	p.mu.RUnlock()
	if h != nil {
		return h
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hosts[addr] == nil {
		p.hosts[addr] = &host{addr: addr, cfg: &p.cfg}
	}
	return p.hosts[addr]
}

// tidy ends connections that are of no use any more: those that were not used
// for a while, and those to processes that are gone.
func (p *Proxy) tidy() {
	known := map[string]bool{}
	for _, module := range p.deps.Directory.Modules() {
		for _, i := range p.deps.Directory.Instances(module) {
			known[i.HTTP] = true
		}
	}
	var gone, stay []*host
	p.mu.Lock()
	for addr, h := range p.hosts {
		if known[addr] {
			stay = append(stay, h)
			continue
		}
		gone = append(gone, h)
		delete(p.hosts, addr)
	}
	p.mu.Unlock()
	for _, h := range gone {
		h.close()
	}
	for _, h := range stay {
		h.sweep()
	}
}

// Close ends all connections to instances.
func (p *Proxy) Close() {
	p.mu.Lock()
	hosts := p.hosts
	p.hosts = map[string]*host{}
	p.mu.Unlock()
	for _, h := range hosts {
		h.close()
	}
}
