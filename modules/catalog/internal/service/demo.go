package service

import (
	"context"
	"errors"
	"fmt"
	"io"

	"stoa/modules/catalog/internal/format"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
)

// FillDemo fills a catalogue that has no product with those of a JSON file,
// with all of them or none, and tells how many there are. Where there is any
// product it does nothing.
func (s *Service) FillDemo(ctx context.Context, file io.Reader) (int, error) {
	reader, err := format.NewReader(format.JSON, file, format.Options{Currency: s.shop.Currency})
	if err != nil {
		return 0, err
	}
	b := &batch{reader: reader, mode: ImportCreate, claims: newClaims()}
	for {
		record, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		b.records = append(b.records, record)
	}
	made := 0
	err = s.writeBatch(ctx, func(ctx context.Context, tx *db.Tx, carryOut func(b *batch) (*plan, error)) error {
		made = 0
		if err := tx.Lock(ctx, "demo"); err != nil {
			return err
		}
		some, err := store.NumbersAfterSlug(ctx, tx, "", 1)
		if err != nil || len(some) > 0 {
			return err
		}
		p, err := carryOut(b)
		if err != nil {
			return err
		}
		if len(p.errors) > 0 {
			return fmt.Errorf("product %d of the demo, %s: %s", p.errors[0].Row, p.errors[0].Column, p.errors[0].Message)
		}
		made = len(p.create)
		return nil
	})
	return made, err
}
