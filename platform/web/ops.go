package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Ops is the operations listener: metrics, profiles, and health in detail. It
// is for those who run the shop, and does not belong where customers reach it.
type Ops struct{ http *http.Server }

const (
	opsReadTimeout = 5 * time.Second
	// opsWriteTimeout leaves time for a profile.
	opsWriteTimeout = 5 * time.Minute
)

// NewOps makes the operations listener of a server.
func NewOps(s *Server) *Ops {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeHealth(w, http.StatusOK, health{Status: "live"})
	})
	mux.HandleFunc("GET /readyz", s.readyInDetail)
	if s.deps.Gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.deps.Gatherer, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	}
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &Ops{http: &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: opsReadTimeout,
		ReadTimeout:       opsReadTimeout,
		WriteTimeout:      opsWriteTimeout,
		IdleTimeout:       opsWriteTimeout,
	}}
}

// Serve serves on a listener until Shutdown, and then returns nil.
func (o *Ops) Serve(l net.Listener) error {
	if err := o.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve operations: %w", err)
	}
	return nil
}

// Shutdown stops once what runs has ended, and at the latest when ctx does.
func (o *Ops) Shutdown(ctx context.Context) error {
	if err := o.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop the operations listener: %w", err), o.http.Close())
	}
	return nil
}

// health is how /livez and /readyz answer here.
type health struct {
	Status string       `json:"status"`
	Error  string       `json:"error,omitempty"`
	Checks []checkState `json:"checks,omitempty"`
}

type checkState struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Error  string `json:"error,omitempty"`
}

// readyInDetail tells what is wrong, and with ?verbose how every part is.
func (s *Server) readyInDetail(w http.ResponseWriter, r *http.Request) {
	h, status := health{Status: "ready"}, http.StatusOK
	if err := s.Ready(r.Context()); err != nil {
		h, status = health{Status: "not ready", Error: err.Error()}, http.StatusServiceUnavailable
	}
	if r.URL.Query().Has("verbose") && s.deps.Checks != nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		for _, c := range s.deps.Checks(ctx) {
			state := checkState{Name: c.Name, Status: "ok"}
			if c.Err != nil {
				state.Status, state.Error = "failing", c.Err.Error()
			}
			h.Checks = append(h.Checks, state)
		}
	}
	writeHealth(w, status, h)
}

func writeHealth(w http.ResponseWriter, status int, h health) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(h) // fails where nobody listens any more
}
