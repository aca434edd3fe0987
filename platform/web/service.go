package web

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
)

// readyWithin is how long an answer to "are you ready" may take.
const readyWithin = 2 * time.Second

// addService adds what is served beside the API.
func (s *Server) addService() {
	s.serveGet("/livez", func(_ *request, c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, jsonType)
		return c.SendString(`{"status":"live"}`)
	})
	ready := func(r *request, c *fiber.Ctx) error {
		if err := s.Ready(r.ctx); err != nil {
			return ErrNotReady.Because(err)
		}
		c.Set(fiber.HeaderContentType, jsonType)
		return c.SendString(`{"status":"ready"}`)
	}
	s.serveGet("/readyz", ready)
	s.serveGet("/health", ready)
	s.serveGet("/.well-known/jwks.json", func(r *request, c *fiber.Ctx) error {
		if s.deps.JWKS == nil {
			return ErrRouteNotFound
		}
		c.Set(fiber.HeaderContentType, "application/jwk-set+json")
		r.keep("public, max-age=60")
		return c.Send(s.deps.JWKS())
	})
	s.addDocument("/openapi.json", "application/openapi+json;version=3.1", false)
	s.addDocument("/openapi.yaml", "application/openapi+yaml;version=3.1", true)
	s.addDocs()
}

// serveGet adds something that is served for GET and HEAD.
func (s *Server) serveGet(path string, serve func(r *request, c *fiber.Ctx) error) {
	s.app.Get(path, func(c *fiber.Ctx) error {
		r := routed(c)
		r.template = path
		return serve(r, c)
	})
}

// addDocument adds the OpenAPI document in one of its forms.
func (s *Server) addDocument(path, kind string, yaml bool) {
	// It is written for the first who asks: few processes are ever asked.
	type written struct {
		table *table
		*asset
	}
	var last atomic.Pointer[written]
	s.serveGet(path, func(r *request, c *fiber.Ctx) error {
		t := s.table.Load()
		w := last.Load()
		if w == nil || w.table != t {
			text, err := s.document(t, yaml)
			if err != nil {
				return err
			}
			w = &written{t, newAsset(kind, bytes.TrimSpace(text))}
			last.Store(w)
		}
		r.keep("public, no-cache")
		return w.serve(r)
	})
}

// Ready tells why this process takes no requests right now, nil that it does.
func (s *Server) Ready(ctx context.Context) error {
	if s.draining.Load() {
		return errDraining
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if e := s.elsewhere.Load(); e != nil {
		if err := e.to.Ready(ctx); err != nil {
			return err
		}
	}
	if s.deps.Ready == nil {
		return nil
	}
	return s.deps.Ready(ctx)
}

var errDraining = ErrNotReady.With("this process is stopping")
