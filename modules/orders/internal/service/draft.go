package service

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/platform/db"
)

// draft is an order while a transaction changes it. Whatever happens to the
// order in one transaction goes through one draft, and is written once, before
// the commit.
type draft struct {
	store.Order
	read   int64 // the version that is stored
	events []store.Event
}

// draftKey is where a transaction keeps the draft of an order.
type draftKey struct{ id string }

// draft gives the draft of an order in this transaction; where owner is not
// empty, of one of theirs. Errors: orders.ErrOrderNotFound.
func (s *Service) draft(ctx context.Context, tx *db.Tx, id, owner string) (*draft, error) {
	if d, ok := tx.Value(draftKey{id}).(*draft); ok {
		return d, nil
	}
	o, err := store.HoldOrder(ctx, tx, id, owner)
	if err != nil {
		return nil, err
	}
	return s.drafted(tx, o), nil
}

// drafted gives the draft of an order that is as it is stored.
func (s *Service) drafted(tx *db.Tx, o store.Order) *draft {
	d := &draft{Order: o, read: o.Version}
	tx.Set(draftKey{o.ID}, d)
	tx.BeforeCommit(func(ctx context.Context, tx *db.Tx) error { return s.write(ctx, tx, d) })
	return d
}

// draftOf gives the draft of an order whose checkout runs here: of the order as
// the checkout last wrote it, where it knows that. Should somebody else have
// changed it since, the update says so, and the transaction is run again; that
// time the order is read.
func (s *Service) draftOf(ctx context.Context, tx *db.Tx, id string, c *checkout) (*draft, error) {
	if d, ok := tx.Value(draftKey{id}).(*draft); ok {
		return d, nil
	}
	var d *draft
	if last := c.last; last != nil {
		c.last, d = nil, s.drafted(tx, *last)
	} else {
		var err error
		if d, err = s.draft(ctx, tx, id, ""); err != nil {
			return nil, err
		}
	}
	tx.AfterCommit(func() { c.last = &d.Order })
	return d, nil
}

// place records that an order was placed: the first event of its stream.
func (s *Service) place(ctx context.Context, tx *db.Tx, id string, at time.Time, f orderPlaced) (store.Order, error) {
	d := &draft{Order: store.Order{ID: id}}
	if err := d.record(at, f); err != nil {
		return store.Order{}, err
	}
	if err := store.InsertOrder(ctx, tx, &d.Order); err != nil {
		return store.Order{}, err
	}
	return d.Order, store.InsertEvents(ctx, tx, d.events...)
}

// record has something happen to the order. Errors: orders.ErrInvalidTransition.
func (d *draft) record(at time.Time, f fact) error {
	if err := allowed(d.Order, f); err != nil {
		return err
	}
	data, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("%s: %w", f.eventType(), err)
	}
	d.Order = apply(d.Order, d.ID, d.Version+1, at, f)
	d.events = append(d.events, store.Event{OrderID: d.ID, Sequence: d.Version, Type: f.eventType(), At: db.NewTime(at), Data: data})
	return nil
}

// note records what another module or the checkout tells of, unless the order
// has had it already.
func (d *draft) note(at time.Time, f fact) error {
	if known(d.Order, f) {
		return nil
	}
	return d.record(at, f)
}

// write writes what happened, and what it comes to, and has those told who
// wait for the order to be settled. Errors: store.ErrStale.
func (s *Service) write(ctx context.Context, tx *db.Tx, d *draft) error {
	if len(d.events) == 0 {
		return nil
	}
	if err := store.UpdateOrder(ctx, tx, &d.Order, d.read); err != nil {
		return err
	}
	if err := store.InsertEvents(ctx, tx, d.events...); err != nil {
		return err
	}
	if d.Status != orders.StatusPending {
		tx.AfterCommit(func() { s.waiting.tell(d.Order) })
	}
	return nil
}

// change has something happen to an order, where owner is not empty one of
// theirs, in one transaction. Errors: orders.ErrOrderNotFound and what match
// and fn return.
func (s *Service) change(ctx context.Context, id, owner string, match Match, fn func(ctx context.Context, tx *db.Tx, d *draft) error) (store.Order, error) {
	var changed *draft
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if changed, err = s.draft(ctx, tx, id, owner); err != nil {
			return err
		}
		if err := match.check(changed.Version); err != nil {
			return err
		}
		return fn(ctx, tx, changed)
	})
	if err != nil {
		return store.Order{}, err
	}
	return changed.Order, nil
}
