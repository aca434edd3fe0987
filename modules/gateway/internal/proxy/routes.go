package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"stoa/modules/gateway"
	"stoa/platform/web"
)

// routes is what modules have said of themselves.
type routes struct {
	elsewhere *web.Elsewhere
	// told is what each module said last. It is kept when the module is away:
	// its routes are not gone because nobody can answer there right now.
	told map[string]told
	// order is that in which modules were heard of: a later one takes no route
	// from an earlier.
	order    []string
	complete atomic.Bool
	missing  atomic.Pointer[string]
}

type told struct {
	text        []byte
	description web.Description
}

const (
	// again is how soon a module is asked again that did not answer.
	again = time.Second
	// asking is how long a module may take to describe itself.
	asking = 2 * time.Second
)

// Attach has the requests of a server passed on that are for modules elsewhere.
// It is called once, before Run.
func (p *Proxy) Attach(r *web.Router) { p.routes.elsewhere = r.Elsewhere(p) }

// Run learns routes until ctx ends: at once, whenever an instance comes or goes,
// and now and then.
func (p *Proxy) Run(ctx context.Context) error {
	p.routes.told = map[string]told{}
	for {
		changed := p.deps.Directory.Changed()
		pause := p.cfg.Refresh
		if !p.learn(ctx) {
			pause = min(pause, again)
		}
		p.tidy()
		timer := p.deps.Clock.NewTimer(min(pause, p.cfg.IdleTimeout))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-changed:
		case <-timer.C():
		}
		timer.Stop()
	}
}

// learn asks every module that has an instance here to describe itself. It
// tells whether all did.
func (p *Proxy) learn(ctx context.Context) (all bool) {
	r, news := &p.routes, false
	all = true
	for _, module := range p.deps.Directory.Modules() {
		if !p.public(module) || r.elsewhere.Here(module) {
			continue
		}
		d, err := p.ask(ctx, module)
		switch {
		case ctx.Err() != nil:
			return false
		case err != nil:
			all = false
			p.deps.Log.WarnContext(ctx, "a module does not tell its routes", slog.String("of", module), slog.Any("error", err))
		case !bytes.Equal(d.text, r.told[module].text):
			if _, known := r.told[module]; !known {
				r.order = append(r.order, module)
			}
			r.told[module], news = d, true
		}
	}
	if news {
		var list []web.Description
		for _, module := range r.order {
			list = append(list, r.told[module].description)
		}
		if err := r.elsewhere.Learn(list); err != nil {
			p.deps.Log.ErrorContext(ctx, "some routes cannot be served", slog.Any("error", err))
		}
	}
	r.judge(p.cfg.Modules)
	return all
}

// public tells whether a module has an instance that clients' requests can be
// passed on to.
func (p *Proxy) public(module string) bool {
	for _, i := range p.deps.Directory.Instances(module) {
		if i.HTTP != "" {
			return true
		}
	}
	return false
}

func (p *Proxy) ask(ctx context.Context, module string) (told, error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	text, err := p.deps.Describe(ctx, module)
	if err != nil {
		return told{}, err
	}
	t := told{text: text}
	if err := json.Unmarshal(text, &t.description); err != nil {
		return told{}, fmt.Errorf("read what %s says of itself: %w", module, err)
	}
	if t.description.Module != module {
		return told{}, fmt.Errorf("%s describes itself as %q", module, t.description.Module)
	}
	return t, nil
}

// judge works out whether enough is known to serve.
func (r *routes) judge(needed []string) {
	var missing []string
	for _, module := range needed {
		if _, known := r.told[module]; !known && !r.elsewhere.Here(module) {
			missing = append(missing, module)
		}
	}
	slices.Sort(missing)
	text := strings.Join(missing, ", ")
	r.missing.Store(&text)
	r.complete.Store(len(missing) == 0 && (len(needed) > 0 || len(r.told) > 0 || r.elsewhere.Any()))
}

// Ready tells why requests cannot be passed on. Error: gateway.ErrNotReady.
func (p *Proxy) Ready(context.Context) error {
	if p.routes.complete.Load() {
		return nil
	}
	if missing := p.routes.missing.Load(); missing != nil && *missing != "" {
		return gateway.ErrNotReady.With("the routes of %s are not known yet", *missing)
	}
	return gateway.ErrNotReady
}
