package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	ordersmigrations "stoa/migrations/orders"
	"stoa/modules/catalog"
	"stoa/modules/catalog/catalogtest"
	"stoa/modules/orders"
	"stoa/modules/orders/internal/service"
	"stoa/modules/payments"
	"stoa/modules/payments/paymentstest"
	"stoa/modules/users"
	"stoa/modules/users/userstest"
	"stoa/platform/auth"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/inbox"
	"stoa/platform/mail/mailtest"
	"stoa/platform/module"
	"stoa/platform/money"
	"stoa/platform/outbox"
	"stoa/platform/saga"
)

func TestMain(m *testing.M) {
	dbtest.Examples(30)
	goleak.VerifyTestMain(m)
}

// shop is the service at work, with fakes for neighbours that do their part of
// the choreography.
type shop struct {
	*service.Service
	t        testing.TB
	db       *db.DB
	bus      *bus.InProcess
	outbox   *outbox.Outbox
	users    *userstest.Fake
	catalog  *catalogtest.Fake
	payments *paymentstest.Fake
	mail     *mailtest.Outbox
	config   service.Config
	trace    func(saga.Point)

	told int // how many of the payments' events have been published
	stop func()
}

var (
	ada   = auth.Identity{UserID: "0193f3a0-0000-7000-8000-00000000ada0"}
	bob   = auth.Identity{UserID: "0193f3a0-0000-7000-8000-00000000b0b0"}
	staff = auth.Identity{UserID: "0193f3a0-0000-7000-8000-000000005aff", Roles: []string{auth.RoleStaff}}
	home  = orders.ShippingAddress{Name: "Ada Lovelace", Line1: "12 St James's Square", City: "London", PostalCode: "SW1Y 4JH", Country: "GB"}
)

func usd(amount int64) money.Money { return money.Money{Amount: amount, Currency: "USD"} }

// newShop makes a shop that is not open yet: nothing runs in the background.
func newShop(t testing.TB) *shop {
	t.Helper()
	c := clock.System()
	s := &shop{
		t: t, db: dbtest.Open(t, orders.Name, ordersmigrations.FS), bus: bus.NewInProcess(),
		catalog: catalogtest.NewFake(c), payments: paymentstest.NewFake(c), mail: &mailtest.Outbox{},
		users: userstest.NewFake(
			users.User{ID: ada.UserID, Email: "ada@example.com", Name: "Ada"}, users.User{ID: bob.UserID, Email: "bob@example.com", Name: "Bob"}),
		config: service.Config{CheckoutTimeout: 30 * time.Second, CartTTL: 720 * time.Hour, Shop: service.DefaultShop()},
	}
	return s
}

// open starts the service as a new process would, and what runs in the background.
func (s *shop) open() *shop {
	s.t.Helper()
	s.start()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	work := func(name string, do func(ctx context.Context) error) {
		running.Go(func() {
			if err := do(ctx); err != nil {
				s.t.Errorf("%s: %v", name, err)
			}
		})
	}
	in := inbox.New(orders.Name, s.db, s.Clock, s.Log, inbox.Options{})
	s.follow(in)
	require.NoError(s.t, s.bus.Subscribe(ctx, orders.Name, in.Types(), in.Deliver))
	require.NoError(s.t, s.bus.Subscribe(ctx, "neighbours", []string{orders.Canceled{}.EventType()}, s.giveBack))
	work("inbox", in.Run)
	work("relay", s.outbox.Relay)
	work("checkouts", s.RunCheckouts)
	s.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	s.t.Cleanup(func() { s.stop() })
	return s
}

// start makes the service and nothing more.
func (s *shop) start() {
	c, log := clock.System(), slog.New(slog.DiscardHandler)
	s.outbox = outbox.New(orders.Name, s.db, s.bus, c, log, outbox.Options{})
	s.Service = service.New(service.Deps{
		DB: s.db, Clock: c, Log: log, Outbox: s.outbox, Mail: s.mail, Users: s.users, Catalog: s.catalog, Payments: s.payments,
		Config: s.config, SagaTrace: s.trace,
	})
}

func (s *shop) follow(in *inbox.Inbox) {
	s.t.Helper()
	h := &module.Host{Module: orders.Name, Inbox: in}
	require.NoError(s.t, module.On(h, "stock released", s.OnStockReleased))
	require.NoError(s.t, module.On(h, "payment voided", s.OnPaymentVoided))
	require.NoError(s.t, module.On(h, "payment refunded", s.OnPaymentRefunded))
	require.NoError(s.t, module.On(h, "erase user", s.OnUserDeleted))
	require.NoError(s.t, module.On(h, "confirmation letter", s.OnConfirmed))
	require.NoError(s.t, module.On(h, "shipping letter", s.OnShipped))
}

