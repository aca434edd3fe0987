package app

import (
	"context"
	"errors"
	"fmt"
	"net"

	"stoa/platform/auth/authrpc"
	"stoa/platform/broker"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/module"
	"stoa/platform/rpc"
	"stoa/platform/web"
)

// network is how this process meets the others of its shop. Where everything
// runs in one process there is nothing in it but the bus.
type network struct {
	settings *settings

	bus       bus.Bus
	broker    *broker.Broker
	directory directory.Directory
	client    *rpc.Client // calls others
	server    *rpc.Server // answers them; nil in commands
	public    []string    // modules whose operations clients of the API may call here

	closers []func() error
}

// openNetwork reaches for what the plan needs. A command beside a running shop
// relays no events and answers nobody, so it needs others only where a module
// that it needs is theirs.
func openNetwork(ctx context.Context, plan *plan, p parts, serving bool) (n *network, err error) {
	s := plan.settings
	n = &network{settings: s, bus: bus.NewInProcess()}
	if !plan.networked() || (!serving && plan.complete()) {
		return n, nil
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	at := s.NATS
	at.Embedded = at.Embedded && serving
	if n.broker, err = broker.Open(ctx, at, s.Data.Dir, p.log); err != nil {
		return nil, err
	}
	n.closers = append(n.closers, n.broker.Close)
	if n.directory, err = directory.Open(s.Directory, n.broker.Conn(), p.clock, p.log); err != nil {
		return nil, err
	}
	n.closers = append(n.closers, n.directory.Close)
	if n.client, err = rpc.NewClient(s.RPC, rpc.ClientDeps{
		Clock: p.clock, Log: p.log, Metrics: p.metrics, Directory: n.directory, Conn: n.broker.Conn(),
	}); err != nil {
		return nil, err
	}
	n.closers = append(n.closers, n.client.Close)
	if !serving {
		return n, nil
	}
	stream, err := bus.NewJetStream(n.broker.Conn(), s.Bus, p.clock, p.log, p.metrics)
	if err != nil {
		return nil, err
	}
	n.bus = stream
	n.closers = append(n.closers, stream.Close)
	n.server = rpc.NewServer(s.RPC, rpc.ServerDeps{
		Clock: p.clock, Log: p.log, Metrics: p.metrics, Directory: n.directory, Conn: n.broker.Conn(),
	})
	if err := n.server.Listen(ctx); err != nil {
		return nil, fmt.Errorf("rpc.addr: %w", err)
	}
	return n, nil
}

// lend gives a module what it may use of the network.
func (n *network) lend(h *module.Host) {
	if n.client == nil {
		return
	}
	h.Remote, h.Server, h.Directory = n.client, n.server, n.directory
	h.Describe = func(ctx context.Context, module string) ([]byte, error) {
		text, _, err := n.client.Document(ctx, module, routesDocument)
		return text, err
	}
}

// routesDocument is what a module's description is called among processes.
const routesDocument = "routes"

// describe has others learn which operations this process serves.
func (n *network) describe(server *web.Server, modules []module.Module) {
	if n.server == nil {
		return
	}
	for _, m := range modules {
		if m.Routes == nil || !server.Serves(m.Name) {
			continue
		}
		n.public = append(n.public, m.Name)
		n.server.Document(m.Name, routesDocument, func() ([]byte, string, error) {
			text, err := server.Describe(m.Name)
			return text, "application/json", err
		})
	}
}

// serve tells the others that this process is there, whose public listener is
// at an address, and answers them until shutdown.
func (n *network) serve(public net.Addr) error {
	if n.server == nil {
		return nil
	}
	s := n.settings
	i := directory.Instance{Version: version, Weight: s.Directory.Weight, HTTP: directory.Reachable(s.Directory, n.broker.Conn(), public)}
	if bound := n.server.Addr(); bound != nil {
		i.RPC = directory.Reachable(s.Directory, n.broker.Conn(), bound)
	}
	if err := n.server.Announce(i, n.public...); err != nil {
		return err
	}
	return n.server.Serve()
}

// follow has the verifier of this process ask whoever runs users for keys, where
// that is not this process: then it follows users already.
func (n *network) follow(sh *shop) {
	if n.client != nil {
		sh.auth.Verifier.Follow(authrpc.NewSource(n.client))
	}
}

// checks are what this process is better with. Without the broker events wait
// in their outboxes, and orders are taken all the same.
func (n *network) checks() []check {
	if n.broker == nil {
		return nil
	}
	return []check{{"NATS", n.broker.Check}}
}

// publisher gives a bus that a command publishes by. Where the broker carries
// events it goes there; else it is to the inboxes of the modules of sh.
func (n *network) publisher(ctx context.Context, sh *shop) (_ bus.Bus, closeAll func() error, err error) {
	s := n.settings
	if s.Bus.Driver != bus.DriverNATS {
		for _, h := range sh.hosts {
			if h.DB == nil || len(h.Inbox.Types()) == 0 {
				continue
			}
			if err := n.bus.Subscribe(ctx, h.Module, h.Inbox.Types(), h.Inbox.Deliver); err != nil {
				return nil, nil, err
			}
		}
		return n.bus, func() error { return nil }, nil
	}
	at := s.NATS
	at.Embedded = false
	b, err := broker.Open(ctx, at, s.Data.Dir, sh.log)
	if err != nil {
		return nil, nil, err
	}
	stream, err := bus.NewJetStream(b.Conn(), s.Bus, clock.System(), sh.log, nil)
	if err != nil {
		return nil, nil, errors.Join(err, b.Close())
	}
	return stream, func() error { return errors.Join(stream.Close(), b.Close()) }, nil
}

// withdraw has gateways send their requests elsewhere, while calls are answered
// still.
func (n *network) withdraw() error {
	if n.server == nil {
		return nil
	}
	return n.server.Withdraw()
}

// shutdown takes no more calls and waits for those that run.
func (n *network) shutdown(ctx context.Context) error {
	if n.server == nil {
		return nil
	}
	return n.server.Shutdown(ctx)
}

// close lets go of everything, the last first.
func (n *network) close() error {
	var failed error
	for i := len(n.closers) - 1; i >= 0; i-- {
		failed = errors.Join(failed, n.closers[i]())
	}
	n.closers = nil
	return failed
}
