package module_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/module"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

func TestMain(m *testing.M) { rpctest.Main(m) }

// shelf is a contract, and one side of it each below.
type shelf interface {
	Get(ctx context.Context, sku string) (string, error)
}

type own struct{}

func (*own) Get(_ context.Context, sku string) (string, error) { return sku, nil }

type client struct{ rpc *rpc.Client }

var get = rpc.Method[string, string]{Module: "shelf", Name: "Get", Idempotent: true}

func newClient(c *rpc.Client) shelf { return &client{c} }

func serve(s *rpc.Server, service shelf) { get.Handle(s, service.Get) }

func (c *client) Get(ctx context.Context, sku string) (string, error) {
	return get.Call(ctx, c.rpc, sku)
}

func host(name string, s *module.Services) *module.Host {
	h := &module.Host{Module: name}
	h.Bind(s)
	return h
}

func TestANeighbourThatRunsHereIsUsedItself(t *testing.T) {
	t.Parallel()
	services := module.NewServices()
	provider, user := host("shelf", services), host("till", services)
	user.Remote = &rpc.Client{} // is not asked
	service := &own{}
	module.Provide(provider, shelf(service), serve)
	got, err := module.Use(user, "shelf", newClient)
	require.NoError(t, err)
	require.Same(t, service, got)
}

func TestANeighbourThatRunsElsewhereIsCalled(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			provider := host("shelf", module.NewServices())
			provider.Server = s
			module.Provide(provider, shelf(&own{}), serve)
		})
		user := host("till", module.NewServices())
		user.Remote = l.Client
		got, err := module.Use(user, "shelf", newClient)
		require.NoError(t, err)
		sku, err := got.Get(t.Context(), "lamp")
		require.NoError(t, err)
		require.Equal(t, "lamp", sku)
	})
}

func TestANeighbourThatIsNowhereIsAnErrorAtStart(t *testing.T) {
	t.Parallel()
	_, err := module.Use(host("till", module.NewServices()), "shelf", newClient)
	require.EqualError(t, err, "module till needs module shelf, which does not run here")

	services := module.NewServices()
	module.Provide(host("shelf", services), 7, nil)
	_, err = module.Use(host("till", services), "shelf", newClient)
	require.ErrorContains(t, err, "provides int")
}
