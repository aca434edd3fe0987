package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"

	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/errs"
	"stoa/platform/telemetry"
)

// ServerDeps are what a server stands on.
type ServerDeps struct {
	Clock clock.Clock
	Log   *slog.Logger
	// Metrics is told of calls; nil is nobody.
	Metrics prometheus.Registerer
	// Directory is where the modules are announced.
	Directory directory.Directory
	// Conn is the broker, for the driver nats.
	Conn *nats.Conn
}

// Server answers calls to the modules of this process. What it answers is
// declared before Serve.
type Server struct {
	cfg     Config
	deps    ServerDeps
	metrics *metrics
	id      string // of this process, in the directory

	methods   map[string]map[string]*method // by module and name
	documents map[string]map[string]Document

	running atomic.Int64 // calls
	base    context.Context
	abort   context.CancelCauseFunc

	mu        sync.Mutex
	listener  listener
	announced directory.Instance // as the process is known
	leave     []func() error
}

// method is one that can be called.
type method struct {
	timeout time.Duration // that it declares
	call    func(ctx context.Context, body []byte) ([]byte, error)
}

// Document makes something that a module tells of itself, such as its routes,
// and says what type it has.
type Document func() (body []byte, contentType string, err error)

// listener is what a driver answers calls with.
type listener interface {
	// addr is the private listener's address; nil where there is none.
	addr() net.Addr
	// begin takes calls from now on; said twice, it is done once.
	begin() error
	// serve answers until the listener is closed.
	serve() error
	// drain takes no more calls and waits for those that run.
	drain(ctx context.Context) error
}

// NewServer makes a server.
func NewServer(cfg Config, deps ServerDeps) *Server {
	s := &Server{
		cfg: cfg, deps: deps, id: deps.Clock.ID(), metrics: newMetrics(deps.Metrics, "server", "Calls answered"),
		methods: map[string]map[string]*method{}, documents: map[string]map[string]Document{},
	}
	s.base, s.abort = context.WithCancelCause(context.Background())
	return s
}

// handle declares a method. A declaration that cannot be served is a defect.
func (s *Server) handle(module, name string, timeout time.Duration, call func(ctx context.Context, body []byte) ([]byte, error)) {
	if !isName(module) || !isName(name) {
		panic(fmt.Sprintf("rpc: %s.%s cannot be the name of a method", module, name))
	}
	if s.methods[module] == nil {
		s.methods[module] = map[string]*method{}
	}
	if s.methods[module][name] != nil {
		panic(fmt.Sprintf("rpc: %s.%s is declared twice", module, name))
	}
	s.methods[module][name] = &method{timeout, call}
}

// SetTimeout says that a method of this process may take longer, or must be
// quicker, than its declaration has it. Callers hear of it by the directory.
func (s *Server) SetTimeout(module, name string, timeout time.Duration) {
	s.methods[module][name].timeout = timeout
}

// Document has the server tell something of a module to whoever asks for it by
// name. It is declared before Serve; d is called for each question.
func (s *Server) Document(module, name string, d Document) {
	if !isName(module) {
		panic(fmt.Sprintf("rpc: %s cannot be the name of a module", module))
	}
	if s.documents[module] == nil {
		s.documents[module] = map[string]Document{}
	}
	s.documents[module][name] = d
}

// Modules names those that have methods or documents here.
func (s *Server) Modules() []string {
	all := map[string]bool{}
	for module := range s.methods {
		all[module] = true
	}
	for module := range s.documents {
		all[module] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// Listen opens the private listener, so that its address is known and a port
// that is taken is told before anything starts.
func (s *Server) Listen(ctx context.Context) error {
	var (
		l   listener
		err error
	)
	switch s.cfg.Driver {
	case DriverHTTP:
		l, err = listenHTTP(ctx, s)
	case DriverNATS:
		l, err = listenNATS(s)
	default:
		err = fmt.Errorf("there is no rpc driver %q", s.cfg.Driver)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = l
	return nil
}

// Addr is the private listener's address; nil where calls come through the broker.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listener.addr()
}

// Serve answers calls until Shutdown. Listen comes before it.
func (s *Server) Serve() error { return s.listener.serve() }

// Announce tells the directory that this process answers for its modules: all
// that have methods or documents. Those in public are reached by clients of the
// API at i.HTTP, too. ID, Module and Load of i are filled in. Listen comes
// before it, and Serve at about the same time.
func (s *Server) Announce(i directory.Instance, public ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i.ID = s.id
	s.announced = i
	if err := s.listener.begin(); err != nil {
		return err
	}
	return s.announce(i, public)
}

// Withdraw has gateways send no more requests here. Calls are still answered:
// what those who drain have begun needs them.
func (s *Server) Withdraw() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.leave) == 0 {
		return nil
	}
	before := s.leave
	s.leave = nil
	i := s.announced
	i.ID += "-private" // who is told that the one has left keeps the other
	failed := s.announce(i, nil)
	for _, leave := range before {
		failed = errors.Join(failed, leave())
	}
	return failed
}

// announce makes every module known.
func (s *Server) announce(i directory.Instance, public []string) error {
	for _, module := range s.Modules() {
		one := i
		one.Module = module
		if !slices.Contains(public, module) {
			one.HTTP = ""
		}
		one.Meta = maps.Clone(i.Meta)
		for name, m := range s.methods[module] {
			if m.timeout > 0 {
				if one.Meta == nil {
					one.Meta = map[string]string{}
				}
				one.Meta[metaTimeout+name] = m.timeout.String()
			}
		}
		leave, err := s.deps.Directory.Announce(one, s.running.Load)
		if err != nil {
			return err
		}
		s.leave = append(s.leave, leave)
	}
	return nil
}

