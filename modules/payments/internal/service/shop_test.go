package service_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	paymentsmigrations "stoa/migrations/payments"
	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
	"stoa/modules/payments/internal/service"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/money"
	"stoa/platform/outbox"
)

const timeout = 10 * time.Second

var start = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// shop is a database and a clock that services stand on.
type shop struct {
	db    *db.DB
	clock clock.Clock
}

func openShop(t testing.TB, c clock.Clock) shop {
	t.Helper()
	return shop{dbtest.Open(t, payments.Name, paymentsmigrations.FS), c}
}

// instance gives a service, as a process that starts would.
func (s shop) instance(p provider.Provider) *service.Service {
	log := slog.New(slog.DiscardHandler)
	return service.New(service.Options{
		DB: s.db, Clock: s.clock, Log: log, Provider: p, Timeout: timeout,
		Outbox: outbox.New(payments.Name, s.db, bus.NewInProcess(), s.clock, log, outbox.Options{}),
	})
}

// several are instances of a service on one database: each call goes to the next.
type several struct {
	instances []*service.Service
	calls     *atomic.Int64
}

func (s several) next() *service.Service {
	return s.instances[int(s.calls.Add(1))%len(s.instances)]
}

func (s several) CheckMethod(ctx context.Context, r payments.CheckMethodRequest) error {
	return s.next().CheckMethod(ctx, r)
}

func (s several) Authorize(ctx context.Context, r payments.AuthorizeRequest) (payments.Payment, error) {
	return s.next().Authorize(ctx, r)
}

func (s several) Capture(ctx context.Context, r payments.CaptureRequest) (payments.Payment, error) {
	return s.next().Capture(ctx, r)
}

func (s several) Cancel(ctx context.Context, r payments.CancelRequest) (payments.Payment, error) {
	return s.next().Cancel(ctx, r)
}

func (s several) Refund(ctx context.Context, r payments.RefundRequest) (payments.Refund, error) {
	return s.next().Refund(ctx, r)
}

func (s several) GetPayment(ctx context.Context, r payments.GetPaymentRequest) (payments.Payment, error) {
	return s.next().GetPayment(ctx, r)
}

func usd(amount int64) money.Money { return money.Money{Amount: amount, Currency: "USD"} }

func ask(orderID string, amount int64, token string) payments.AuthorizeRequest {
	return payments.AuthorizeRequest{OrderID: orderID, Amount: usd(amount), Method: "card", Token: token}
}

// books are the amounts of an order.
type books struct{ authorized, captured, voided, refunding, refunded int64 }

var (
	ledgerSums = db.NewStatement(`SELECT kind, SUM(amount) FROM ledger WHERE order_id = $1 GROUP BY kind`)
	balances   = db.NewStatement(`SELECT authorized, captured, voided, refunding, refunded FROM payments WHERE order_id = $1`)
	pending    = db.NewStatement(`SELECT COALESCE(SUM(amount), 0) FROM refunds WHERE order_id = $1 AND state = 'pending'`)
	published  = db.NewStatement(`SELECT event FROM outbox ORDER BY position`)
)

// ledger adds up the ledger of an order.
func ledger(ctx context.Context, c db.Conn, orderID string) (b books, err error) {
	rows, err := ledgerSums.Query(ctx, c, orderID)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var kind string
		var sum int64
		if err := rows.Scan(&kind, &sum); err != nil {
			return b, err
		}
		*map[string]*int64{"authorized": &b.authorized, "captured": &b.captured, "voided": &b.voided, "refunded": &b.refunded}[kind] = sum
	}
	return b, errors.Join(rows.Err(), pending.QueryRow(ctx, c, orderID).Scan(&b.refunding))
}

// balanced holds the amounts that are kept with an order against its ledger,
// and both against what may never be.
func (s shop) balanced(t require.TestingT, orderID string) (sums books) {
	var kept books
	require.NoError(t, s.db.Snapshot(context.Background(), func(ctx context.Context, c db.Conn) (err error) {
		if sums, err = ledger(ctx, c, orderID); err != nil {
			return err
		}
		err = balances.QueryRow(ctx, c, orderID).Scan(&kept.authorized, &kept.captured, &kept.voided, &kept.refunding, &kept.refunded)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // no payment: no ledger either
		}
		return err
	}))
	require.Equal(t, sums, kept, "balances are sums over the ledger")
	require.LessOrEqual(t, sums.captured+sums.voided, sums.authorized)
	require.LessOrEqual(t, sums.refunded+sums.refunding, sums.captured)
	return sums
}

// events gives what was published, oldest first.
func (s shop) events(t *testing.T) (list []bus.Event) {
	t.Helper()
	rows, err := published.Query(t.Context(), s.db.Read())
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		var e bus.Event
		require.NoError(t, json.Unmarshal([]byte(text), &e))
		list = append(list, e)
	}
	require.NoError(t, rows.Err())
	return list
}
