package web

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
	"go.opentelemetry.io/otel/trace"

	"stoa/platform/clock"
)

// Deps is what a Server stands on. Only Clock and Log are needed.
type Deps struct {
	Clock clock.Clock
	Log   *slog.Logger

	// Auth verifies bearer tokens, APIKeys what comes as X-API-Key. Where one is
	// nil, nobody is let in by it.
	Auth    Authenticator
	APIKeys Authenticator
	// Limit decides on rates by address; nil lets everyone through.
	Limit Limiter

	// Ready tells why this process cannot serve, nil that it can. It is asked
	// by /readyz and must be quick.
	Ready func(ctx context.Context) error
	// Checks are the parts that Ready is made of, for /readyz?verbose on the
	// operations listener.
	Checks func(ctx context.Context) []Check
	// JWKS gives the document for /.well-known/jwks.json.
	JWKS func() []byte

	// CursorKey signs the cursors of lists: the same in every process that
	// serves them. Where it is empty, one is made.
	CursorKey []byte

	// Tracer starts a span for every request; nil only passes on who traces.
	Tracer trace.TracerProvider
	// Registerer takes the server's metrics, Gatherer gives all for /metrics.
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer

	// Title and Version head the OpenAPI document.
	Title, Version, Description string
}

// Check is a part of what being ready takes.
type Check struct {
	Name string
	Err  error
}

// Server serves the operations of all modules.
type Server struct {
	cfg       Config
	deps      Deps
	proxies   []netip.Prefix
	origins   map[string]bool
	cursorKey []byte

	api        huma.API
	operations []*operation
	names      *schemaNames
	metrics    *metrics
	tracer     trace.Tracer // nil where nothing is traced
	ids        *requestIDs

	build sync.Once
	app   *fiber.App
	next  fasthttp.RequestHandler // Fiber's

	elsewhere atomic.Pointer[Elsewhere] // nil where nothing is passed on
	table     atomic.Pointer[table]     // nil until something was learnt

	draining  atomic.Bool
	listening sync.Mutex
	listener  *listener
	accepted  chan struct{} // closed when no more connections are
}

// New makes a server without listening anywhere. Its error is a value of the
// configuration that Config.Validate refuses.
func New(cfg Config, deps Deps) (*Server, error) {
	proxies, err := parseProxies(cfg.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	origins, err := parseOrigins(cfg.CORSOrigins)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	s := &Server{cfg: cfg, deps: deps, proxies: proxies, origins: origins, cursorKey: deps.CursorKey, accepted: make(chan struct{})}
	if len(s.cursorKey) == 0 {
		s.cursorKey = make([]byte, 32)
		if _, err := deps.Clock.Read(s.cursorKey); err != nil {
			return nil, fmt.Errorf("make a key for cursors: %w", err)
		}
	}
	s.ids = newRequestIDs(deps.Clock)
	s.metrics = newMetrics(deps.Registerer)
	if deps.Tracer != nil {
		s.tracer = deps.Tracer.Tracer(instrumentation)
	}
	s.names = newSchemaNames()
	setUpHuma()
	s.api = huma.NewAPI(s.humaConfig(), adapter{s})
	s.app = fiber.New(fiber.Config{
		AppName:                      deps.Title,
		CaseSensitive:                true,
		StrictRouting:                true,
		DisableStartupMessage:        true,
		DisableDefaultContentType:    true,
		DisablePreParseMultipartForm: true,
		StreamRequestBody:            true,
		BodyLimit:                    anySize,
		ReadBufferSize:               maxHeader,
		ReadTimeout:                  cfg.ReadTimeout,
		WriteTimeout:                 cfg.WriteTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		ErrorHandler:                 s.refuse,
	})
	return s, nil
}

// maxHeader is the largest request header, in bytes.
const maxHeader = 16 << 10

// Router gives a module where to register its operations. idem keeps what its
// idempotent operations answered; nil, as where only documents are made, keeps
// nothing.
func (s *Server) Router(module string, idem Idempotency) *Router {
	return &Router{server: s, module: module, idem: idem}
}

// Handler gives what serves a request. Operations that are registered after the
// first call are not served.
func (s *Server) Handler() fasthttp.RequestHandler {
	s.build.Do(func() {
		// Fiber takes the first route that matches: a word must come before a
		// parameter in the same place, whatever the order of registration.
		routes := slices.Clone(s.operations)
		slices.SortStableFunc(routes, func(a, b *operation) int {
			return cmp.Compare(strings.ReplaceAll(a.route, "{", "\x7f"), strings.ReplaceAll(b.route, "{", "\x7f"))
		})
		s.addService()
		for _, o := range routes {
			s.metrics.prepare(o)
			path := fiberPath(o.route)
			if o.Method == fiber.MethodGet {
				s.app.Add(fiber.MethodHead, path, o.serve)
			}
			s.app.Add(o.Method, path, o.serve)
		}
		s.next = s.app.Handler()
	})
	return s.handle
}

// fiberPath writes the parameters of a path as Fiber has them.
func fiberPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}
