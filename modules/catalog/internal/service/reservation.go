package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
	"stoa/platform/errs"
)

var errNoOrder = errs.ErrInvalid.Field("order_id", "is missing")

// GetOffers keeps the contract of catalog.Service.
func (s *Service) GetOffers(ctx context.Context, r catalog.GetOffersRequest) ([]catalog.Offer, error) {
	if err := catalog.CheckBatch("skus", r.SKUs); err != nil {
		return nil, err
	}
	skus := slices.Clone(r.SKUs)
	slices.Sort(skus)
	offers, err := store.Offers(ctx, s.db.Read(), slices.Compact(skus))
	if err != nil {
		return nil, fmt.Errorf("get offers: %w", err)
	}
	return offers, nil
}

// Reserve keeps the contract of catalog.Service. It asks whether there is such
// a variant, not whether it is still for sale: what was offered when the order
// was placed is honoured.
func (s *Service) Reserve(ctx context.Context, r catalog.ReserveRequest) (catalog.Reservation, error) {
	if err := r.Check(); err != nil {
		return catalog.Reservation{}, err
	}
	// In one order of SKUs, so that two orders never wait for each other.
	items := slices.Clone(r.Items)
	slices.SortFunc(items, func(a, b catalog.Item) int { return cmp.Compare(a.SKU, b.SKU) })
	now := s.clock.Now()
	made := store.Reservation{OrderID: r.OrderID, State: store.Held, Items: items, ExpiresAt: now.Add(s.cfg.ReservationTTL)}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := store.InsertReservation(ctx, tx, made, now); err != nil {
			return err
		}
		held, err := store.Hold(ctx, tx, items)
		if err == nil && len(held) < len(items) {
			err = s.cannotHold(ctx, tx, items[len(held)].SKU)
		}
		if err != nil {
			return err
		}
		for _, stock := range held {
			s.changed(tx, stock.Product)
		}
		return nil
	})
	if errors.Is(err, store.ErrReserved) {
		made, err = s.reserved(ctx, r.OrderID)
	}
	if err != nil {
		return catalog.Reservation{}, fmt.Errorf("reserve stock: %w", err)
	}
	s.held.Set(made.OrderID, made)
	return catalog.Reservation{OrderID: made.OrderID, Items: made.Items, ExpiresAt: made.ExpiresAt}, nil
}

// reserved gives what an order has been given before.
func (s *Service) reserved(ctx context.Context, orderID string) (store.Reservation, error) {
	known, ok, err := store.GetReservation(ctx, s.db.Read(), orderID)
	switch {
	case err != nil:
	case !ok: // who made it has not come to its commit
		err = db.ErrUnavailable
	case known.State == store.Released || known.State == store.Expired:
		err = catalog.ErrReservationClosed
	}
	return known, err
}

// cannotHold says why some of a SKU could not be reserved.
func (s *Service) cannotHold(ctx context.Context, tx *db.Tx, sku string) error {
	stock, ok, err := store.GetStock(ctx, tx, sku)
	switch {
	case err != nil:
		return err
	case !ok || stock.Product == 0:
		return catalog.ErrVariantNotFound.With("there is no variant %q", sku)
	}
	return catalog.InsufficientStock(sku, stock.Available())
}

// Commit keeps the contract of catalog.Service. A reservation that has expired
// is honoured all the same while everything in it is still available.
func (s *Service) Commit(ctx context.Context, r catalog.CommitRequest) error {
	if r.OrderID == "" {
		return errNoOrder
	}
	now := s.clock.Now()
	made, known := s.held.Invalidate(r.OrderID)
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if known {
			known = false // where it is not so, the next run reads it
			if err := store.CommitKnown(ctx, tx, r.OrderID, now); err != nil {
				return err
			}
			return s.sell(ctx, tx, made)
		}
		held, ok, err := store.CommitHeld(ctx, tx, r.OrderID, now)
		switch {
		case err != nil:
			return err
		case ok:
			return s.sell(ctx, tx, held)
		}
		return s.commitLate(ctx, tx, r.OrderID, now)
	})
	if err != nil {
		return fmt.Errorf("commit stock: %w", err)
	}
	return nil
}

// sell takes what an order held out of the stock.
func (s *Service) sell(ctx context.Context, tx *db.Tx, r store.Reservation) error {
	for _, item := range r.Items {
		if err := store.Sell(ctx, tx, item.SKU, item.Quantity); err != nil {
			return err
		}
	}
	return s.record(ctx, tx, store.MovementSale, r, -1)
}

