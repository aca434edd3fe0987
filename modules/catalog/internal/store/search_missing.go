package store

import (
	"context"
	"errors"

	"stoa/platform/db"
)

var unfound = db.NewStatement(`SELECT p.number FROM products AS p LEFT JOIN product_search AS s ON s.product = p.number
	WHERE s.product IS NULL ORDER BY p.number LIMIT $1`)

// AddMissingSearch makes products found that the index of words has never heard
// of, at most so many, and tells how many those were. There are such where the
// rows came from another database without what is derived from them, which is
// always PostgreSQL.
func AddMissingSearch(ctx context.Context, tx *db.Tx, atMost int) (n int, err error) {
	if !onPostgres(tx) {
		return 0, nil
	}
	numbers, err := missingNumbers(ctx, tx, atMost)
	if err != nil || len(numbers) == 0 {
		return 0, err
	}
	products, err := LoadProducts(ctx, tx, numbers)
	if err != nil {
		return 0, err
	}
	add := make([]*Product, len(products))
	for i := range products {
		add[i] = &products[i]
	}
	return len(add), addSearch(ctx, tx, add)
}

func missingNumbers(ctx context.Context, tx *db.Tx, atMost int) (numbers []int64, err error) {
	rows, err := unfound.Query(ctx, tx, atMost)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	return numbers, rows.Err()
}