// giveBack is what catalog and payments do when an order is cancelled.
func (s *shop) giveBack(ctx context.Context, events []bus.Event) error {
	for _, e := range events {
		r, err := s.catalog.Release(ctx, catalog.ReleaseRequest{OrderID: e.Subject})
		if err != nil {
			return err
		}
		if len(r.Items) > 0 {
			s.say(catalog.Name, e.Subject, catalog.StockReleased(r))
		}
		if _, err := s.payments.Cancel(ctx, payments.CancelRequest{OrderID: e.Subject}); err != nil {
			return err
		}
	}
	s.sayPayments()
	return nil
}

// sayPayments publishes what payments would have published since it was last called.
func (s *shop) sayPayments() {
	for _, e := range s.payments.Events()[s.told:] {
		s.told++
		switch e := e.(type) {
		case payments.Voided:
			s.say(payments.Name, e.OrderID, e)
		case payments.Refunded:
			s.say(payments.Name, e.OrderID, e)
		}
	}
}

var sequence = map[string]int64{}
var sequenceMu sync.Mutex

// say publishes an event of a neighbour.
func (s *shop) say(source, subject string, data bus.Data) {
	s.t.Helper()
	text, err := json.Marshal(data)
	require.NoError(s.t, err)
	sequenceMu.Lock()
	sequence[source+subject]++
	n := sequence[source+subject]
	sequenceMu.Unlock()
	require.NoError(s.t, s.bus.Publish(context.Background(), []bus.Event{{
		ID: s.Clock.ID(), Source: source, Type: data.EventType(), Subject: subject, Sequence: n, Time: s.Clock.Now(), Data: text,
	}}))
}

// sell puts something on sale and gives its SKU.
func (s *shop) sell(sku string, price money.Money, onHand int64) string {
	s.catalog.Sell(s.t, catalog.Offer{SKU: sku, Title: "The " + sku, Price: price, Available: onHand})
	return sku
}

// ask is an order of one of each of these.
func ask(token string, skus ...string) service.PlaceOrder {
	r := service.PlaceOrder{By: ada, ShippingAddress: &orders.ShippingAddress{}, Method: "card", Token: token, Wait: 30 * time.Second}
	*r.ShippingAddress = home
	for _, sku := range skus {
		r.Items = append(r.Items, orders.Line{SKU: sku, Quantity: 1})
	}
	return r
}

func (s *shop) buy(token string, skus ...string) orders.Order {
	s.t.Helper()
	o, err := s.PlaceOrder(s.t.Context(), ask(token, skus...))
	require.NoError(s.t, err)
	return o
}

// order reads an order as staff.
func (s *shop) order(id string) orders.Order {
	s.t.Helper()
	v, err := s.ReadOrder(s.t.Context(), staff, id, service.Expand{})
	require.NoError(s.t, err)
	return v.Order
}

// steps gives what happened to an order, which it holds to be gapless.
func (s *shop) steps(id string) string {
	s.t.Helper()
	events, err := s.History(s.t.Context(), staff, id)
	require.NoError(s.t, err)
	var types []string
	for i, e := range events {
		require.EqualValues(s.t, i+1, e.Sequence)
		types = append(types, e.Type)
	}
	return strings.Join(types, " ")
}

// stock gives what is on hand and reserved.
func (s *shop) stock(sku string) string {
	s.t.Helper()
	k := s.catalog.Stock(s.t, sku)
	return fmt.Sprintf("%d on hand, %d reserved", *k.OnHand, *k.Reserved)
}

// money gives what payments holds of an order.
func (s *shop) money(id string) string {
	s.t.Helper()
	p, err := s.payments.GetPayment(s.t.Context(), payments.GetPaymentRequest{OrderID: id})
	if err != nil {
		require.ErrorIs(s.t, err, payments.ErrPaymentNotFound)
		return "none"
	}
	return fmt.Sprintf("%s %d-%d", p.Status, p.Captured.Amount, p.Refunded.Amount)
}

// quiet holds that nothing is left to do: no checkout, no event. What is done is
// marked so within 50 ms.
func (s *shop) quiet() {
	s.t.Helper()
	pass(s.t, 50*time.Millisecond)
	for _, open := range []string{"sagas WHERE ended_at IS NULL", "inbox WHERE state <> 'done'", "outbox WHERE sent_at IS NULL"} {
		var n int
		require.NoError(s.t, s.db.Read().QueryRowContext(s.t.Context(), "SELECT count(*) FROM "+open).Scan(&n))
		require.Zero(s.t, n, open)
	}
}

// bubble runs a test in which time passes only while everything waits.
func bubble(t *testing.T, test func(t *testing.T, s *shop)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newShop(t)) })
}

// pass lets time pass.
func pass(t testing.TB, d time.Duration) {
	t.Helper()
	require.NoError(t, clock.Sleep(t.Context(), clock.System(), d))
	synctest.Wait()
}
