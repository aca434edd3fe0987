package service

import (
	"context"
	"fmt"
	"io"

	"stoa/modules/catalog/internal/format"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
	"stoa/platform/errs"
)

const (
	// exportPage is how many products an export holds at a time.
	exportPage = 100
	// exportsAtOnce is how many exports run at a time in one process. Each keeps
	// a state of the database, and a connection that reads it, for as long as
	// its reader takes.
	exportsAtOnce = 2
)

// ExportFile gives the media type of an export and what to call it. Errors:
// errs.ErrInvalid where there is no such format.
func ExportFile(of string) (contentType, name string, err error) {
	f := format.Format(of)
	if !f.Valid() {
		return "", "", errs.ErrInvalid.Field("query.format", "must be one of %s", joinFormats())
	}
	switch f {
	case format.JSON:
		name = "products.json"
	case format.Shopify:
		name = "products-shopify.csv"
	default:
		name = "products.csv"
	}
	return f.ContentType(), name, nil
}

// Export writes the whole catalogue, products of all states, as a file of a
// format: ordered by slug, of one state of the database, and in memory that does
// not grow with it. An import reads it back to the same catalogue. Errors:
// errs.ErrInvalid where there is no such format, and what w returns.
func (s *Service) Export(ctx context.Context, of string, w io.Writer) error {
	if _, _, err := ExportFile(of); err != nil {
		return err
	}
	select {
	case s.exports <- struct{}{}:
		defer func() { <-s.exports }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := s.db.Snapshot(ctx, func(ctx context.Context, c db.Conn) error {
		file, err := format.NewWriter(format.Format(of), w)
		if err != nil {
			return err
		}
		for last := ""; ; {
			numbers, err := store.NumbersAfterSlug(ctx, c, last, exportPage)
			if err != nil {
				return err
			}
			if len(numbers) == 0 {
				return file.Close()
			}
			products, err := store.LoadProducts(ctx, c, numbers)
			if err != nil {
				return err
			}
			for _, p := range products {
				if err := file.Write(toFile(p.Product)); err != nil {
					return err
				}
				last = p.Slug
			}
		}
	})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}
