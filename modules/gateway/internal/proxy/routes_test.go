package proxy_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/gateway"
	"stoa/modules/gateway/internal/proxy"
	"stoa/platform/directory"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

func TestReadyWhenTheRoutesAreKnown(t *testing.T) {
	t.Parallel()
	for name, needed := range map[string][]string{"any": nil, "two": {"things", "files"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, func(c *proxy.Config, _ *webtest.Options) { c.Modules = needed })
			require.Equal(t, http.StatusOK, w.Raw(t, http.MethodGet, "/livez", nil).Status)
			answer := w.Raw(t, http.MethodGet, "/readyz", nil)
			require.Equal(t, http.StatusServiceUnavailable, answer.Status)
			require.ErrorIs(t, w.Web.Ready(t.Context()), gateway.ErrNotReady)
			things := w.start("things", "t1", things("t1"))
			if len(needed) > 1 {
				require.ErrorContains(t, w.Web.Ready(t.Context()), "files")
				require.Equal(t, http.StatusServiceUnavailable, w.Raw(t, http.MethodGet, "/readyz", nil).Status)
				w.start("files", "f1", files)
			}
			w.eventually(func() bool { return w.Raw(t, http.MethodGet, "/readyz", nil).Status == http.StatusOK })
			things.leave()
			require.Equal(t, http.StatusOK, w.Raw(t, http.MethodGet, "/readyz", nil).Status, "a module that is away takes down only itself")
		})
	}
}

func TestModulesOfThisProcessAreServedWithoutAHop(t *testing.T) {
	t.Parallel()
	w := &town{t: t, changed: make(chan struct{}), asked: map[string]int{}, describe: described(t).Describe}
	w.Server = webtest.New(t, "files", func(r *web.Router) {
		files(r)
		w.proxy = proxy.New(proxy.DefaultConfig(), proxy.Deps{Log: discard(), Clock: system(), Directory: w, Describe: w.ask})
		w.proxy.Attach(r)
	})
	run(t, w.proxy)
	_, err := w.Announce(instanceAt("files", "f1", "127.0.0.1:1"), nil)
	require.NoError(t, err)
	w.start("things", "t1", things("t1"))
	require.Len(t, w.Do(t, http.MethodGet, "/files/1", nil).Body, 1024)
	require.Equal(t, http.StatusOK, w.Do(t, http.MethodGet, "/things/lamp", nil).Status)
	require.Equal(t, "GET, HEAD, OPTIONS", w.Do(t, http.MethodPut, "/files/1", nil).Header.Get("Allow"))
	require.Equal(t, "GET, HEAD, DELETE, OPTIONS", w.Do(t, http.MethodPut, "/things/lamp", nil).Header.Get("Allow"))
	require.Zero(t, w.asked["files"])
	require.Equal(t, documents(t, described(t)), documents(t, w.Web))
}

func documents(t *testing.T, s *web.Server) string {
	t.Helper()
	text, err := s.OpenAPI(false)
	require.NoError(t, err)
	return string(text)
}

func TestTheDocumentIsThatOfOneProcess(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	one := webtest.New(t, "things", things("one"), func(o *webtest.Options) { o.Idempotency = memory{} })
	files(one.Web.Router("files", nil))
	before := w.Raw(t, http.MethodGet, "/openapi.json", nil)
	require.NotContains(t, string(before.Body), "/things")
	w.start("files", "f1", files)
	w.start("things", "t1", things("t1"))
	for _, path := range []string{"/openapi.json", "/openapi.yaml", "/docs"} {
		want, got := one.Raw(t, http.MethodGet, path, nil), w.Raw(t, http.MethodGet, path, nil)
		require.Equal(t, string(want.Body), string(got.Body))
		require.Equal(t, want.Header.Get("Etag"), got.Header.Get("Etag"))
	}
}

func TestRoutesOfANewVersionAreLearnt(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.start("things", "t1", things("t1"))
	require.Equal(t, http.StatusNotFound, w.Do(t, http.MethodGet, "/wait", nil).Status)
	w.mu.Lock()
	w.describe = waiting(t).Describe
	w.mu.Unlock()
	w.start("things", "t2", things("t2"))
	w.eventually(func() bool { return w.Do(t, http.MethodGet, "/wait", nil).Status == http.StatusMethodNotAllowed })
}

func TestNonsenseOfAModuleDoesNoHarmToOthers(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	good := w.describe
	var bad atomic.Value
	w.mu.Lock()
	w.describe = func(module string) ([]byte, error) {
		if text, ok := bad.Load().(string); ok && module == "files" {
			if text == "" {
				return nil, errors.New("no route to host")
			}
			return []byte(text), nil
		}
		return good(module)
	}
	w.mu.Unlock()
	w.start("things", "t1", things("t1"))
	_, err := w.Announce(instanceAt("files", "f1", "127.0.0.1:1"), nil)
	require.NoError(t, err)
	for _, text := range []string{
		"", "nonsense", `{"module":"other"}`, `{"module":"files","operations":[{"method":"GET","path":"/api/v1/x-{y}"},{"method":"TRACE","path":"/api/v1/x"}]}`,
		`{"module":"files","operations":[{"method":"GET","path":"/api/v1/things/{id}"}],"openapi":[]}`,
	} {
		bad.Store(text)
		w.mu.Lock()
		asked := w.asked["files"]
		w.mu.Unlock()
		w.update(func() {})
		w.eventually(func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.asked["files"] > asked+1 || w.asked["files"] > asked && text != ""
		})
		require.Equal(t, http.StatusOK, w.Do(t, http.MethodGet, "/things/lamp", nil).Status, text)
	}
}

func TestServicesWithoutPublicRoutesAreNotAsked(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	_, err := w.Announce(directory.Instance{ID: "a", Module: "auth", RPC: "127.0.0.1:1"}, nil)
	require.NoError(t, err)
	w.start("things", "t1", things("t1"))
	require.Zero(t, w.asked["auth"])
}

func TestTheSameClientFindsTheSameInstance(t *testing.T) {
	t.Parallel()
	w := newTown(t, func(c *proxy.Config, o *webtest.Options) {
		c.Balancer.Policy = directory.Hash
		o.Config.TrustedProxies = []string{"127.0.0.0/8"}
	})
	w.start("things", "a", things("a"))
	w.start("things", "b", things("b"))
	by := map[string]bool{}
	for i := range 32 {
		client := "6.6.6." + itoa(i)
		var first thing
		w.Do(t, http.MethodGet, "/things/lamp", nil, "X-Forwarded-For", client).JSON(t, &first)
		by[first.By] = true
		for range 3 {
			var next thing
			w.Do(t, http.MethodGet, "/things/lamp", nil, "X-Forwarded-For", client).JSON(t, &next)
			require.Equal(t, first.By, next.By)
		}
	}
	require.Len(t, by, 2)
}

func TestADescriptionIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	first, err := described(t).Describe("things")
	require.NoError(t, err)
	second, err := described(t).Describe("things")
	require.NoError(t, err)
	require.Equal(t, string(first), string(second))
	var d web.Description
	require.NoError(t, json.Unmarshal(first, &d))
	require.Len(t, d.Operations, 5)
	require.NotContains(t, string(d.OpenAPI), "files")
}
