package service

import (
	"context"
	"slices"
	"time"

	"stoa/modules/catalog/internal/store"
	"stoa/platform/clock"
	"stoa/platform/db"
)

const (
	// expiryBatch is how many reservations one transaction ends.
	expiryBatch = 32
	// expiryPause is the least time between two batches. Should the clock leap,
	// and every reservation seem past its time, they end at this pace: oldest
	// first, while the checkouts among them go on to commit what is still there.
	expiryPause = time.Second
	// expiryLook is how often is looked where nothing is due.
	expiryLook = 30 * time.Second
)

// ReleaseExpired gives back what was reserved too long ago, until ctx ends.
func (s *Service) ReleaseExpired(ctx context.Context) error {
	for {
		if _, err := s.ExpireBatch(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "expired reservations are not released", "error", err)
		}
		if clock.Sleep(ctx, s.clock, s.untilExpiry(ctx)) != nil {
			return nil
		}
	}
}

// untilExpiry is how long there is nothing to release.
func (s *Service) untilExpiry(ctx context.Context) time.Duration {
	pause := min(expiryLook, s.cfg.ReservationTTL)
	if at, held, err := store.NextExpiry(ctx, s.db.Read()); err == nil && held {
		pause = min(pause, at.Sub(s.clock.Now()))
	}
	return max(pause, expiryPause)
}

// ExpireBatch gives back what the oldest reservations past their time hold, a
// few of them, and tells how many there were.
func (s *Service) ExpireBatch(ctx context.Context) (int, error) {
	now := s.clock.Now()
	due, err := store.DueReservations(ctx, s.db.Read(), now, expiryBatch)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	ended := 0
	slices.Sort(due) // in the same order wherever this runs
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		ended = 0
		var expired []store.Reservation
		for _, order := range due {
			r, ok, err := store.ExpireHeld(ctx, tx, order, now)
			if err != nil {
				return err
			}
			if ok { // and not committed or released meanwhile
				expired = append(expired, r)
			}
		}
		ended = len(expired)
		return s.free(ctx, tx, expired...)
	})
	return ended, err
}
