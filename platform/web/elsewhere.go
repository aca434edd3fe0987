package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// Forwarder passes requests on to modules that run in other processes.
type Forwarder interface {
	// Forward has the request of p answered. It reports with p.Answered, or
	// with the error that the caller is told.
	Forward(p *Passage) error
	// Ready tells why requests cannot be passed on, nil that they can. It is part
	// of the server's own Ready.
	Ready(ctx context.Context) error
}

// Elsewhere are the operations of modules that run in other processes. All that
// the server does for its own operations before it calls their handlers it does
// for these too.
type Elsewhere struct {
	server *Server
	to     Forwarder
}

// Elsewhere has requests for operations of other processes passed on. Which
// those are it is told by Learn.
func (r *Router) Elsewhere(to Forwarder) *Elsewhere {
	e := &Elsewhere{server: r.server, to: to}
	if !r.server.elsewhere.CompareAndSwap(nil, e) {
		panic("web: there is somebody already who passes requests on")
	}
	return e
}

// Learn takes up which modules run elsewhere, instead of what it was told
// before. Modules that run here are left out: they are served here. Where two
// claim a route it belongs to the one that comes first. Its error names the
// operations that cannot be passed on; all others are.
func (e *Elsewhere) Learn(list []Description) error {
	s, t := e.server, &table{modules: map[string]bool{}}
	here := map[string]bool{}
	var bad []error
	for _, o := range s.operations {
		here[o.router.module] = true
		bad = append(bad, t.add(o))
	}
	for _, d := range list {
		if here[d.Module] {
			continue
		}
		t.modules[d.Module] = true
		t.documents = append(t.documents, d.OpenAPI)
		router := &Router{server: s, module: d.Module}
		for _, described := range d.Operations {
			o := described.operation(router)
			o.to = e.to
			s.metrics.prepare(o)
			bad = append(bad, t.add(o))
		}
	}
	if len(t.documents) > 0 {
		// A document that cannot be put together is found now, not when it is asked for.
		_, err := s.document(t, false)
		bad = append(bad, err)
	}
	s.table.Store(t)
	if err := errors.Join(bad...); err != nil {
		return fmt.Errorf("learn which operations there are: %w", err)
	}
	return nil
}

// operation gives what is described as an operation whose handler is elsewhere.
func (d Described) operation(r *Router) *operation {
	o := &operation{
		Operation: Operation{ID: d.ID, Method: d.Method, Access: d.Access, NoIdentity: d.NoIdentity, Limit: d.Limit, Timeout: d.Timeout},
		router:    r, route: d.Path, limit: d.BodyLimit, timeout: d.Timeout, described: d,
	}
	if o.timeout <= 0 {
		o.timeout = r.server.cfg.WriteTimeout
	}
	if d.Upload {
		o.Upload = []string{"*/*"} // which they are is for the module to judge
	}
	return o
}

// passOn answers a request that is for another process, where it is.
func (s *Server) passOn(r *request, t *table) bool {
	path := r.http.URI().PathOriginal()
	o := t.find(path, methodOf(r.http.Method()))
	switch {
	case o == nil:
		return s.refuseMethod(r, t.allowed(path))
	case o.to == nil:
		return false
	}
	r.op = o
	r.begin()
	p := (*Passage)(r)
	if err := p.admit(); err != nil {
		r.fail(err)
	} else if err := o.to.Forward(p); err != nil {
		p.failed(err)
	}
	if !r.detached {
		r.deadline.end()
	}
	return true
}

// nowhere is why there is nothing at an address: while it is not known what
// other processes serve, nobody can say that there is not.
func (s *Server) nowhere(r *request) error {
	if e := s.elsewhere.Load(); e != nil && strings.HasPrefix(string(r.http.URI().PathOriginal()), Base+"/") {
		if err := e.to.Ready(r.ctx); err != nil {
			return err
		}
	}
	return ErrRouteNotFound
}

// refuseMethod answers a request whose path is known to another process, but
// not with that method, as a process answers one of its own.
func (s *Server) refuseMethod(r *request, found [len(methods)]*operation) bool {
	elsewhere := slices.ContainsFunc(found[:], func(o *operation) bool { return o != nil && o.to != nil })
	if !elsewhere {
		return false
	}
	var allow []string
	for i, o := range found {
		if o != nil {
			allow = append(allow, methods[i])
		}
	}
	r.template = noRoute // and yet the path may hold a secret
	r.http.Response.Header.Set(fasthttp.HeaderAllow, strings.Join(append(allow, http.MethodOptions), ", "))
	if r.http.IsOptions() {
		r.http.SetStatusCode(http.StatusNoContent)
		return true
	}
	r.fail(ErrMethodNotAllowed)
	return true
}

// Here tells whether a module's operations are served by this process.
func (e *Elsewhere) Here(module string) bool {
	return slices.ContainsFunc(e.server.operations, func(o *operation) bool { return o.router.module == module })
}

// Any tells whether this process has operations of its own.
func (e *Elsewhere) Any() bool { return len(e.server.operations) > 0 }