// commitLate commits what is not held: it was committed before, or has expired.
func (s *Service) commitLate(ctx context.Context, tx *db.Tx, orderID string, now time.Time) error {
	known, ok, err := store.CommitExpired(ctx, tx, orderID, now)
	if err != nil {
		return err
	}
	if !ok {
		known, ok, err = store.GetReservation(ctx, tx, orderID)
		if err == nil && (!ok || known.State != store.Committed) {
			err = catalog.ErrReservationClosed
		}
		return err
	}
	for _, item := range known.Items {
		stock, ok, err := store.Move(ctx, tx, item.SKU, -item.Quantity)
		if err != nil {
			return err
		}
		if !ok {
			return catalog.ErrReservationClosed.With("the reservation expired, and %s is no longer there", item.SKU)
		}
		s.changed(tx, stock.Product)
	}
	return s.record(ctx, tx, store.MovementSale, known, -1)
}

// Release keeps the contract of catalog.Service. Said twice, it gives the same
// answer twice.
func (s *Service) Release(ctx context.Context, r catalog.ReleaseRequest) (catalog.Release, error) {
	if r.OrderID == "" {
		return catalog.Release{}, errNoOrder
	}
	var released catalog.Release
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		released, err = s.release(ctx, tx, r.OrderID)
		return err
	})
	if err != nil {
		return catalog.Release{}, fmt.Errorf("release stock: %w", err)
	}
	return released, nil
}

// OrderCanceled gives back what a cancelled order holds.
func (s *Service) OrderCanceled(orderID string) db.Effect {
	return func(ctx context.Context, tx *db.Tx) error {
		_, err := s.release(ctx, tx, orderID)
		return err
	}
}

func (s *Service) release(ctx context.Context, tx *db.Tx, orderID string) (catalog.Release, error) {
	now := s.clock.Now()
	known, err := store.LockReservation(ctx, tx, orderID, now)
	if err != nil {
		return catalog.Release{}, err
	}
	was := known.State
	known.Returned = known.Returned || was == store.Committed
	if was != store.Released {
		known.State = store.Released
		if err := store.SetReservation(ctx, tx, known, now); err != nil {
			return catalog.Release{}, err
		}
	}
	// Stock comes last: others wait for it.
	switch was {
	case store.Held:
		if err := s.free(ctx, tx, known); err != nil {
			return catalog.Release{}, err
		}
	case store.Committed:
		if err := s.publishReleased(ctx, tx, known); err != nil {
			return catalog.Release{}, err
		}
		for _, item := range known.Items {
			stock, ok, err := store.Move(ctx, tx, item.SKU, item.Quantity)
			if err != nil {
				return catalog.Release{}, err
			}
			if !ok {
				return catalog.Release{}, fmt.Errorf("%d of %s cannot be put back: there would be more than %d", item.Quantity, item.SKU, store.MaxOnHand)
			}
			s.changed(tx, stock.Product)
		}
		if err := s.record(ctx, tx, store.MovementReturn, known, 1); err != nil {
			return catalog.Release{}, err
		}
	}
	return catalog.Release{OrderID: orderID, Items: known.Items, Returned: known.Returned}, nil
}

// free says that what is reserved is given back, and does so, in the order of
// SKUs.
func (s *Service) free(ctx context.Context, tx *db.Tx, reservations ...store.Reservation) error {
	freed := map[string]int64{}
	for _, r := range reservations {
		if err := s.publishReleased(ctx, tx, r); err != nil {
			return err
		}
		for _, item := range r.Items {
			freed[item.SKU] += item.Quantity
		}
	}
	for _, sku := range slices.Sorted(maps.Keys(freed)) {
		stock, err := store.Free(ctx, tx, sku, freed[sku])
		if err != nil {
			return err
		}
		s.changed(tx, stock.Product)
	}
	return nil
}

func (s *Service) publishReleased(ctx context.Context, tx *db.Tx, r store.Reservation) error {
	return s.outbox.Add(ctx, tx, r.OrderID, catalog.StockReleased{OrderID: r.OrderID, Items: r.Items, Returned: r.Returned})
}

// record writes what an order takes (sign −1) or brings back (1) into the ledger.
func (s *Service) record(ctx context.Context, tx *db.Tx, kind string, r store.Reservation, sign int64) error {
	lines := make([]store.Movement, len(r.Items))
	for i, item := range r.Items {
		lines[i] = store.Movement{
			SKU: item.SKU, ID: s.clock.ID(), Kind: kind, Quantity: sign * item.Quantity, OrderID: r.OrderID, At: s.clock.Now(),
		}
	}
	return store.AddMovements(ctx, tx, lines)
}

// changed has what is remembered of a product forgotten after the commit.
func (s *Service) changed(tx *db.Tx, product int64) {
	tx.AfterCommit(func() { s.views.forget(product) })
}
