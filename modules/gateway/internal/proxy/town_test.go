package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/gateway/internal/proxy"
	"stoa/platform/auth"
	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/errs"
	"stoa/platform/idempotency"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

// town is a shop in several processes: a gateway, and instances of two modules,
// things and files, that come and go.
type town struct {
	*webtest.Server // the gateway

	t     testing.TB
	proxy *proxy.Proxy

	mu        sync.Mutex
	instances []directory.Instance
	changed   chan struct{}
	asked     map[string]int
	describe  func(module string) ([]byte, error)
}

// newTown starts a gateway that knows no instance yet.
func newTown(t testing.TB, change ...func(*proxy.Config, *webtest.Options)) *town {
	t.Helper()
	w := &town{t: t, changed: make(chan struct{}), asked: map[string]int{}}
	describer := described(t)
	w.describe = describer.Describe
	cfg := proxy.DefaultConfig()
	w.Server = webtest.New(t, "gateway", func(r *web.Router) {
		w.proxy = proxy.New(cfg, proxy.Deps{Clock: clock.System(), Log: slog.New(slog.DiscardHandler), Directory: w, Describe: w.ask})
		w.proxy.Attach(r)
	}, func(o *webtest.Options) {
		for _, f := range change {
			f(&cfg, o)
		}
	})
	run(t, w.proxy)
	return w
}

// run learns routes until the test ends.
func run(t testing.TB, p *proxy.Proxy) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		p.Close()
	})
}

// described is a process that serves both modules.
func described(t testing.TB) *web.Server {
	t.Helper()
	s, err := web.New(web.DefaultConfig(), web.Deps{Clock: clock.System(), Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	things("description")(s.Router("things", memory{}))
	files(s.Router("files", nil))
	return s
}

func (w *town) ask(_ context.Context, module string) ([]byte, error) {
	w.mu.Lock()
	w.asked[module]++
	describe := w.describe
	w.mu.Unlock()
	return describe(module)
}

// hasten has modules say that their operations end within so long.
func (w *town) hasten(within time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	describe := w.describe
	w.describe = func(module string) ([]byte, error) {
		text, err := describe(module)
		return []byte(strings.ReplaceAll(string(text), `"timeout":2000000000`, fmt.Sprintf(`"timeout":%d`, within))), err
	}
}

// times tells how often a module was asked for its routes.
func (w *town) times(module string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[module]
}

// The town is its own directory.
func (w *town) Instances(module string) (list []directory.Instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.instances {
		if i.Module == module {
			list = append(list, i)
		}
	}
	return list
}

func (w *town) Modules() (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.instances {
		if !slices.Contains(list, i.Module) {
			list = append(list, i.Module)
		}
	}
	slices.Sort(list)
	return list
}

func (w *town) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *town) Announce(i directory.Instance, _ func() int64) (func() error, error) {
	w.update(func() { w.instances = append(w.instances, i) })
	return func() error {
		w.update(func() {
			w.instances = slices.DeleteFunc(w.instances, func(other directory.Instance) bool { return other.ID == i.ID })
		})
		return nil
	}, nil
}

func (w *town) Close() error { return nil }

func (w *town) update(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	close(w.changed)
	w.changed = make(chan struct{})
}

// announce has an instance known, and waits until the routes of its module are.
func (w *town) announce(module, id, addr string) (leave func()) {
	w.t.Helper()
	left, err := w.Announce(directory.Instance{ID: id, Module: module, HTTP: addr, Weight: 1}, nil)
	require.NoError(w.t, err)
	probe := map[string]string{"things": "/things", "files": "/files/1"}[module]
	w.eventually(func() bool {
		return w.Do(w.t, "TRACE", probe, nil).Status == http.StatusMethodNotAllowed
	})
	return func() { require.NoError(w.t, left()) }
}

func (w *town) eventually(what func() bool) {
	w.t.Helper()
	require.Eventually(w.t, what, 10*time.Second, 2*time.Millisecond)
}

// instance is a process of one module.
type instance struct {
	t     testing.TB
	web   *web.Server
	addr  string
	leave func()

	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
}

// Accept remembers connections, so that they can be cut.
func (i *instance) Accept() (net.Conn, error) {
	c, err := i.listener.Accept()
	if err == nil {
		i.mu.Lock()
		i.conns = append(i.conns, c)
		i.mu.Unlock()
	}
	return c, err
}

func (i *instance) Addr() net.Addr { return i.listener.Addr() }

func (i *instance) Close() error { return i.listener.Close() }

// accepted is how many connections there have been.
func (i *instance) accepted() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.conns)
}

// kill ends the instance as a crash would: nobody listens, and connections are
// reset in the middle of whatever they carry.
func (i *instance) kill() {
	_ = i.listener.Close()
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, c := range i.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
}

