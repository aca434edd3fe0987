package module_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/configs"
	"stoa/modules/catalog"
	"stoa/modules/catalog/catalogrpc"
	"stoa/modules/catalog/catalogtest"
	"stoa/modules/orders"
	ordersmodule "stoa/modules/orders/module"
	"stoa/modules/orders/ordersrpc"
	"stoa/modules/payments"
	"stoa/modules/payments/paymentsrpc"
	"stoa/modules/payments/paymentstest"
	"stoa/modules/users"
	"stoa/modules/users/usersrpc"
	"stoa/modules/users/userstest"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/config"
	"stoa/platform/config/configtest"
	"stoa/platform/db/dbtest"
	"stoa/platform/idempotency"
	"stoa/platform/inbox"
	"stoa/platform/mail/mailtest"
	"stoa/platform/module"
	"stoa/platform/money"
	"stoa/platform/outbox"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

const adaID = "0193f3a0-0000-7000-8000-00000000ada0"

// house is the module as the composition root runs it, with fakes for neighbours.
type house struct {
	module.Module
	t       *testing.T
	host    *module.Host
	bus     *bus.InProcess
	catalog *catalogtest.Fake
	mail    *mailtest.Outbox
	api     *webtest.Server
}

func start(t *testing.T) *house {
	t.Helper()
	return startBeside(t, func(s *house, c catalog.Service, p payments.Service, u users.Service) {
		services := module.NewServices()
		provide(t, services, catalog.Name, c)
		provide(t, services, payments.Name, p)
		provide(t, services, users.Name, u)
		s.host.Bind(services)
	})
}

// startSplit starts the module in a process where none of its neighbours runs.
func startSplit(t *testing.T, driver string) *house {
	t.Helper()
	return startBeside(t, func(s *house, c catalog.Service, p payments.Service, u users.Service) {
		l := rpctest.New(t, driver).Start(t, func(server *rpc.Server) {
			catalogrpc.Serve(server, c)
			paymentsrpc.Serve(server, p)
			usersrpc.Serve(server, u)
		})
		s.host.Bind(module.NewServices())
		s.host.Remote = l.Client
	})
}

func startBeside(t *testing.T, neighbours func(*house, catalog.Service, payments.Service, users.Service)) *house {
	t.Helper()
	m := ordersmodule.New()
	d := dbtest.Open(t, m.Name, m.Migrations)
	c, log, b := clock.System(), slog.New(slog.DiscardHandler), bus.NewInProcess()
	s := &house{Module: m, t: t, bus: b, catalog: catalogtest.NewFake(c), mail: &mailtest.Outbox{}}
	s.host = &module.Host{
		Module: m.Name, Clock: c, Log: log, DB: d, Mail: s.mail, Idempotency: idempotency.New(d, c),
		Outbox: outbox.New(m.Name, d, b, c, log, outbox.Options{}), Inbox: inbox.New(m.Name, d, c, log, inbox.Options{}),
	}
	neighbours(s, s.catalog, paymentstest.NewFake(c), userstest.NewFake(users.User{ID: adaID, Email: "ada@example.com", Name: "Ada"}))
	require.NoError(t, m.Start(t.Context(), s.host))

	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.host.Inbox.Run(ctx) })
	running.Go(func() { _ = s.host.Outbox.Relay(ctx) })
	for _, work := range s.host.Work() {
		running.Go(func() {
			if err := work.Do(ctx); err != nil {
				t.Errorf("%s: %v", work.Name, err)
			}
		})
	}
	require.NoError(t, b.Subscribe(ctx, m.Name, s.host.Inbox.Types(), s.host.Inbox.Deliver))
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	s.api = webtest.New(t, m.Name, m.Routes, func(o *webtest.Options) { o.Idempotency = s.host.Idempotency })
	return s
}

func provide[S any](t *testing.T, services *module.Services, name string, service S) {
	t.Helper()
	h := &module.Host{Module: name}
	h.Bind(services)
	module.Provide(h, service, nil)
}

// buy orders a lamp and waits for it.
func (s *house) buy() (o orders.Order) {
	s.t.Helper()
	a := s.api.As(adaID).Do(s.t, http.MethodPost, "/orders", `{"items": [{"sku": "lamp", "quantity": 1}],
		"shipping_address": {"name": "Ada", "line1": "1", "city": "London", "country": "GB"},
		"payment": {"method": "card", "token": "tok_approve"}}`, "Prefer", "wait=30")
	require.Equal(s.t, http.StatusCreated, a.Status, "%s", a.Body)
	a.JSON(s.t, &o)
	require.Equal(s.t, orders.StatusConfirmed, o.Status)
	return o
}

