// Package service is what payments does and its rules: money is authorised,
// captured, voided and refunded at most once whatever is repeated, and of what
// is begun the end becomes known.
//
// Each call to the provider is an attempt that is stored before it is made and
// ended after it; no transaction is open meanwhile. What a crash leaves between
// the two is called again under the same key. A provider that decides in this
// process (the sandbox) has nothing outside that could be lost: there the
// attempt and its outcome are stored in one transaction, which saves each step
// of a checkout a wait for the disk.
//
// Two callers of one order wait for each other in this process; instances that
// change one payment at once are told apart by its version, and the one that
// comes second looks at what the first has made of it.
//
// Only the module's wiring and its REST routes import it. It never keeps a
// token.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
	"stoa/modules/payments/internal/store"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/errs"
	"stoa/platform/outbox"
)

// Service is the payments module's own implementation of its contract.
type Service struct {
	db       *db.DB
	outbox   *outbox.Outbox
	clock    clock.Clock
	log      *slog.Logger
	provider provider.Provider
	timeout  time.Duration
	orders   *locks
	lately   *lately
	metrics  *metrics
}

var _ payments.Service = (*Service)(nil)

// Options are what a service stands on.
type Options struct {
	DB       *db.DB
	Outbox   *outbox.Outbox
	Clock    clock.Clock
	Log      *slog.Logger
	Provider provider.Provider
	// Timeout is how long a call to the provider may take.
	Timeout time.Duration
	// Metrics is told of calls to the provider; nil is nobody.
	Metrics prometheus.Registerer
}

// New gives a service.
func New(o Options) *Service {
	return &Service{
		db: o.DB, outbox: o.Outbox, clock: o.Clock, log: o.Log,
		provider: o.Provider, timeout: o.Timeout, orders: newLocks(), lately: newLately(), metrics: newMetrics(o.Metrics),
	}
}

// Codes of attempts that failed for now.
const (
	codeInterrupted = "payments.interrupted" // the process ended before the answer came
	codeTimeout     = "payments.provider_timeout"
	codeUnavailable = "payments.provider_unavailable"
)

// retryAfter is when a caller may try again what the provider did not do.
const retryAfter = time.Second

// CheckMethod asks the provider's port, not the provider.
func (s *Service) CheckMethod(_ context.Context, r payments.CheckMethodRequest) error {
	return s.provider.Check(r.Method, r.Token)
}

// GetPayment reads the payment of an order.
func (s *Service) GetPayment(ctx context.Context, r payments.GetPaymentRequest) (payments.Payment, error) {
	var a account
	err := s.db.Snapshot(ctx, func(ctx context.Context, c db.Conn) (err error) {
		a.Payment, err = store.Load(ctx, c, r.OrderID)
		return err
	})
	if err == nil && !a.known() {
		err = payments.ErrPaymentNotFound
	}
	if err != nil {
		return payments.Payment{}, err
	}
	return a.answer(), nil
}

// with has fn change the payment of an order. fn is called again, from the
// start, when another instance has changed the payment before fn had called the
// provider.
func (s *Service) with(ctx context.Context, orderID string, fn func(a *account) error) (*account, error) {
	return s.withKnown(ctx, orderID, nil, fn)
}

// withKnown is with, where the payment may be guessed if this process remembers
// nothing of it; a nil guess is none. What is guessed or remembered counts once fn
// has stored something, which tells whether it was so; until then fn is called
// again with what is read.
func (s *Service) withKnown(ctx context.Context, orderID string, guess *account, fn func(a *account) error) (*account, error) {
	release, err := s.orders.acquire(ctx, orderID)
	if err != nil {
		return nil, err
	}
	defer release()
	a := s.lately.take(orderID)
	if a == nil {
		a = guess
	}
	for unread := a != nil; ; unread = false {
		if !unread {
			if a, err = s.load(ctx, orderID); err != nil {
				return nil, err
			}
		}
		version := a.Version
		err := fn(a)
		if errors.Is(err, store.ErrConflict) || unread && a.Version == version {
			continue
		}
		if err == nil { // otherwise there may be more here than is stored
			s.lately.keep(a)
		}
		return a, err
	}
}