// start starts an instance of a module, known to the gateway.
func (w *town) start(module, id string, routes func(*web.Router), change ...func(*web.Config, *web.Deps)) *instance {
	w.t.Helper()
	cfg := web.DefaultConfig()
	cfg.DrainDelay = 0
	cfg.TrustedProxies = []string{"127.0.0.0/8"}
	deps := web.Deps{Clock: clock.System(), Log: slog.New(slog.DiscardHandler), Auth: webtest.Authenticator{}, CursorKey: []byte("the key of tests")}
	for _, f := range change {
		f(&cfg, &deps)
	}
	s, err := web.New(cfg, deps)
	require.NoError(w.t, err)
	routes(s.Router(module, memory{}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w.t, err)
	i := &instance{t: w.t, web: s, addr: l.Addr().String(), listener: l}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(i) // fails where it is killed
	}()
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx) // it may have been killed
		<-served
	})
	i.leave = w.announce(module, id, i.addr)
	return i
}

// thing says who served it, and what it saw.
type thing struct {
	ID     string `json:"id"`
	By     string `json:"by"`
	User   string `json:"user"`
	Client string `json:"client"`
}

type thingAnswer struct {
	ETag web.ETag `header:"ETag"`
	Body thing
}

var errNoThing = errs.New(errs.NotFound, "things.thing_not_found", "there is no such thing")

// things are the routes of a module, served by somebody.
func things(by string) func(*web.Router) {
	return func(r *web.Router) {
		get := func(ctx context.Context, in *struct {
			ID string `path:"id"`
		}) (*thingAnswer, error) {
			switch in.ID {
			case "none":
				return nil, errNoThing
			case "away":
				return nil, errs.ErrUnavailable
			case "slow":
				<-ctx.Done()
				return nil, ctx.Err()
			}
			id, _ := auth.From(ctx)
			return &thingAnswer{ETag: web.Version(3), Body: thing{ID: in.ID, By: by, User: id.UserID, Client: web.ClientIP(ctx)}}, nil
		}
		web.Register(r, web.Operation{ID: "get-thing", Method: http.MethodGet, Path: "/things/{id}", Summary: "A thing", Timeout: 2 * time.Second}, get)
		web.Register(r, web.Operation{ID: "get-my-thing", Method: http.MethodGet, Path: "/things/mine", Summary: "Mine", Access: web.SignedIn},
			func(ctx context.Context, _ *struct{}) (*thingAnswer, error) {
				id, _ := auth.From(ctx)
				return &thingAnswer{Body: thing{ID: "mine", By: by, User: id.UserID}}, nil
			})
		web.Register(r, web.Operation{ID: "clean-things", Method: http.MethodPost, Path: "/things/clean", Summary: "Clean", Access: web.Staff},
			func(context.Context, *struct{}) (*thingAnswer, error) { return &thingAnswer{Body: thing{By: by}}, nil })
		web.Register(r, web.Operation{ID: "make-thing", Method: http.MethodPost, Path: "/things", Summary: "Make", Status: http.StatusCreated, Idempotent: true},
			func(ctx context.Context, in *struct {
				Body struct {
					Name string `json:"name" minLength:"1"`
				}
			}) (*thingAnswer, error) {
				return &thingAnswer{Body: thing{ID: in.Body.Name, By: by, Client: web.ClientIP(ctx)}}, nil
			})
		web.Register(r, web.Operation{ID: "delete-thing", Method: http.MethodDelete, Path: "/things/{id}", Summary: "Delete"},
			func(context.Context, *struct {
				ID string `path:"id"`
			}) (*struct{}, error) {
				return nil, nil
			})
	}
}

// files are the routes of a module that streams both ways.
func files(r *web.Router) {
	web.Register(r, web.Operation{
		ID: "put-file", Method: http.MethodPost, Path: "/files", Summary: "Put", Upload: []string{"text/csv"}, BodyLimit: 64 << 20, Timeout: time.Minute,
	}, func(ctx context.Context, in *struct {
		Early bool `query:"early"`
	}) (*struct{ Body int64 }, error) {
		if in.Early {
			return nil, errNoThing.With("it is not wanted")
		}
		f, err := web.OpenUpload(ctx)
		if err != nil {
			return nil, err
		}
		n, err := io.Copy(io.Discard, f)
		return &struct{ Body int64 }{n}, err
	})
	web.Register(r, web.Operation{
		ID: "get-file", Method: http.MethodGet, Path: "/files/{size}", Summary: "Get", Download: []string{"text/csv"}, Timeout: time.Minute,
	}, func(_ context.Context, in *struct {
		Size  int  `path:"size"`
		Break bool `query:"break"`
	}) (*web.Download, error) {
		if in.Size < 0 {
			return nil, errNoThing
		}
		return web.Stream("text/csv", "file.csv", func(ctx context.Context, w io.Writer) error {
			line := bytes.Repeat([]byte("x"), 1024)
			for range in.Size {
				if err := ctx.Err(); err != nil {
					return err
				}
				if _, err := w.Write(line); err != nil {
					return err
				}
			}
			if in.Break {
				return io.ErrUnexpectedEOF
			}
			return nil
		}), nil
	})
}

// memory keeps nothing: it tells by its answers that a key has arrived.
type memory struct{}

func (memory) Do(ctx context.Context, r idempotency.Request, run func(ctx context.Context) (idempotency.Response, error)) (idempotency.Response, bool, error) {
	if r.Key == "again" {
		return idempotency.Response{Status: http.StatusCreated, Header: map[string]string{"Content-Type": "application/json"}, Body: []byte(`"before"`)}, true, nil
	}
	resp, err := run(ctx)
	return resp, false, err
}
