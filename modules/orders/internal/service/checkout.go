package service

import (
	"context"

	"stoa/modules/catalog"
	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/modules/payments"
	"stoa/platform/db"
	"stoa/platform/errs"
	"stoa/platform/money"
	"stoa/platform/saga"
)

// checkout is what a checkout has to remember until it ends; then it is wiped.
// The token is kept nowhere else.
type checkout struct {
	CartID string         `json:"cart_id,omitempty"`
	Items  []catalog.Item `json:"items"`
	Total  money.Money    `json:"total"`
	Method string         `json:"method"`
	Token  string         `json:"token"`

	// last is the order as this checkout last wrote it; nil where that is not
	// known, as in a process that has taken the checkout over.
	last *store.Order
}

// newCheckout gives what carries orders from placed to confirmed or rejected:
// stock is reserved, then money set aside, then both are taken, stock first,
// so that nobody pays for what is not there. Undoing gives back first the
// money, then the stock.
func (s *Service) newCheckout() *saga.Runner[checkout] {
	return saga.NewRunner(saga.Saga[checkout]{
		Kind: "checkout",
		Steps: []saga.Step[checkout]{
			{Name: "reserve stock", Do: s.reserveStock, Undo: s.releaseStock},
			{Name: "authorise payment", Do: s.authorizePayment, Undo: s.cancelPayment},
			{Name: "commit stock", Do: s.commitStock},       // undone by releasing
			{Name: "capture payment", Do: s.capturePayment}, // undone by cancelling
		},
		Done:   s.confirm,
		Undone: s.reject,
		Late:   orders.ErrCheckoutTimeout,
	}, s.DB, s.Clock, s.Log, saga.Options{Trace: s.SagaTrace})
}

// RunCheckouts carries checkouts on until ctx ends.
func (s *Service) RunCheckouts(ctx context.Context) error { return s.checkout.Run(ctx) }

func (s *Service) reserveStock(ctx context.Context, id string, c *checkout) (db.Effect, error) {
	r, err := s.Catalog.Reserve(ctx, catalog.ReserveRequest{OrderID: id, Items: c.Items})
	if err != nil {
		return nil, err
	}
	return s.happened(id, c, stockReserved{ExpiresAt: r.ExpiresAt.UTC()}), nil
}

func (s *Service) releaseStock(ctx context.Context, id string, c *checkout) (db.Effect, error) {
	r, err := s.Catalog.Release(ctx, catalog.ReleaseRequest{OrderID: id})
	if err != nil || len(r.Items) == 0 {
		return nil, err
	}
	return s.happened(id, c, stockReleased{Returned: r.Returned}), nil
}

func (s *Service) authorizePayment(ctx context.Context, id string, c *checkout) (db.Effect, error) {
	p, err := s.Payments.Authorize(ctx, payments.AuthorizeRequest{OrderID: id, Amount: c.Total, Method: c.Method, Token: c.Token})
	if err != nil {
		return nil, err
	}
	return s.happened(id, c, paymentAuthorized{Amount: p.Authorized}), nil
}

func (s *Service) cancelPayment(ctx context.Context, id string, c *checkout) (db.Effect, error) {
	p, err := s.Payments.Cancel(ctx, payments.CancelRequest{OrderID: id})
	if err != nil {
		return nil, err
	}
	return s.happened(id, c, givenBack(p)...), nil
}

// givenBack gives the facts of money that went back.
func givenBack(p payments.Payment) []fact {
	if p.Status == payments.StatusVoided {
		return []fact{paymentVoided{Amount: p.Authorized}}
	}
	facts := make([]fact, len(p.Refunds))
	for i, r := range p.Refunds {
		facts[i] = paymentRefunded{RefundID: r.ID, Amount: r.Amount, Captured: p.Captured, Reason: r.Reason}
	}
	return facts
}

func (s *Service) commitStock(ctx context.Context, id string, c *checkout) (db.Effect, error) {
	if err := s.Catalog.Commit(ctx, catalog.CommitRequest{OrderID: id}); err != nil {
		return nil, err
	}
	return s.happened(id, c, stockCommitted{}), nil
}

func (s *Service) capturePayment(ctx context.Context, id string, c *checkout) (db.Effect, error) {
	p, err := s.Payments.Capture(ctx, payments.CaptureRequest{OrderID: id})
	if err != nil {
		return nil, err
	}
	return s.happened(id, c, paymentCaptured{Amount: p.Captured}), nil
}

// happened gives the effect of what a step has just brought about, at the time
// it is called. It abandons the checkout of an order that is not pending any
// more: who cancelled it has told catalog and payments to give everything back,
// and they tell this module what they gave.
func (s *Service) happened(id string, c *checkout, facts ...fact) db.Effect {
	at := s.Clock.Now()
	return func(ctx context.Context, tx *db.Tx) error {
		d, err := s.pending(ctx, tx, id, c)
		for _, f := range facts {
			if err != nil {
				return err
			}
			err = d.note(at, f)
		}
		return err
	}
}

// pending gives an order that is being checked out. Errors: saga.ErrAbandoned.
func (s *Service) pending(ctx context.Context, tx *db.Tx, id string, c *checkout) (*draft, error) {
	d, err := s.draftOf(ctx, tx, id, c)
	if err == nil && d.Status != orders.StatusPending {
		err = saga.ErrAbandoned
	}
	return d, err
}

// confirm ends a checkout that went well.
func (s *Service) confirm(ctx context.Context, tx *db.Tx, id string, c *checkout) error {
	d, err := s.pending(ctx, tx, id, c)
	if err != nil {
		return err
	}
	if err := d.record(s.Clock.Now(), orderConfirmed{}); err != nil {
		return err
	}
	return s.Outbox.Add(ctx, tx, id, orders.Confirmed{OrderID: id, UserID: d.UserID, Total: c.Total})
}

// reject ends a checkout that failed, once all it took was given back. Its
// cart is open again.
func (s *Service) reject(ctx context.Context, tx *db.Tx, id string, c *checkout, cause *errs.Error) error {
	d, err := s.pending(ctx, tx, id, c)
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	if err := d.record(now, orderRejected{Code: cause.Code, Message: cause.Message}); err != nil {
		return err
	}
	if c.CartID != "" {
		if err := store.ReopenCart(ctx, tx, c.CartID, id, db.NewTime(now), db.NewTime(now.Add(s.Config.CartTTL))); err != nil {
			return err
		}
	}
	return s.Outbox.Add(ctx, tx, id, orders.Rejected{OrderID: id, UserID: d.UserID, Code: cause.Code})
}

// reserved gives what an order needs of the catalog's stock.
func reserved(items []orders.Item) []catalog.Item {
	list := make([]catalog.Item, len(items))
	for i, item := range items {
		list[i] = catalog.Item{SKU: item.SKU, Quantity: item.Quantity}
	}
	return list
}

// sold gives the lines of an order as others hear of them.
func sold(items []orders.Item) []orders.Line {
	list := make([]orders.Line, len(items))
	for i, item := range items {
		list[i] = orders.Line{SKU: item.SKU, Quantity: item.Quantity}
	}
	return list
}
