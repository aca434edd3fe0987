package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/platform/db"
)

// place records that an order was placed: the first event of its stream.
func (s *Service) place(ctx context.Context, tx *db.Tx, id string, at time.Time, f orderPlaced) (store.Order, error) {
	o, event, err := next(store.Order{ID: id}, at, f)
	if err != nil {
		return store.Order{}, err
	}
	if err := store.InsertOrder(ctx, tx, &o); err != nil {
		return store.Order{}, err
	}
	return o, store.InsertEvents(ctx, tx, event)
}

// record has something happen to an order: its events and what they come to,
// in one transaction. It tells those who wait for the order to be settled.
// Errors: orders.ErrInvalidTransition, store.ErrStale.
func (s *Service) record(ctx context.Context, tx *db.Tx, o store.Order, at time.Time, facts ...fact) (store.Order, error) {
	before := o
	events := make([]store.Event, len(facts))
	for i, f := range facts {
		if err := allowed(o, f); err != nil {
			return store.Order{}, err
		}
		var err error
		if o, events[i], err = next(o, at, f); err != nil {
			return store.Order{}, err
		}
	}
	if err := store.UpdateOrder(ctx, tx, &o, before.Version); err != nil {
		return store.Order{}, err
	}
	if err := store.InsertEvents(ctx, tx, events...); err != nil {
		return store.Order{}, err
	}
	if before.Status == orders.StatusPending && o.Status != orders.StatusPending {
		tx.AfterCommit(func() { s.waiting.tell(o) })
	}
	return o, nil
}

// note records a fact that another module or the checkout tells of, unless the
// order has it already.
func (s *Service) note(ctx context.Context, tx *db.Tx, o store.Order, at time.Time, f fact) (store.Order, error) {
	if known(o, f) {
		return o, nil
	}
	return s.record(ctx, tx, o, at, f)
}

// next gives an order after one more event, and the event.
func next(o store.Order, at time.Time, f fact) (store.Order, store.Event, error) {
	data, err := json.Marshal(f)
	if err != nil {
		return store.Order{}, store.Event{}, fmt.Errorf("%s: %w", f.eventType(), err)
	}
	o = apply(o, o.ID, o.Version+1, at, f)
	return o, store.Event{OrderID: o.ID, Sequence: o.Version, Type: f.eventType(), At: db.NewTime(at), Data: data}, nil
}

// change loads an order, where owner is not empty one of theirs, and changes
// it in one transaction. Errors: orders.ErrOrderNotFound and what match and fn
// return.
func (s *Service) change(ctx context.Context, id, owner string, match Match, fn func(ctx context.Context, tx *db.Tx, o store.Order) (store.Order, error)) (o store.Order, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		before, err := store.ReadOrder(ctx, tx, id, owner)
		if err != nil {
			return err
		}
		if err := match.check(before.Version); err != nil {
			return err
		}
		o, err = fn(ctx, tx, before)
		o.Address = before.Address
		return err
	})
	return o, err
}

// write runs a transaction, and runs it again where another process changed
// the same at the same time.
func (s *Service) write(ctx context.Context, fn func(ctx context.Context, tx *db.Tx) error) (err error) {
	for range writeTries {
		if err = s.DB.Write(ctx, fn); !errors.Is(err, store.ErrStale) {
			return err
		}
	}
	return err
}

// writeTries is how often a transaction is run while others are quicker.
const writeTries = 5
