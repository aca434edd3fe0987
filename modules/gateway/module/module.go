// Package module wires the gateway module: it says what the module is to the
// rest of the house, and joins its rooms. Only binaries import it. It holds no
// rule.
package module

import (
	"context"
	"errors"

	"stoa/modules/gateway"
	"stoa/modules/gateway/internal/proxy"
	"stoa/platform/config"
	"stoa/platform/module"
	"stoa/platform/web"
)

// New gives the gateway module. It needs no neighbour: it passes requests on to
// those that the directory names, and has nothing to do in a process that knows
// no other.
func New() module.Module {
	m := &wiring{settings: proxy.DefaultConfig()}
	return module.Module{
		Name:   gateway.Name,
		Config: []config.Section{{Key: "gateway", Target: &m.settings}},
		Routes: m.routes,
		Start:  m.start,
	}
}

type wiring struct {
	settings proxy.Config
	proxy    *proxy.Proxy // from Start on, where there are other processes
}

func (m *wiring) start(_ context.Context, h *module.Host) error {
	if h.Directory == nil {
		return nil
	}
	if h.Describe == nil {
		return errors.New("the gateway cannot ask other processes for their routes")
	}
	m.proxy = proxy.New(m.settings, proxy.Deps{
		Clock: h.Clock, Log: h.Log, Directory: h.Directory, Describe: h.Describe, Metrics: h.Metrics,
	})
	h.Go("routes", m.proxy.Run)
	h.OnStop(func(context.Context) error {
		m.proxy.Close()
		return nil
	})
	return nil
}

// routes registers nothing of the gateway's own. Without Start, as where only
// documents are made, there is nobody to pass requests on.
func (m *wiring) routes(r *web.Router) {
	if m.proxy != nil {
		m.proxy.Attach(r)
	}
}
