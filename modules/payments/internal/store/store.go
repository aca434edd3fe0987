// Package store keeps payments, attempts, refunds and their ledger. It is the
// only place that knows the module's tables. Only the service imports it; it
// holds no rule but that of two who change a payment at once one is refused.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stoa/modules/payments"
	"stoa/platform/db"
	"stoa/platform/money"
)

// ErrConflict says that somebody else has changed the payment since it was read.
var ErrConflict = errors.New("the payment was changed meanwhile")

// Payment is a payment as it is stored: what the contract shows, and what only
// the module knows. Its Attempts and Refunds stand aside, with more to each.
type Payment struct {
	payments.Payment
	Asked     money.Money // in no currency where nothing was ever asked for
	Voided    money.Money
	Refunding money.Money // on its way back; what came of it is not known
	Refusal   string      // the code with which the provider refused, empty where it did not
	Closed    bool        // the order was cancelled
	SettleAt  time.Time   // when somebody should look at what is left open; zero: nothing is
	Version   int64       // 0: not stored yet

	Attempts []Attempt
	Refunds  []Refund
}

// Attempt is a call to the provider as it is stored.
type Attempt struct {
	payments.Attempt
	RefundID  string // empty where it is no refund
	Reference string // what the provider calls what it did
}

// Refund is a refund as it is stored.
type Refund struct {
	payments.Refund
	State string
}

// The states of a refund.
const (
	RefundPending = "pending"
	RefundDone    = "done"
	RefundRefused = "refused"
)

// Entry is one movement of money.
type Entry struct {
	Kind     string
	RefundID string // empty where it is no refund
	Amount   int64  // minor units of the payment's currency
	At       time.Time
}

// The kinds of movement.
const (
	EntryAuthorized = "authorized"
	EntryCaptured   = "captured"
	EntryVoided     = "voided"
	EntryRefunded   = "refunded"
)

// Changes are what is stored with a payment: attempts and refunds that are new
// or have come to something, and what the ledger gains.
type Changes struct {
	Attempts []Attempt
	Refunds  []Refund
	Entries  []Entry
}

var (
	readPayment = db.NewStatement(`SELECT id, currency, asked, status, refusal, closed, authorized, captured, voided, refunding, refunded,
		provider, reference, settle_at, version, created_at, updated_at FROM payments WHERE order_id = $1`)
	readAttempts  = db.NewStatement(`SELECT number, operation, refund_id, outcome, code, reference, at FROM attempts WHERE order_id = $1 ORDER BY number`)
	readRefunds   = db.NewStatement(`SELECT id, amount, reason, state, created_at FROM refunds WHERE order_id = $1 ORDER BY created_at, id`)
	readRefund    = db.NewStatement(`SELECT order_id FROM refunds WHERE id = $1`)
	readUnsettled = db.NewStatement(`SELECT order_id FROM payments WHERE settle_at <= $1 ORDER BY settle_at LIMIT $2`)
)

// Load gives the payment of an order. Errors: payments.ErrPaymentNotFound.
func Load(ctx context.Context, c db.Conn, orderID string) (Payment, error) {
	var (
		p                                                        Payment
		currency                                                 string
		asked, authorized, captured, voided, refunding, refunded int64
		settle, created, updated                                 db.Time
	)
	err := readPayment.QueryRow(ctx, c, orderID).Scan(&p.ID, &currency, &asked, &p.Status, &p.Refusal, &p.Closed,
		&authorized, &captured, &voided, &refunding, &refunded, &p.Provider, &p.ProviderReference, &settle, &p.Version, &created, &updated)
	if errors.Is(err, sql.ErrNoRows) {
		return Payment{}, payments.ErrPaymentNotFound
	}
	if err != nil {
		return Payment{}, fmt.Errorf("read payment: %w", err)
	}
	in := func(amount int64) money.Money { return money.Money{Amount: amount, Currency: currency} }
	p.OrderID = orderID
	p.Asked, p.Authorized, p.Captured = in(asked), in(authorized), in(captured)
	p.Voided, p.Refunding, p.Refunded = in(voided), in(refunding), in(refunded)
	p.SettleAt, p.CreatedAt, p.UpdatedAt = settle.Time, created.Time, updated.Time

	if p.Attempts, err = attempts(ctx, c, orderID); err != nil {
		return Payment{}, fmt.Errorf("read attempts: %w", err)
	}
	if captured == 0 {
		return p, nil // there can be no refunds
	}
	if p.Refunds, err = refunds(ctx, c, orderID, currency); err != nil {
		return Payment{}, fmt.Errorf("read refunds: %w", err)
	}
	return p, nil
}

func attempts(ctx context.Context, c db.Conn, orderID string) (list []Attempt, err error) {
	rows, err := readAttempts.Query(ctx, c, orderID)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var (
			a  Attempt
			at db.Time
		)
		if err := rows.Scan(&a.Number, &a.Operation, &a.RefundID, &a.Outcome, &a.Code, &a.Reference, &at); err != nil {
			return nil, err
		}
		a.At = at.Time
		list = append(list, a)
	}
	return list, rows.Err()
}

func refunds(ctx context.Context, c db.Conn, orderID, currency string) (list []Refund, err error) {
	rows, err := readRefunds.Query(ctx, c, orderID)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r := Refund{Refund: payments.Refund{OrderID: orderID, Amount: money.Money{Currency: currency}}}
		var at db.Time
		if err := rows.Scan(&r.ID, &r.Amount.Amount, &r.Reason, &r.State, &at); err != nil {
			return nil, err
		}
		r.CreatedAt = at.Time
		list = append(list, r)
	}
	return list, rows.Err()
}

// OrderOfRefund gives the order that a refund belongs to, empty where there is
// no such refund.
func OrderOfRefund(ctx context.Context, c db.Conn, refundID string) (string, error) {
	var order string
	err := readRefund.QueryRow(ctx, c, refundID).Scan(&order)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read refund: %w", err)
	}
	return order, nil
}

// Unsettled gives orders whose payments somebody should look at by now, those
// that wait longest first.
func Unsettled(ctx context.Context, c db.Conn, now time.Time, limit int) (orders []string, err error) {
	rows, err := readUnsettled.Query(ctx, c, db.NewTime(now), limit)
	if err != nil {
		return nil, fmt.Errorf("read open payments: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var order string
		if err := rows.Scan(&order); err != nil {
			return nil, fmt.Errorf("read open payments: %w", err)
		}
		orders = append(orders, order)
	}
	return orders, rows.Err()
}
