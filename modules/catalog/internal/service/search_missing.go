package service

import (
	"context"
	"time"

	"stoa/modules/catalog/internal/store"
	"stoa/platform/clock"
	"stoa/platform/db"
)

// searchAtOnce is how many products are made found in one transaction.
const searchAtOnce = 200

// fillEvery is how often it is looked for products that are not found.
const fillEvery = time.Hour

// FillSearch makes products found whose rows were copied from another database,
// at start and now and then, until ctx ends.
func (s *Service) FillSearch(ctx context.Context) error {
	for {
		n, err := s.fillSearch(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			s.log.WarnContext(ctx, "products that were copied are not all found by their words yet", "error", err)
		case n > 0:
			s.log.InfoContext(ctx, "products that were copied are found by their words", "products", n)
		}
		if clock.Sleep(ctx, s.clock, fillEvery) != nil {
			return nil
		}
	}
}

func (s *Service) fillSearch(ctx context.Context) (total int, err error) {
	for {
		n := 0
		err := s.write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			// One instance at a time, and no product is half there.
			if err := tx.Lock(ctx, "search"); err != nil {
				return err
			}
			n, err = store.AddMissingSearch(ctx, tx, searchAtOnce)
			return err
		})
		total += n
		if err != nil || n == 0 {
			return total, err
		}
	}
}
