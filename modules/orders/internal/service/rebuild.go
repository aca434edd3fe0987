package service

import (
	"context"

	"stoa/modules/orders/internal/store"
	"stoa/platform/db"
)

// rebuildBatch is how many orders are made anew in one transaction; it bounds
// how long other writers wait.
const rebuildBatch = 100

// CountOrders gives how many orders Rebuild has to do after one with this id.
func (s *Service) CountOrders(ctx context.Context, after string) (int64, error) {
	return store.CountStreams(ctx, s.DB.Read(), after)
}

// Rebuild makes the projections of all orders anew from their events, in the
// order of their ids, from the one after an id on. Orders may change meanwhile:
// what was read of one that has had another event is thrown away and read
// again. It tells of each batch that is done: how many orders were in it, and
// the id of the last, after which another run can go on.
func (s *Service) Rebuild(ctx context.Context, after string, done func(orders int, last string)) error {
	for {
		events, err := store.Streams(ctx, s.DB.Read(), after, rebuildBatch)
		if err != nil || len(events) == 0 {
			return err
		}
		streams := split(events)
		for todo := streams; len(todo) > 0; {
			if todo, err = s.rebuild(ctx, todo); err != nil {
				return err
			}
		}
		after = events[len(events)-1].OrderID
		done(len(streams), after)
	}
}

// rebuild writes the projections of these streams, and gives those that have
// grown meanwhile as they are now.
func (s *Service) rebuild(ctx context.Context, streams [][]store.Event) (grown [][]store.Event, err error) {
	projections := make([]store.Order, len(streams))
	for i, events := range streams {
		if projections[i], err = fold(events); err != nil {
			return nil, err
		}
	}
	var missed []string
	if err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		missed = nil
		// What happens to an order while its projection is written would be
		// overwritten by what was known before.
		if err := store.HoldOrders(ctx, tx, projections[0].ID, projections[len(projections)-1].ID); err != nil {
			return err
		}
		for _, o := range projections {
			written, err := store.ReplaceOrder(ctx, tx, &o)
			if err != nil {
				return err
			}
			if !written {
				missed = append(missed, o.ID)
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for _, id := range missed {
		events, err := store.Events(ctx, s.DB.Read(), id)
		if err != nil {
			return nil, err
		}
		grown = append(grown, events)
	}
	return grown, nil
}

// split takes the streams of several orders apart, which follow one another.
func split(events []store.Event) (streams [][]store.Event) {
	for i := 0; i < len(events); {
		j := i
		for j < len(events) && events[j].OrderID == events[i].OrderID {
			j++
		}
		streams = append(streams, events[i:j:j])
		i = j
	}
	return streams
}
