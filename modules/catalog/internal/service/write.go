package service

import (
	"context"
	"errors"
	"fmt"

	"stoa/platform/db"
)

// Several instances may change the catalogue at once. They meet in this order,
// so that none waits for another in a circle: categories, products, the numbers
// of new ones, stock by SKU, and the list of what is in stock.
//
// Where a category is, products rely on: whoever changes categories excludes
// whoever changes products, who do not exclude each other. A product that is
// changed is locked before it is read. Slugs, SKUs and what is available are
// held by the tables themselves.

// writeTries is how often a change is tried that others come before.
const writeTries = 10

var (
	// errRaced says that what a change was decided by has changed meanwhile.
	errRaced = errors.New("somebody else was faster")
	// errNewCategories says that a change makes categories, and must be alone.
	errNewCategories = errors.New("it makes categories")
)

// write is db.Write that runs fn again where another transaction has taken a
// slug, a SKU or stock that fn had found free: then fn sees so.
func (s *Service) write(ctx context.Context, fn func(ctx context.Context, tx *db.Tx) error) error {
	for try := 1; ; try++ {
		err := s.db.Write(ctx, fn)
		switch raced := db.IsUnique(err) || errors.Is(err, errRaced); {
		case raced && try == writeTries:
			return db.ErrUnavailable.Because(fmt.Errorf("%w, %d times: %w", errRaced, try, err))
		case !raced:
			return err
		}
	}
}

// lockCategories has categories stay as they are; alone, they may be changed.
func lockCategories(ctx context.Context, tx *db.Tx, alone bool) error {
	const categories = "categories"
	if alone {
		return tx.Lock(ctx, categories)
	}
	return tx.LockShared(ctx, categories)
}

func (s *Service) writeProducts(ctx context.Context, fn func(ctx context.Context, tx *db.Tx) error) error {
	return s.writeInCategories(ctx, false, fn)
}

func (s *Service) writeCategories(ctx context.Context, fn func(ctx context.Context, tx *db.Tx) error) error {
	return s.writeInCategories(ctx, true, fn)
}

func (s *Service) writeInCategories(ctx context.Context, alone bool, fn func(ctx context.Context, tx *db.Tx) error) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := lockCategories(ctx, tx, alone); err != nil {
			return err
		}
		return fn(ctx, tx)
	})
}

// carryOut plans what a batch does, and does it, in a transaction in which
// categories stay where they are. Errors: errNewCategories where it makes some
// and alone is false.
func (s *Service) carryOut(ctx context.Context, tx *db.Tx, b *batch, alone bool) (*plan, error) {
	p, err := s.plan(ctx, tx, b)
	if err != nil {
		return nil, err
	}
	if len(p.categories) > 0 && !alone {
		return nil, errNewCategories
	}
	return p, s.apply(ctx, tx, p)
}

// writeBatch runs fn in a transaction that may carry out batches. Categories
// are seldom made, so it excludes others who change them only where it must.
func (s *Service) writeBatch(ctx context.Context, fn func(ctx context.Context, tx *db.Tx, carryOut func(b *batch) (*plan, error)) error) error {
	alone := s.db.Dialect() == db.SQLite // as every writer is there
	for {
		err := s.write(ctx, func(ctx context.Context, tx *db.Tx) error {
			if err := lockCategories(ctx, tx, alone); err != nil {
				return err
			}
			return fn(ctx, tx, func(b *batch) (*plan, error) { return s.carryOut(ctx, tx, b, alone) })
		})
		if !errors.Is(err, errNewCategories) {
			return err
		}
		alone = true
	}
}