// metaTimeout begins the names under which instances say how long methods take.
const metaTimeout = "timeout."

// Leave has the directory forget this process. It still answers those who have
// not heard of it.
func (s *Server) Leave() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	for _, leave := range s.leave {
		failed = errors.Join(failed, leave())
	}
	s.leave = nil
	return failed
}

// Shutdown leaves the directory, takes no more calls, and waits for those that
// run. When ctx ends first, it ends theirs, and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	l, announced := s.listener, len(s.leave) > 0
	s.mu.Unlock()
	err := s.Leave()
	if l == nil {
		return err
	}
	if announced {
		// Whoever chose this instance before it left is still answered.
		_ = clock.Sleep(ctx, clock.System(), settle) // ends early only with ctx
	}
	stop := context.AfterFunc(ctx, func() { s.abort(context.Cause(ctx)) })
	err = errors.Join(err, l.drain(ctx))
	if !stop() && !errors.Is(err, ctx.Err()) {
		err = errors.Join(err, ctx.Err()) // calls were broken off, and that is why all has ended
	}
	s.abort(context.Canceled)
	return err
}

// settle is how long the news that an instance has left takes at most, where all
// is well.
const settle = 100 * time.Millisecond

// answer carries a call out.
func (s *Server) answer(ctx context.Context, c *Call) Reply {
	m := s.methods[c.Module][c.Method]
	if m == nil {
		return Reply{StatusUnknown, []byte("there is no method " + c.Module + "." + c.Method + " here")}
	}
	defer s.running.Add(-1)
	if s.running.Add(1) > int64(s.cfg.MaxCalls) {
		s.metrics.count(c.Module, c.Method, outcomeUnavailable, 0)
		return Reply{StatusBusy, []byte("there is too much to do")}
	}
	ctx = telemetry.WithTraceParent(ctx, c.TraceParent)
	if c.RequestID != "" {
		ctx = telemetry.WithRequest(ctx, c.RequestID)
	}
	ctx, span := telemetry.Start(ctx, "rpc "+c.Module+"."+c.Method, attribute.String("rpc.side", "server"))
	defer span.End()

	began := s.deps.Clock.Now()
	body, err := s.perform(ctx, m, c.Body)
	took := s.deps.Clock.Now().Sub(began)
	var bad unreadable
	if errors.As(err, &bad) {
		s.metrics.count(c.Module, c.Method, outcomeInternal, took)
		return Reply{StatusMalformed, []byte("the request cannot be read: " + bad.Error())}
	}
	if err == nil && len(body) > s.limit() {
		err = ErrTooLarge.With("the answer of %s.%s has %d bytes; %d are possible", c.Module, c.Method, len(body), s.limit())
	}
	s.metrics.count(c.Module, c.Method, outcomeOf(err), took)
	if err == nil {
		return Reply{StatusAnswer, body}
	}
	telemetry.Fail(span, err)
	if s.base.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return Reply{StatusGivenUp, []byte("the process ended before the call did")}
	}
	return Reply{StatusError, s.failure(ctx, c, err)}
}

// limit is the largest answer, in bytes.
func (s *Server) limit() int {
	if s.cfg.Driver == DriverNATS {
		return payload(s.deps.Conn)
	}
	return maxBody
}

// perform calls a method and makes its panic an error.
func (s *Server) perform(ctx context.Context, m *method, body []byte) (_ []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return m.call(ctx, body)
}

// failure gives the error of a call as it is sent. What does not cross the wire
// is logged here, once.
func (s *Server) failure(ctx context.Context, c *Call, err error) []byte {
	e, known := errs.As(err)
	switch {
	case known && e.Kind != errs.Internal:
		if e.Kind.Temporary() && e.Unwrap() != nil {
			s.deps.Log.WarnContext(ctx, "a call failed for now", "call", c.Module+"."+c.Method, "error", err)
		}
	case ctx.Err() != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)):
		e = errs.ErrTimeout // nobody waits for it any more
	default:
		s.deps.Log.ErrorContext(ctx, "a call failed", "call", c.Module+"."+c.Method, "error", err)
		if !known {
			e = errs.ErrInternal
		}
	}
	text, err := encodeError(e)
	if err == nil && len(text) > s.limit() {
		err = errors.New("it is too large")
	}
	if err != nil {
		s.deps.Log.ErrorContext(ctx, "an error cannot be sent whole", "call", c.Module+"."+c.Method, "error", err)
		text, _ = json.Marshal(wireError{Kind: e.Kind, Code: e.Code, Message: e.Code}, codec) // a kind and a code can always be encoded
	}
	return text
}

// document answers who asks for a document.
func (s *Server) document(ctx context.Context, module, name string) (Reply, string) {
	d := s.documents[module][name]
	if d == nil {
		return Reply{StatusUnknown, []byte("there is no document " + name + " of " + module + " here")}, ""
	}
	body, kind, err := d()
	if err == nil && len(body) > s.limit() {
		err = ErrTooLarge.With("the document %s of %s has %d bytes; %d are possible", name, module, len(body), s.limit())
	}
	if err != nil {
		return Reply{StatusError, s.failure(ctx, &Call{Module: module, Method: name}, err)}, ""
	}
	return Reply{StatusAnswer, body}, kind
}
