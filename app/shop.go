package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sync/errgroup"

	"stoa/platform/auth"
	"stoa/platform/db"
	"stoa/platform/idempotency"
	"stoa/platform/inbox"
	"stoa/platform/module"
	"stoa/platform/outbox"
	"stoa/platform/ratelimit"
)

// shop is a set of modules that runs in this process.
type shop struct {
	settings *settings
	modules  []module.Module // in the order in which they start
	hosts    []*module.Host  // of each
	auth     *auth.Authority
	network  *network
	limits   *ratelimit.Limits
	log      *slog.Logger

	closers []func() error
}

// open makes a shop of modules: opens and migrates their databases and starts
// them. Background work begins with run. Exclusive refuses a data directory
// that another process serves from.
func open(ctx context.Context, s *settings, modules []module.Module, p parts, exclusive bool) (_ *shop, err error) {
	plan, err := newPlan(s, modules)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.Data.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("data.dir: %w", err)
	}
	sh := &shop{settings: s, modules: plan.here, log: p.log}
	defer func() {
		if err != nil {
			err = errors.Join(err, sh.close(context.WithoutCancel(ctx)))
		}
	}()
	if exclusive {
		if err := sh.lockData(); err != nil {
			return nil, err
		}
	}
	if sh.network, err = openNetwork(ctx, plan, p, exclusive); err != nil {
		return nil, err
	}
	sh.closers = append(sh.closers, sh.network.close)
	sh.auth = auth.NewAuthority(s.Auth, s.Data.Dir, p.clock, p.log)
	sh.limits = ratelimit.New(s.RateLimit, p.clock)
	hosts, err := sh.prepare(ctx, p)
	if err != nil {
		return nil, err
	}
	services := module.NewServices()
	for i, m := range sh.modules {
		h := hosts[i]
		h.Bind(services)
		if err := m.Start(ctx, h); err != nil {
			return nil, fmt.Errorf("start %s: %w", m.Name, err)
		}
		sh.hosts = append(sh.hosts, h)
	}
	sh.network.follow(sh)
	return sh, nil
}

// lockData keeps a second process from serving from the same files: what one
// knows of them, such as what is running, the other could not.
func (sh *shop) lockData() error {
	for _, m := range sh.modules {
		if m.Migrations == nil || sh.settings.Database.Dialect(m.Name) != db.SQLite {
			continue
		}
		path := filepath.Join(sh.settings.Data.Dir, m.Name+".lock")
		lock := flock.New(path)
		locked, err := lock.TryLock()
		if err != nil {
			return fmt.Errorf("lock data.dir: %w", err)
		}
		if !locked {
			return fmt.Errorf("another process serves %s from %s already (it holds %s); stop it, or set data.dir", m.Name, sh.settings.Data.Dir, path)
		}
		sh.closers = append(sh.closers, lock.Close)
	}
	return nil
}

// prepare makes what each module finds where it runs, for all at once: most of
// it is waiting for disks.
func (sh *shop) prepare(ctx context.Context, p parts) ([]*module.Host, error) {
	hosts := make([]*module.Host, len(sh.modules))
	g, ctx := errgroup.WithContext(ctx)
	for i, m := range sh.modules {
		g.Go(func() (err error) {
			hosts[i], err = sh.host(ctx, m, p)
			return err
		})
	}
	err := g.Wait()
	for _, h := range hosts {
		if h != nil && h.DB != nil {
			sh.closers = append(sh.closers, h.DB.Close)
		}
	}
	return hosts, err
}

// host makes what one module finds where it runs.
func (sh *shop) host(ctx context.Context, m module.Module, p parts) (*module.Host, error) {
	log := p.log.With("module", m.Name)
	h := &module.Host{
		Module: m.Name, Clock: p.clock, Log: log, Metrics: p.metrics,
		DataDir: filepath.Join(sh.settings.Data.Dir, m.Name),
		Auth:    sh.auth, Mail: p.mail, Limits: sh.limits, SagaTrace: p.trace,
	}
	sh.network.lend(h)
	if m.Migrations == nil {
		return h, nil
	}
	d, err := sh.settings.Database.Open(ctx, m.Name, sh.settings.Data.Dir, db.Options{Log: log, Clock: p.clock})
	if err != nil {
		return nil, err
	}
	if err := d.Migrate(ctx, m.Migrations); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	h.DB = d
	h.Outbox = outbox.New(m.Name, d, sh.network.bus, p.clock, log, outbox.Options{Retention: sh.settings.Outbox.Retention})
	h.Inbox = inbox.New(m.Name, d, p.clock, log, inbox.Options{Retention: sh.settings.Outbox.Retention + 24*time.Hour})
	h.Idempotency = idempotency.New(d, p.clock)
	return h, nil
}

// run does the background work of all modules until ctx ends, and waits for it.
func (sh *shop) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return sh.auth.Verifier.Run(ctx) })
	for _, h := range sh.hosts {
		if h.DB == nil {
			continue
		}
		if types := h.Inbox.Types(); len(types) > 0 {
			if err := sh.network.bus.Subscribe(ctx, h.Module, types, h.Inbox.Deliver); err != nil {
				return err
			}
			g.Go(func() error { return h.Inbox.Run(ctx) })
		}
		g.Go(func() error { return h.Idempotency.Sweep(ctx) })
		g.Go(func() error { return h.Idempotency.Renew(ctx) })
	}
	// Relays come last: every module that listens is subscribed by then.
	for _, h := range sh.hosts {
		if h.DB != nil {
			g.Go(func() error { return h.Outbox.Relay(ctx) })
		}
		for _, w := range h.Work() {
			g.Go(func() error {
				if err := w.Do(ctx); err != nil && ctx.Err() == nil {
					return fmt.Errorf("%s: %w", w.Name, err)
				}
				return nil
			})
		}
	}
	return g.Wait()
}

// check is one thing that must be well for the shop to serve.
type check struct {
	Name string
	Do   func(ctx context.Context) error
}

// checks are what this process cannot serve without.
func (sh *shop) checks() []check {
	checks := []check{{"tokens", func(context.Context) error { return sh.auth.Verifier.Ready() }}}
	for _, h := range sh.hosts {
		if h.DB != nil {
			checks = append(checks, check{"database of " + h.Module, h.DB.Ping})
		}
	}
	return checks
}

// demo fills an empty shop and gives what a newcomer should know of it.
func (sh *shop) demo(ctx context.Context) ([]string, error) {
	said := make([][]string, len(sh.hosts))
	g, ctx := errgroup.WithContext(ctx)
	for i, h := range sh.hosts {
		g.Go(func() error {
			for _, d := range h.Demos() {
				notes, err := d(ctx)
				if err != nil {
					return fmt.Errorf("demo of %s: %w", h.Module, err)
				}
				said[i] = append(said[i], notes...)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // filling takes more than serving
	return slices.Concat(said...), nil
}

// close stops the modules, the last started first, and closes what they stood on.
func (sh *shop) close(ctx context.Context) error {
	var failed error
	for _, h := range slices.Backward(sh.hosts) {
		for _, stop := range h.Stops() {
			failed = errors.Join(failed, stop(ctx))
		}
	}
	for _, c := range slices.Backward(sh.closers) {
		failed = errors.Join(failed, c())
	}
	sh.closers, sh.hosts = nil, nil
	return failed
}
