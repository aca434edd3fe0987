package service

import (
	"context"

	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
)

// searchAtOnce is how many products are made found in one transaction.
const searchAtOnce = 200

// FillSearch makes products found whose rows were copied from another database.
// Where there are none it is one look at start.
func (s *Service) FillSearch(ctx context.Context) error {
	for total := 0; ctx.Err() == nil; {
		n := 0
		err := s.write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			// One instance at a time, and no product changes under it.
			if err := tx.Lock(ctx, "search"); err != nil {
				return err
			}
			n, err = store.AddMissingSearch(ctx, tx, searchAtOnce)
			return err
		})
		if err != nil {
			if ctx.Err() == nil {
				s.log.WarnContext(ctx, "products that were copied are not all found by their words yet", "error", err)
			}
			return nil
		}
		if n == 0 {
			if total > 0 {
				s.log.InfoContext(ctx, "products that were copied are found by their words", "products", total)
			}
			return nil
		}
		total += n
	}
	return nil
}