// load reads the payment of an order; where there is none, a new one.
func (s *Service) load(ctx context.Context, orderID string) (*account, error) {
	p, err := store.Load(ctx, s.db.Read(), orderID)
	if errors.Is(err, payments.ErrPaymentNotFound) {
		return s.unknown(orderID), nil
	}
	if err != nil {
		return nil, err
	}
	return &account{Payment: p}, nil
}

// unknown gives the payment of an order that nothing was done about yet.
func (s *Service) unknown(orderID string) *account {
	now := s.clock.Now()
	return &account{Payment: store.Payment{Payment: payments.Payment{
		ID: s.clock.ID(), OrderID: orderID, Status: payments.StatusNone, Provider: s.provider.Name(), CreatedAt: now, UpdatedAt: now,
	}}}
}

// save stores what has changed. Errors: store.ErrConflict.
func (s *Service) save(ctx context.Context, a *account) error {
	a.SettleAt = time.Time{}
	if a.due() {
		a.SettleAt = s.clock.Now().Add(s.timeout + settlePause)
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := store.Save(ctx, tx, &a.Payment, a.changes); err != nil {
			return err
		}
		return s.outbox.Add(ctx, tx, a.OrderID, a.events...)
	})
	if err != nil {
		return err
	}
	a.Version++
	a.changes, a.events = store.Changes{}, nil
	return nil
}

// perform makes one attempt at the provider and stores what came of it.
//
// Errors: the provider's refusal; payments.ErrProviderUnavailable where the
// outcome is not known; store.ErrConflict where nothing was attempted.
func (s *Service) perform(ctx context.Context, a *account, o operation) error {
	number := a.begin(o, s.clock.Now())
	if !s.provider.Local() {
		if err := s.save(ctx, a); err != nil {
			return err
		}
	}
	began := s.clock.Now()
	reference, asked := s.call(ctx, a, o, number)
	took := s.clock.Now().Sub(began)

	// What has come of it is stored also where the caller has gone away.
	stored := context.WithoutCancel(ctx)
	for {
		if err := s.conclude(a, o, number, reference, asked); err != nil {
			return err
		}
		err := s.save(stored, a)
		if errors.Is(err, store.ErrConflict) && !s.provider.Local() {
			current, err := s.load(stored, a.OrderID)
			if err != nil {
				return err
			}
			*a = *current
			continue
		}
		if err != nil {
			return err
		}
		s.metrics.called(o.name, a.Attempts[number-1].Outcome, took)
		return failure(o, asked)
	}
}

// call asks the provider. Nobody is asked for nothing.
func (s *Service) call(ctx context.Context, a *account, o operation, number int64) (reference string, err error) {
	amount := a.amount(o)
	if amount.IsZero() {
		return "", nil
	}
	ctx, cancel := clock.WithDeadline(ctx, s.clock, s.clock.Now().Add(s.timeout))
	defer cancel()
	r := provider.Request{
		Key: a.key(o), Attempt: number, OrderID: a.OrderID, Amount: amount, Method: o.method, Token: o.token,
		AuthorizationKey: a.key(operation{name: payments.OperationAuthorize}), Reference: a.ProviderReference,
	}
	switch o.name {
	case payments.OperationAuthorize:
		return s.provider.Authorize(ctx, r)
	case payments.OperationCapture:
		return s.provider.Capture(ctx, r)
	case payments.OperationVoid:
		return s.provider.Void(ctx, r)
	default:
		return s.provider.Refund(ctx, r)
	}
}

// conclude records an answer of the provider.
func (s *Service) conclude(a *account, o operation, number int64, reference string, asked error) error {
	now := s.clock.Now()
	if asked == nil {
		return a.succeed(o, number, reference, now)
	}
	if refusal := final(asked); refusal != nil {
		return a.refuse(o, number, refusal.Code, now)
	}
	code := codeUnavailable
	if errors.Is(asked, context.DeadlineExceeded) {
		code = codeTimeout
	}
	a.fail(number, code, now)
	return nil
}

// failure gives an answer of the provider as the contract has it.
func failure(o operation, asked error) error {
	if asked == nil || final(asked) != nil {
		return asked
	}
	return payments.ErrProviderUnavailable.Because(fmt.Errorf("%s: %w", o.name, asked)).After(retryAfter)
}

// final gives the refusal in an answer of the provider; nil where there is none.
func final(asked error) *errs.Error {
	for _, refusal := range finalRefusals {
		if errors.Is(asked, refusal) {
			return refusal
		}
	}
	return nil
}
