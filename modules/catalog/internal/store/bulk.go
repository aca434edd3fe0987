package store

import (
	"context"
	"database/sql"

	"stoa/platform/db"
)

var slugsBySKU = newLookup(0, `SELECT v.sku, p.slug FROM variants v JOIN products p ON p.number = v.product WHERE v.sku IN ($in)`)

// SlugsWithSKUs gives the slugs of the products whose variants have these SKUs.
func SlugsWithSKUs(ctx context.Context, c db.Conn, skus []string) (map[string]string, error) {
	slugs := make(map[string]string, len(skus))
	err := slugsBySKU.query(ctx, c, anys(skus), func(rows *sql.Rows) error {
		var sku, slug string
		err := rows.Scan(&sku, &slug)
		slugs[sku] = slug
		return err
	})
	return slugs, err
}
