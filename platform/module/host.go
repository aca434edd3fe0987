package module

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"stoa/platform/auth"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/directory"
	"stoa/platform/idempotency"
	"stoa/platform/inbox"
	"stoa/platform/mail"
	"stoa/platform/outbox"
	"stoa/platform/ratelimit"
	"stoa/platform/rpc"
	"stoa/platform/saga"
)

// Host is what a module finds where it runs.
type Host struct {
	// Module is the name of the module that this Host is for.
	Module  string
	Clock   clock.Clock
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// DataDir is a directory of the module's own, for files.
	DataDir string

	DB          *db.DB
	Outbox      *outbox.Outbox
	Inbox       *inbox.Inbox
	Idempotency *idempotency.Store

	// Auth tells who a caller is; users has its verifier follow the keys it makes.
	Auth   *auth.Authority
	Mail   mail.Sender
	Limits *ratelimit.Limits

	// Remote calls modules that run elsewhere, and Server answers for those that run
	// here; each is nil where all run in one process.
	Remote *rpc.Client
	Server *rpc.Server
	// Directory tells where modules run that do not run here; nil where there is
	// no other process. Describe asks an instance of one for its web.Description.
	Directory directory.Directory
	Describe  func(ctx context.Context, module string) ([]byte, error)

	// SagaTrace is called at each point of each saga; tests set it.
	SagaTrace func(saga.Point)

	services *Services

	mu    sync.Mutex
	work  []Work
	stops []func(ctx context.Context) error
	demos []Demo
}

// Demo fills an empty shop with something to look at, and says what a newcomer
// should know of it, a line each. Where the shop is not empty it changes
// nothing.
type Demo func(ctx context.Context) (notes []string, err error)

// Work is something a module does in the background until its context ends.
type Work struct {
	Name string
	Do   func(ctx context.Context) error
}

// Bind gives the host the services of the process it is in. The composition
// root and moduletest call it.
func (h *Host) Bind(s *Services) { h.services = s }

// Go adds background work. It begins when all modules of the process have
// started, ends with its context, and is waited for. An error ends the process;
// work that can go on after a fault does not return it. For commands it is
// never begun.
func (h *Host) Go(name string, do func(ctx context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.work = append(h.work, Work{h.Module + "/" + name, do})
}

// OnStop adds what is to be done when background work has ended. The last added
// is done first.
func (h *Host) OnStop(do func(ctx context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stops = append([]func(ctx context.Context) error{do}, h.stops...)
}

// Work gives the background work that was added.
func (h *Host) Work() []Work {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Work(nil), h.work...)
}

// Stops gives what is to be done at the end, in its order.
func (h *Host) Stops() []func(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]func(ctx context.Context) error(nil), h.stops...)
}

// Demo adds what this module has to show in a demonstration.
func (h *Host) Demo(d Demo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.demos = append(h.demos, d)
}

// Demos gives the demonstrations that were added.
func (h *Host) Demos() []Demo {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Demo(nil), h.demos...)
}

// On subscribes to an event of a neighbour's contract, or of this module's own.
// The handler's name is unique within the module and never changes. See
// inbox.Handler for what fn may do.
func On[T bus.Data](h *Host, handler string, fn func(ctx context.Context, e bus.Event, data T) (db.Effect, error)) error {
	var none T
	return h.Inbox.Handle(inbox.Handler{
		Name:  handler,
		Types: []string{none.EventType()},
		Handle: func(ctx context.Context, e bus.Event) (db.Effect, error) {
			var data T
			if err := json.Unmarshal(e.Data, &data); err != nil {
				return nil, fmt.Errorf("%s: %w", e.Type, err)
			}
			return fn(ctx, e, data)
		},
	})
}
