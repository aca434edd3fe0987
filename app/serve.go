package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"stoa/platform/clock"
	"stoa/platform/module"
	"stoa/platform/ratelimit"
	"stoa/platform/web"
)

// stopWithin bounds how long requests that still run may take when the process
// has been told to stop.
const stopWithin = 40 * time.Second

func serveCommand(modules []module.Module, f *flags) *cobra.Command {
	var (
		names []string
		demo  bool
		front string
	)
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the shop",
		Long: `Run the shop: all modules that this binary links, or those named.

Without any configuration it keeps everything in SQLite files below ./data and
listens on :8080. It brings schemas up to date, serves until it is told to stop
(SIGTERM or Ctrl-C), and then finishes what runs.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, chosen, err := f.chosen(cmd, modules, names)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), s, chosen, demo, func(g greeting) {
				g.print(cmd.OutOrStdout(), front)
			})
		},
	}
	modulesFlag(cmd, &names)
	cmd.Flags().BoolVar(&demo, "demo", false, "fill an empty shop with a demo catalogue and two accounts")
	cmd.Flags().StringVar(&front, "front", "", "URL of the gateway that this process is behind: it greets with no more than what --demo has to say")
	_ = cmd.Flags().MarkHidden("front") // fails only for a flag that there is not
	return cmd
}

// serve runs the shop until ctx ends, then stops it: first no longer ready,
// then no new requests, then no background work.
func serve(ctx context.Context, s *settings, modules []module.Module, demo bool, greet func(greeting)) (err error) {
	p, stop, err := newParts(ctx, s, clock.System())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(context.WithoutCancel(ctx))) }()

	// Listeners come first: a port that is taken is told before anything starts.
	var listen net.ListenConfig
	public, err := listen.Listen(ctx, "tcp", s.HTTP.Addr)
	if err != nil {
		return fmt.Errorf("http.addr: %w", err)
	}
	var ops net.Listener
	if s.Ops.Addr != "" {
		if ops, err = listen.Listen(ctx, "tcp", s.Ops.Addr); err != nil {
			return errors.Join(fmt.Errorf("ops.addr (empty turns it off): %w", err), public.Close())
		}
	}
	closeListeners := func() {
		_ = public.Close() // closed already where it served
		if ops != nil {
			_ = ops.Close()
		}
	}
	defer closeListeners()

	sh, err := open(ctx, s, modules, p, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sh.close(context.WithoutCancel(ctx))) }()
	var notes []string
	if demo {
		if notes, err = sh.demo(ctx); err != nil {
			return err
		}
	}
	server, err := newServer(s, sh, p)
	if err != nil {
		return err
	}
	for i, m := range sh.modules {
		if m.Routes != nil {
			m.Routes(server.Router(m.Name, idempotencyOf(sh.hosts[i])))
		}
	}

	sh.network.describe(server, sh.modules)
	if err := p.metrics.Register(backlogs{sh.hosts}); err != nil {
		return err
	}

	operations := web.NewOps(server)

	// Work outlives the request to stop: what requests that still run need goes on.
	working, endWork := context.WithCancel(context.WithoutCancel(ctx))
	defer endWork()
	g, failing := errgroup.WithContext(working)
	g.Go(func() error { return sh.run(failing) })
	g.Go(func() error { return server.Serve(public) })
	if ops != nil {
		g.Go(func() error { return operations.Serve(ops) })
	}
	g.Go(func() error { return sh.network.serve(public.Addr()) })
	greet(greeting{settings: s, modules: namesOf(sh.modules), public: public.Addr(), ops: ops, notes: notes})

	select {
	case <-ctx.Done():
	case <-failing.Done(): // one of them failed; the others end with it
	}
	p.log.InfoContext(working, "stopping")
	limited, cancel := context.WithTimeout(working, stopWithin)
	defer cancel()
	// Requests are taken to their end first: they may need others, which may call
	// back.
	stopErr := errors.Join(sh.network.withdraw(), server.Shutdown(limited), sh.network.shutdown(limited))
	endWork()
	// Operators can look until the end.
	stopErr = errors.Join(stopErr, operations.Shutdown(limited), g.Wait())
	if stopErr == nil {
		p.log.InfoContext(ctx, "stopped")
	}
	return stopErr
}

func idempotencyOf(h *module.Host) web.Idempotency {
	if h.Idempotency == nil {
		return nil
	}
	return h.Idempotency
}

// newServer makes the server of a shop that runs.
func newServer(s *settings, sh *shop, p parts) (*web.Server, error) {
	key, err := cursorKey(s, p.clock)
	if err != nil {
		return nil, err
	}
	return web.New(s.HTTP, web.Deps{
		Clock: p.clock, Log: p.log, Auth: sh.auth.Verifier, Limit: limiter(sh.limits),
		Ready: func(ctx context.Context) error {
			for _, c := range sh.checks() {
				if err := c.Do(ctx); err != nil {
					return fmt.Errorf("%s: %w", c.Name, err)
				}
			}
			return nil
		},
		Checks: func(ctx context.Context) []web.Check {
			var all []web.Check
			for _, c := range append(sh.checks(), sh.network.checks()...) {
				all = append(all, web.Check{Name: c.Name, Err: c.Do(ctx)})
			}
			return all
		},
		JWKS: func() []byte {
			text, err := json.Marshal(sh.auth.Verifier.JWKS())
			if err != nil {
				return []byte(`{"keys":[]}`)
			}
			return text
		},
		CursorKey:  key,
		Tracer:     p.tracer,
		Registerer: p.metrics, Gatherer: p.gatherer,
		Title: title, Version: version, Description: description,
	})
}

const (
	title       = "Stoa"
	description = "A shop backend: users, catalog, orders and payments, as one binary or as services."
)

// cursorKey gives the key that signs cursors of lists: made once, and kept, so
// that a list can be read on after a restart.
func cursorKey(s *settings, c clock.Clock) ([]byte, error) {
	path := filepath.Join(s.Data.Dir, "cursor.key")
	key, err := os.ReadFile(path)
	if err == nil && len(key) == 32 {
		return key, nil
	}
	key = make([]byte, 32)
	if _, err := c.Read(key); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, key, 0o600); err != nil {
		return nil, fmt.Errorf("key for cursors: %w", err)
	}
	return key, nil
}

// greeting is what a newcomer is told once the shop is open.
type greeting struct {
	settings *settings
	modules  []string
	public   net.Addr
	ops      net.Listener // nil where it is off
	notes    []string     // of --demo
}

// print says where everything is. Behind a gateway at front it says only what
// the demo has to say.
func (g greeting) print(out io.Writer, front string) {
	var b strings.Builder
	if front != "" {
		for _, n := range g.notes {
			fmt.Fprintln(&b, strings.ReplaceAll(n, "{api}", front+web.Base))
		}
		_, _ = io.WriteString(out, b.String())
		return
	}
	base := "http://" + reachable(g.public)
	fmt.Fprintf(&b, "\nStoa %s is open.\n\n", version)
	row := func(name, value string) { fmt.Fprintf(&b, "  %-12s %s\n", name, value) }
	row("modules", strings.Join(g.modules, ", "))
	row("API", base+web.Base)
	row("docs", base+"/docs")
	row("OpenAPI", base+"/openapi.json")
	if g.ops != nil {
		row("operations", "http://"+reachable(g.ops.Addr())+"/metrics, /readyz?verbose, /debug/pprof/")
	}
	if dir, err := filepath.Abs(g.settings.Data.Dir); err == nil {
		row("data", dir)
	}
	if len(g.notes) > 0 {
		b.WriteString("\n")
		for _, n := range g.notes {
			fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(n, "{api}", base+web.Base))
		}
	}
	b.WriteString("\nStop it with Ctrl-C.\n\n")
	_, _ = io.WriteString(out, b.String())
}

// reachable gives an address that a browser on this machine can open.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// limiter has the server ask the limits of the process.
func limiter(l *ratelimit.Limits) web.Limiter {
	return func(_ context.Context, name, key string) web.Decision { return l.Take(name, key) }
}
