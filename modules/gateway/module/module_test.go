package module_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	catalogmodule "stoa/modules/catalog/module"
	"stoa/modules/gateway"
	gatewaymodule "stoa/modules/gateway/module"
	ordersmodule "stoa/modules/orders/module"
	paymentsmodule "stoa/modules/payments/module"
	usersmodule "stoa/modules/users/module"
	"stoa/platform/clock"
	"stoa/platform/config"
	"stoa/platform/directory"
	"stoa/platform/module"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

// shop is every module with routes.
func shop() []module.Module {
	return []module.Module{usersmodule.New(), catalogmodule.New(), ordersmodule.New(), paymentsmodule.New()}
}

// process is a server of some modules, which do not run.
func process(t *testing.T, modules ...module.Module) *web.Server {
	t.Helper()
	s, err := web.New(web.DefaultConfig(), web.Deps{Clock: clock.System(), Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	for _, m := range modules {
		m.Routes(s.Router(m.Name, nil))
	}
	return s
}

// gate is the gateway as the composition root runs it, before a shop whose
// modules each have a process, and what it counts.
func gate(t *testing.T) (*webtest.Server, *prometheus.Registry) {
	t.Helper()
	addresses, processes := map[string][]string{}, map[string]*web.Server{}
	for _, m := range shop() {
		processes[m.Name] = process(t, m)
		addresses[m.Name] = []string{"127.0.0.1:1/1"} // nobody is there
	}
	d, err := directory.NewStatic(addresses)
	require.NoError(t, err)
	m, registry := gatewaymodule.New(), prometheus.NewRegistry()
	h := &module.Host{
		Module: m.Name, Clock: clock.System(), Log: slog.New(slog.DiscardHandler), Metrics: registry, Directory: d,
		Describe: func(_ context.Context, name string) ([]byte, error) { return processes[name].Describe(name) },
	}
	require.NoError(t, m.Start(t.Context(), h))
	s := webtest.New(t, m.Name, m.Routes)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, work := range h.Work() {
		running.Go(func() { _ = work.Do(ctx) })
	}
	t.Cleanup(func() {
		stop()
		running.Wait()
		for _, stop := range h.Stops() {
			require.NoError(t, stop(context.Background()))
		}
	})
	require.Eventually(t, func() bool { return s.Raw(t, http.MethodGet, "/readyz", nil).Status == http.StatusOK }, 10*time.Second, 2*time.Millisecond)
	return s, registry
}

// Byte for byte.
func TestTheDocumentOfASplitShopIsThatOfOneProcess(t *testing.T) {
	t.Parallel()
	one := process(t, shop()...)
	split, _ := gate(t)
	for _, yaml := range []bool{false, true} {
		want, err := one.OpenAPI(yaml)
		require.NoError(t, err)
		got, err := split.Web.OpenAPI(yaml)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
}

// Every operation of the shop is found at the gateway, and its method is no
// other's.
func TestEveryRouteOfTheShopIsKnown(t *testing.T) {
	t.Parallel()
	split, registry := gate(t)
	routes := 0
	for _, m := range shop() {
		text, err := process(t, m).Describe(m.Name)
		require.NoError(t, err)
		var d web.Description
		require.NoError(t, json.Unmarshal(text, &d))
		require.Equal(t, m.Name, d.Module)
		for _, o := range d.Operations {
			answer := split.As("root", "admin", "staff").Do(t, o.Method, o.Path, nil)
			require.Equal(t, http.StatusServiceUnavailable, answer.Status, "%s %s: %s", o.Method, o.Path, answer.Body)
			require.Contains(t, string(answer.Body), gateway.ErrModuleUnavailable.Code)
			require.Contains(t, string(answer.Body), `"module":"`+m.Name+`"`)
			routes++
		}
	}
	require.Greater(t, routes, 40)
	count, err := testutil.GatherAndCount(registry, "stoa_gateway_tries_total")
	require.NoError(t, err)
	require.Equal(t, 4*5, count)
}

func TestWhereThereIsNoOtherProcessThereIsNothingToDo(t *testing.T) {
	t.Parallel()
	m := gatewaymodule.New()
	h := &module.Host{Module: m.Name, Clock: clock.System(), Log: slog.New(slog.DiscardHandler)}
	require.NoError(t, m.Start(t.Context(), h))
	require.Empty(t, h.Work())
	s := webtest.New(t, m.Name, m.Routes)
	require.Equal(t, http.StatusOK, s.Raw(t, http.MethodGet, "/readyz", nil).Status)
	require.Equal(t, http.StatusNotFound, s.Do(t, http.MethodGet, "/products", nil).Status)
}

func TestAGatewayThatCannotAskForRoutesDoesNotStart(t *testing.T) {
	t.Parallel()
	m := gatewaymodule.New()
	d, err := directory.NewStatic(nil)
	require.NoError(t, err)
	require.Error(t, m.Start(t.Context(), &module.Host{Module: m.Name, Directory: d}))
}

func TestSettings(t *testing.T) {
	t.Parallel()
	m := gatewaymodule.New()
	require.Equal(t, gateway.Name, m.Name)
	require.Nil(t, m.Migrations)
	require.Empty(t, m.Needs)
	_, err := config.Load(config.Sources{Set: []string{"gateway.balancer.policy=hash", "gateway.retries=0", "gateway.modules=users,catalog"}}, m.Config)
	require.NoError(t, err)
	for _, set := range []string{"gateway.balancer.policy=random", "gateway.balancer.eject_max=1ms", "gateway.retries=-1", "gateway.connect_timeout=0s", "gateway.connections=0", "gateway.nonsense=1"} {
		_, err := config.Load(config.Sources{Set: []string{set}}, gatewaymodule.New().Config)
		require.Error(t, err, set)
	}
}
