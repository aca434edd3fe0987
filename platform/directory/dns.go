package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"stoa/platform/clock"
)

// lookupWithin bounds one look-up of a name.
const lookupWithin = 5 * time.Second

// Resolver looks names up; a net.Resolver is one.
type Resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// DNS is a directory of what names resolve to, looked up again every
// directory.refresh. A name that cannot be looked up keeps the instances it had:
// that says something of the resolver, not of them.
type DNS struct {
	*table
	names    map[string]name
	resolver Resolver
	clock    clock.Clock
	log      *slog.Logger
	refresh  time.Duration

	stop    context.CancelFunc
	running sync.WaitGroup
	known   map[string][]Instance // by module; the refreshing goroutine's
	failing map[string]bool
}

// NewDNS gives the directory of the names in cfg.DNS. Without a resolver it asks
// the machine's.
func NewDNS(cfg Config, c clock.Clock, log *slog.Logger, r Resolver) (*DNS, error) {
	if r == nil {
		r = net.DefaultResolver
	}
	ctx, stop := context.WithCancel(context.Background())
	d := &DNS{
		table: newTable(), names: map[string]name{}, resolver: r, clock: c, log: log, refresh: cfg.Refresh,
		stop: stop, known: map[string][]Instance{}, failing: map[string]bool{},
	}
	for module, text := range cfg.DNS {
		n, err := parseName(text)
		if err != nil {
			stop()
			return nil, fmt.Errorf("directory.dns.%s: %w", module, err)
		}
		d.names[module] = n
	}
	d.running.Go(func() {
		for ctx.Err() == nil {
			d.look(ctx)
			_ = clock.Sleep(ctx, c, d.refresh) // ends early only with ctx
		}
	})
	return d, nil
}

// Announce does nothing: who keeps the names tells others.
func (*DNS) Announce(Instance, func() int64) (func() error, error) { return nothing, nil }

// Close stops looking names up.
func (d *DNS) Close() error {
	d.stop()
	d.running.Wait()
	return nil
}

// look looks every name up once.
func (d *DNS) look(ctx context.Context) {
	for module, n := range d.names {
		list, err := d.resolve(ctx, module, n)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			d.known[module] = list
			d.failing[module] = false
		case !d.failing[module]:
			d.failing[module] = true
			d.log.WarnContext(ctx, "instances cannot be looked up; those known stay", "module", module, "name", n.host, "error", err)
		}
	}
	d.set(slices.Concat(slices.Collect(maps.Values(d.known))...))
}

func (d *DNS) resolve(ctx context.Context, module string, n name) ([]Instance, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupWithin)
	defer cancel()
	var list []Instance
	add := func(host, port string, weight int) {
		i := Instance{ID: net.JoinHostPort(host, port), Module: module, Weight: weight}
		i.RPC = i.ID
		if n.public != "" {
			i.HTTP = net.JoinHostPort(host, n.public)
		}
		if !slices.ContainsFunc(list, func(other Instance) bool { return other.ID == i.ID }) {
			list = append(list, i)
		}
	}
	if n.port != "" {
		hosts, err := d.resolver.LookupHost(ctx, n.host)
		if err != nil && !unknown(err) {
			return nil, err
		}
		for _, host := range hosts {
			add(host, n.port, 1)
		}
		return list, nil
	}
	_, records, err := d.resolver.LookupSRV(ctx, "", "", n.host)
	if err != nil && !unknown(err) {
		return nil, err
	}
	for _, r := range records {
		add(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)), max(int(r.Weight), 1))
	}
	return list, nil
}

// unknown tells whether an error means that there is no such name: nobody is there.
func unknown(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound
}
