package web

import (
	"context"
	"errors"
	"fmt"
	"net"

	"stoa/platform/clock"
)

// Listen serves on http.addr until Shutdown.
func (s *Server) Listen() error {
	var listen net.ListenConfig
	l, err := listen.Listen(context.Background(), "tcp", s.cfg.Addr)
	if err != nil {
		return fmt.Errorf("listen for clients: %w", err)
	}
	return s.Serve(l)
}

// Serve serves on a listener, which it closes, until Shutdown. It returns nil
// once no more connections are accepted; Shutdown waits for those there are.
func (s *Server) Serve(l net.Listener) error {
	listener, err := s.begin(l)
	if listener == nil {
		return errors.Join(err, l.Close())
	}
	defer close(s.accepted)
	if err := s.app.Server().Serve(listener); err != nil {
		return fmt.Errorf("serve clients: %w", err)
	}
	return nil
}

// begin takes a listener, unless the server was stopped before it began.
func (s *Server) begin(l net.Listener) (*listener, error) {
	s.listening.Lock()
	defer s.listening.Unlock()
	switch {
	case s.listener != nil:
		return nil, errors.New("web: a server serves once")
	case s.draining.Load():
		return nil, nil
	}
	s.listener = newListener(l, min(s.cfg.ReadTimeout, s.cfg.WriteTimeout, s.cfg.IdleTimeout)/16)
	s.app.Server().Handler = s.Handler()
	return s.listener, nil
}

// Shutdown stops without losing a request: it says that this process is not
// ready, and that connections close after their next answer; serves on for
// http.drain_delay, while clients and balancers turn elsewhere; takes what
// connections have been made, and no more; and waits for what runs. When ctx
// ends first it breaks off what is left and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.listening.Lock()
	first, l := !s.draining.Swap(true), s.listener
	s.listening.Unlock()
	if l == nil {
		return nil
	}
	if first {
		// When ctx ends early there is no more time for clients to turn away.
		_ = clock.Sleep(ctx, s.deps.Clock, s.cfg.DrainDelay)
		l.retire()
	}
	<-s.accepted
	err := s.app.Server().ShutdownWithContext(ctx)
	if ctx.Err() != nil {
		l.abort()
	}
	if err != nil {
		return fmt.Errorf("wait for requests to end: %w", err)
	}
	return nil
}

// Draining tells that Shutdown has begun.
func (s *Server) Draining() bool { return s.draining.Load() }