func TestTheModuleSellsAndTells(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.catalog.Sell(t, catalog.Offer{SKU: "lamp", Title: "Lamp", Price: money.Money{Amount: 500, Currency: "USD"}, Available: 5})
	heard := make(chan bus.Event, 16)
	require.NoError(t, s.bus.Subscribe(t.Context(), "listener", []string{orders.Placed{}.EventType(), orders.Confirmed{}.EventType(), orders.Canceled{}.EventType()},
		func(_ context.Context, events []bus.Event) error {
			for _, e := range events {
				heard <- e
			}
			return nil
		}))
	o := s.buy()
	for _, kind := range []string{orders.Placed{}.EventType(), orders.Confirmed{}.EventType()} {
		e := <-heard
		require.Equal(t, kind, e.Type)
		require.Equal(t, o.ID, e.Subject)
		require.NotContains(t, string(e.Data), "London")
		require.NotContains(t, string(e.Data), "tok_")
	}
	service, err := module.Use(s.host, orders.Name, ordersrpc.NewClient)
	require.NoError(t, err)
	got, err := service.GetOrder(t.Context(), orders.GetOrderRequest{ID: o.ID})
	require.NoError(t, err)
	require.Equal(t, o, got)
	letters, err := s.mail.Await(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "ada@example.com", letters[0].To)
	require.Contains(t, letters[0].Text, o.Number)
}

func TestTheModuleSellsWhereItsNeighboursRunElsewhere(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		s := startSplit(t, driver)
		s.catalog.Sell(t, catalog.Offer{SKU: "lamp", Title: "Lamp", Price: money.Money{Amount: 500, Currency: "USD"}, Available: 1})
		o := s.buy()
		require.Zero(t, s.catalog.Stock(t, "lamp").Available)
		letters, err := s.mail.Await(t.Context(), 1)
		require.NoError(t, err)
		require.Contains(t, letters[0].Text, o.Number)

		a := s.api.As(adaID).Do(t, http.MethodPost, "/orders", `{"items": [{"sku": "lamp", "quantity": 1}],
			"shipping_address": {"name": "Ada", "line1": "1", "city": "London", "country": "GB"},
			"payment": {"method": "card", "token": "tok_approve"}}`, "Prefer", "wait=30")
		require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
		var second orders.Order
		a.JSON(t, &second)
		require.Equal(t, orders.StatusRejected, second.Status)
		require.Equal(t, "catalog.insufficient_stock", second.Failure.Code)
	})
}

func TestTheModuleListensToItsNeighbours(t *testing.T) {
	t.Parallel()
	s := start(t)
	require.Equal(t, []string{
		catalog.StockReleased{}.EventType(), orders.Confirmed{}.EventType(), orders.Shipped{}.EventType(),
		payments.Refunded{}.EventType(), payments.Voided{}.EventType(), users.Deleted{}.EventType(),
	}, s.host.Inbox.Types())
}

func TestANeighbourThatIsMissingIsAnError(t *testing.T) {
	t.Parallel()
	h := &module.Host{Module: orders.Name}
	h.Bind(module.NewServices())
	err := ordersmodule.New().Start(t.Context(), h)
	for _, name := range ordersmodule.New().Needs {
		require.ErrorContains(t, err, name)
	}
}

func TestOrdersAreMadeAnewOnTheCommandLine(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.catalog.Sell(t, catalog.Offer{SKU: "lamp", Title: "Lamp", Price: money.Money{Amount: 500, Currency: "USD"}, Available: 500})
	var first orders.Order
	for i := range 5 {
		if o := s.buy(); i == 0 {
			first = o
		}
	}
	rebuild := func(args ...string) (out, progress string, err error) {
		for _, c := range s.Commands(func(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }) {
			if c.Name() != "rebuild" {
				continue
			}
			var stdout, stderr bytes.Buffer
			c.SetArgs(args)
			c.SetOut(&stdout)
			c.SetErr(&stderr)
			c.SilenceUsage = true
			err := c.ExecuteContext(t.Context())
			return stdout.String(), stderr.String(), err
		}
		require.Fail(t, "there is no such command")
		return "", "", nil
	}
	out, progress, err := rebuild()
	require.NoError(t, err)
	require.Equal(t, "5 orders were made anew\n", out)
	require.Regexp(t, regexp.MustCompile(`^5 of 5 orders, the last is [0-9a-f-]{36}\n$`), progress)
	out, _, err = rebuild("--after", first.ID)
	require.NoError(t, err)
	require.Equal(t, "4 orders were made anew\n", out)
}

func TestTheCommandsAreThere(t *testing.T) {
	t.Parallel()
	var names []string
	for _, c := range ordersmodule.New().Commands(nil) {
		names = append(names, c.Name())
	}
	require.Equal(t, []string{"rebuild", "replay"}, names)
}

func TestRoutesAreDescribedWithoutAStart(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, orders.Name, func(r *web.Router) { ordersmodule.New().Routes(r) })
	require.Equal(t, http.StatusUnauthorized, api.Do(t, http.MethodGet, "/orders", nil).Status)
	text, err := api.Web.OpenAPI(false)
	require.NoError(t, err)
	require.Contains(t, string(text), `"place-order"`)
}

func TestSettings(t *testing.T) {
	t.Parallel()
	configtest.Sections(t, configs.Reference, ordersmodule.New().Config...)
	for _, set := range []string{"orders.checkout_timeout=0s", "carts.ttl=0s", "shop.currency=XYZ", "shop.shipping.USD=-4", "shop.tax.rates.XX=19%", "orders.nonsense=1"} {
		_, err := config.Load(config.Sources{Set: []string{set}}, ordersmodule.New().Config)
		require.Error(t, err, set)
	}
}
