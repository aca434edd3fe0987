package store

import (
	"context"
	"database/sql"

	"stoa/modules/catalog"
	"stoa/platform/db"
)

var offers = newLookup(0, `SELECT v.sku, p.id, p.title, v.title, v.price, v.currency, s.on_hand - s.reserved,
	EXISTS (SELECT 1 FROM variants o WHERE o.product = v.product AND o.sku <> v.sku)
	FROM variants v JOIN products p ON p.number = v.product JOIN stock s ON s.sku = v.sku
	WHERE v.sku IN ($in) AND p.status = 'active'`)

// Offers gives the variants with these SKUs as they can be bought now. Those
// that cannot are left out.
func Offers(ctx context.Context, c db.Conn, skus []string) ([]catalog.Offer, error) {
	list := make([]catalog.Offer, 0, len(skus))
	err := offers.query(ctx, c, anys(skus), func(rows *sql.Rows) error {
		var (
			o       catalog.Offer
			variant string
			several bool
		)
		err := rows.Scan(&o.SKU, &o.ProductID, &o.Title, &variant, &o.Price.Amount, &o.Price.Currency, &o.Available, &several)
		if several && variant != "" {
			o.Title += " – " + variant
		}
		list = append(list, o)
		return err
	})
	return list, err
}
