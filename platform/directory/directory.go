// Package directory knows which instances of which modules there are, and
// chooses among them: for calls between modules and for the gateway alike.
//
// An instance is one module in one process. Drivers differ in how they hear of
// it: NATS has every process announce its modules by NATS's own micro service
// protocol, so that `nats micro ls` shows the shop too; Static and DNS are told
// where to look and announce nothing. A Pool balances over the instances of one
// module, and turns from those that fail.
//
// Platform packages, the gateway and the composition root import it; modules do
// not. It never calls an instance, and never learns what one answers unless its
// caller says how it went.
package directory

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"stoa/platform/clock"
	"stoa/platform/errs"
)

// ErrNoInstance says that nobody is known who runs a module. Its message, and
// its detail "module", name the module.
var ErrNoInstance = errs.New(errs.Unavailable, "no_instance", "no instance of a module is known").After(time.Second)

// Instance is a module in a process. Instances are values; whoever is handed
// one does not change its Meta.
type Instance struct {
	// ID tells the instance from others of its module. It changes when the
	// process starts again.
	ID string `json:"id"`
	// Module is the name of the module, or of another service such as "auth".
	Module string `json:"module"`
	// Version is that of the program.
	Version string `json:"version"`
	// RPC is the host:port of the private listener; empty where calls go through
	// the broker.
	RPC string `json:"rpc"`
	// HTTP is the host:port of the public listener; empty where the instance has
	// no public routes.
	HTTP string `json:"http"`
	// Weight is its share of the work in relation to others; at least 1.
	Weight int `json:"weight"`
	// Load is how many calls it was answering when it last said so.
	Load int64 `json:"load"`
	// Meta is what else it says of itself, such as the time a method may take.
	Meta map[string]string `json:"meta,omitempty"`
}

// Directory tells which instances there are. Its methods may be called at any
// time from anywhere, and asking costs no more than reading memory.
type Directory interface {
	// Instances gives those of a module, in the order of their ids. The slice is
	// shared: callers do not change it.
	Instances(module string) []Instance
	// Modules gives the names of all modules that have an instance, in order.
	Modules() []string
	// Changed gives a channel that is closed when an instance comes, goes or
	// says something else of itself than before; a new load is no change. Ask
	// for the channel before reading what it is about.
	Changed() <-chan struct{}
	// Announce makes an instance of this process known until leave is called.
	// load is asked now and then. An empty ID is filled in. Where a driver is told
	// by others where instances are, it does nothing.
	Announce(i Instance, load func() int64) (leave func() error, err error)
	// Close ends what the directory does in the background. Nobody leaves by it.
	Close() error
}

// Open gives the directory that the configuration asks for. conn is needed for
// the driver nats and not looked at by others.
func Open(cfg Config, conn *nats.Conn, c clock.Clock, log *slog.Logger) (Directory, error) {
	switch cfg.Driver {
	case DriverNATS:
		if conn == nil {
			return nil, errors.New("directory.driver nats needs a connection to NATS")
		}
		return NewNATS(conn, cfg, c, log)
	case DriverStatic:
		return NewStatic(cfg.Static)
	case DriverDNS:
		return NewDNS(cfg, c, log, nil)
	}
	return nil, fmt.Errorf("there is no directory driver %q", cfg.Driver)
}

// nothing is what leaving means where nothing was announced.
func nothing() error { return nil }
