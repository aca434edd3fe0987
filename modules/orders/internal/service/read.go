package service

import (
	"context"
	"time"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/platform/auth"
	"stoa/platform/db"
)

// ReadOrder gives an order to its customer or to staff, with what is asked for
// of other modules. Errors: orders.ErrOrderNotFound, also where it is somebody
// else's.
func (s *Service) ReadOrder(ctx context.Context, by auth.Identity, id string, with Expand) (View, error) {
	o, err := s.readOrder(ctx, by, id)
	if err != nil {
		return View{}, err
	}
	return s.expand(ctx, []orders.Order{o}, with)[0], nil
}

func (s *Service) readOrder(ctx context.Context, by auth.Identity, id string) (orders.Order, error) {
	o, err := store.ReadOrder(ctx, s.DB.Read(), id, owner(by))
	if err != nil {
		return orders.Order{}, err
	}
	return contract(o), nil
}

// ListOrders says which orders are asked for. Empty fields ask for all.
type ListOrders struct {
	By             auth.Identity
	UserID, Status string
	// PlacedAfter and PlacedBefore leave out the instants themselves.
	PlacedAfter, PlacedBefore time.Time
	// Last is where the page before ended.
	Last  Position
	Limit int
	With  Expand
}

// Position is where an order stands in a list.
type Position struct {
	PlacedAt time.Time `json:"placed_at"`
	ID       string    `json:"id"`
}

// ListOrders gives orders, the newest first, and tells whether there are more:
// a customer is given their own, staff all.
func (s *Service) ListOrders(ctx context.Context, r ListOrders) (list []View, more bool, err error) {
	rows, err := store.ListOrders(ctx, s.DB.Read(), store.Filter{
		Owner: owner(r.By), UserID: r.UserID, Status: r.Status,
		PlacedAfter: db.NewTime(r.PlacedAfter), PlacedBefore: db.NewTime(r.PlacedBefore),
		Last: store.Position{PlacedAt: db.NewTime(r.Last.PlacedAt), ID: r.Last.ID},
	}, r.Limit+1)
	if err != nil {
		return nil, false, err
	}
	page := make([]orders.Order, min(len(rows), r.Limit))
	for i := range page {
		page[i] = contract(rows[i])
	}
	return s.expand(ctx, page, r.With), len(rows) > r.Limit, nil
}

// History gives all that happened to an order, the oldest first, to its
// customer or to staff. Errors: orders.ErrOrderNotFound.
func (s *Service) History(ctx context.Context, by auth.Identity, id string) (list []orders.Event, err error) {
	err = s.DB.Snapshot(ctx, func(ctx context.Context, c db.Conn) error {
		if _, err := store.ReadOrder(ctx, c, id, owner(by)); err != nil {
			return err
		}
		events, err := store.Events(ctx, c, id)
		if err != nil {
			return err
		}
		list = make([]orders.Event, len(events))
		for i, e := range events {
			list[i] = orders.Event{Sequence: e.Sequence, Type: e.Type, At: e.At.Time, Data: e.Data}
		}
		return nil
	})
	return list, err
}
