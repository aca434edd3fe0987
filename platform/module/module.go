// Package module is what a module is to the rest of the house: one struct that
// says what it is called, whom it needs, how it is configured, which tables,
// routes and commands it has, and how it starts.
//
// A module's wiring package fills a Module; app runs any set of them. Whether a
// neighbour is in this process or another is decided here, in Use, once.
package module

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"

	"github.com/spf13/cobra"

	"stoa/platform/config"
	"stoa/platform/rpc"
	"stoa/platform/web"
)

// Module is one department of the shop.
type Module struct {
	// Name is the word for it everywhere: configuration, database, directory, log.
	Name string
	// Needs names the modules whose Service this one calls; they start first.
	Needs []string
	// Config is its part of the configuration: pointers to structs that hold
	// the defaults and are filled before Start.
	Config []config.Section
	// Migrations is its schema; nil means that it has no database.
	Migrations fs.FS
	// Routes registers its HTTP routes. It is called once: after Start, or
	// without Start where only the API's documents are made; so it only registers.
	Routes func(r *web.Router)
	// Commands are its part of the command line, grouped under its name.
	Commands func(run Run) []*cobra.Command
	// Start makes its service, provides it to neighbours, subscribes to events
	// and starts background work. It is quick; what takes long goes to Host.Go.
	Start func(ctx context.Context, h *Host) error
}

// Run starts the module that a command belongs to, and what that needs, without
// listeners or background work, calls fn, and stops them again.
type Run func(ctx context.Context, fn func(ctx context.Context) error) error

// Services are what modules of one process have provided to each other.
type Services struct{ byName map[string]any }

// NewServices gives an empty set.
func NewServices() *Services { return &Services{map[string]any{}} }

// Provide makes this module's service known to those that need it: in this
// process, and by serve in others where those can call it. A nil serve is for
// what is only needed here.
func Provide[S any](h *Host, service S, serve func(s *rpc.Server, service S)) {
	h.services.byName[h.Module] = service
	if h.Server != nil && serve != nil {
		serve(h.Server, service)
	}
}

// Use gives the service of a neighbour that this module needs: the neighbour's
// own where it runs here, else a client of it where others can be called.
func Use[S any](h *Host, name string, newClient func(c *rpc.Client) S) (S, error) {
	var none S
	provided, here := h.services.byName[name]
	if !here {
		if h.Remote != nil {
			return newClient(h.Remote), nil
		}
		return none, fmt.Errorf("module %s needs module %s, which does not run here", h.Module, name)
	}
	service, fits := provided.(S)
	if !fits {
		return none, fmt.Errorf("module %s needs module %s as %s, but it provides %T", h.Module, name, reflect.TypeFor[S](), provided)
	}
	return service, nil
}

// ErrReported is what a command returns that has told its fault itself: the
// process exits with 1 and says no more.
var ErrReported = errors.New("reported")
