package directory_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
	"stoa/platform/config"
	"stoa/platform/directory"
)

func TestStaticGivesWhatIsWrittenDown(t *testing.T) {
	t.Parallel()
	d, err := directory.NewStatic(map[string][]string{
		"catalog": {"10.0.0.8:7000", "10.0.0.7:7000/8080*2"},
		"orders":  {"[::1]:7001/8081"},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"catalog", "orders"}, d.Modules())
	require.Equal(t, []directory.Instance{
		{ID: "10.0.0.7:7000/8080*2", Module: "catalog", RPC: "10.0.0.7:7000", HTTP: "10.0.0.7:8080", Weight: 2},
		{ID: "10.0.0.8:7000", Module: "catalog", RPC: "10.0.0.8:7000", Weight: 1},
	}, d.Instances("catalog"))
	require.Equal(t, "[::1]:8081", d.Instances("orders")[0].HTTP)
	require.Empty(t, d.Instances("payments"))
	leave, err := d.Announce(directory.Instance{Module: "payments"}, idle)
	require.NoError(t, err)
	require.NoError(t, leave())
}

func TestAddressesThatWillNotDoAreToldByTheConfiguration(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "10.0.0.7", ":7000", "a:0", "a:70000", "a:b", "a:1/", "a:1/x", "a:1*0", "a:1*x", "a:1/2*-1"} {
		cfg := directory.DefaultConfig()
		cfg.Static = map[string][]string{"catalog": {text}}
		require.Error(t, cfg.Validate(), text)
		_, err := directory.NewStatic(cfg.Static)
		require.ErrorContains(t, err, "directory.static.catalog", text)
	}
	cfg := directory.DefaultConfig()
	cfg.DNS = map[string]string{"catalog": "nonsense"}
	require.Error(t, cfg.Validate())

	cfg = directory.DefaultConfig()
	_, err := config.Load(config.Sources{Set: []string{"directory.driver=static", "directory.static.catalog=a:1,b:2/3"}}, []config.Section{{Key: "directory", Target: &cfg}})
	require.NoError(t, err)
	d, err := directory.Open(cfg, nil, clock.System(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Len(t, d.Instances("catalog"), 2)
	cfg.Driver = directory.DriverNATS
	_, err = directory.Open(cfg, nil, clock.System(), slog.New(slog.DiscardHandler))
	require.Error(t, err)
}

// names is a resolver that a test tells what to answer.
type names struct {
	mu    sync.Mutex
	hosts []string
	err   error
}

func (n *names) answer(err error, hosts ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts, n.err = hosts, err
}

func (n *names) LookupHost(context.Context, string) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hosts, n.err
}

func (n *names) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if service != "" || proto != "" || name != "_rpc._tcp.orders.internal" {
		return "", nil, errors.New("asked for something else")
	}
	return "", []*net.SRV{{Target: "two.orders.internal.", Port: 7002, Weight: 5}, {Target: "one.orders.internal.", Port: 7001}}, nil
}

func TestNamesAreLookedUpAgain(t *testing.T) {
	t.Parallel()
	n := &names{}
	n.answer(nil, "10.0.0.7", "10.0.0.8", "10.0.0.7")
	cfg := directory.DefaultConfig()
	cfg.Driver = directory.DriverDNS
	cfg.DNS = map[string]string{"catalog": "catalog.internal:7000/8080", "orders": "_rpc._tcp.orders.internal/8080"}
	require.NoError(t, cfg.Validate())
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
	d, err := directory.NewDNS(cfg, c, slog.New(slog.DiscardHandler), n)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })

	list := await(t, d, "catalog", count(2))
	require.Equal(t, directory.Instance{ID: "10.0.0.7:7000", Module: "catalog", RPC: "10.0.0.7:7000", HTTP: "10.0.0.7:8080", Weight: 1}, list[0])
	require.Equal(t, []directory.Instance{
		{ID: "one.orders.internal:7001", Module: "orders", RPC: "one.orders.internal:7001", HTTP: "one.orders.internal:8080", Weight: 1},
		{ID: "two.orders.internal:7002", Module: "orders", RPC: "two.orders.internal:7002", HTTP: "two.orders.internal:8080", Weight: 5},
	}, d.Instances("orders"))

	next := func() {
		c.AwaitTimers(1)
		c.Advance(time.Second)
		c.AwaitTimers(1)
	}
	n.answer(errors.New("the resolver is away"))
	next()
	require.Len(t, d.Instances("catalog"), 2, "what is known stays")
	n.answer(nil, "10.0.0.9")
	next()
	require.Equal(t, "10.0.0.9:7000", await(t, d, "catalog", count(1))[0].ID)
	n.answer(&net.DNSError{Err: "no such host", IsNotFound: true})
	next()
	require.Empty(t, d.Instances("catalog"), "nobody has the name")
}

func TestAListenerOnAllAddressesIsReachedUnderOne(t *testing.T) {
	t.Parallel()
	cfg := directory.DefaultConfig()
	bound := func(text string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", text)
		require.NoError(t, err)
		return a
	}
	require.Equal(t, "127.0.0.1:7000", directory.Reachable(cfg, nil, bound("127.0.0.1:7000")))
	require.Equal(t, "127.0.0.1:7000", directory.Reachable(cfg, connect(t, broker(t)), bound("0.0.0.0:7000")))
	host, port, err := net.SplitHostPort(directory.Reachable(cfg, nil, bound("[::]:7000")))
	require.NoError(t, err)
	require.Equal(t, "7000", port)
	require.False(t, net.ParseIP(host).IsUnspecified())
	cfg.Host = "catalog-1.internal"
	require.Equal(t, "catalog-1.internal:7000", directory.Reachable(cfg, nil, bound("127.0.0.1:7000")))
}
