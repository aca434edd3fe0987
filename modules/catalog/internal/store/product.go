package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stoa/modules/catalog"
	"stoa/platform/db"
)

// Product is a product with what only the tables know of it. Its stock is as
// staff see it.
type Product struct {
	Number int64
	catalog.Product
}

var (
	numberByID   = db.NewStatement(`SELECT number FROM products WHERE id = $1`)
	bySlug       = db.NewStatement(`SELECT number FROM products WHERE slug = $1`)
	activeByID   = db.NewStatement(`SELECT number FROM products WHERE id = $1 AND status = 'active'`)
	activeBySlug = db.NewStatement(`SELECT number FROM products WHERE slug = $1 AND status = 'active'`)
	numbersByID  = newLookup(0, `SELECT number FROM products WHERE id IN ($in)`)
	slugsTaken   = newLookup(0, `SELECT slug, number FROM products WHERE slug IN ($in)`)
	skusTaken    = newLookup(0, `SELECT sku, product FROM variants WHERE sku IN ($in)`)
	productBySKU = db.NewStatement(`SELECT product FROM variants WHERE sku = $1`)
	afterSlug    = db.NewStatement(`SELECT number FROM products WHERE slug > $1 ORDER BY slug LIMIT $2 + 0`)

	loadProducts = newLookup(0, `SELECT number, id, slug, title, description, status, vendor, product_type,
		tags, images, options, version, created_at, updated_at FROM products WHERE number IN ($in)`)
	loadVariants = newLookup(0, `SELECT v.product, v.id, v.sku, v.title, v.options, v.price, v.currency, v.compare_at_price,
		v.barcode, v.weight_grams, v.position, s.on_hand, s.reserved
		FROM variants v JOIN stock s ON s.sku = v.sku WHERE v.product IN ($in) ORDER BY v.product, v.position, v.sku`)
	loadCategories = newLookup(0, `SELECT pc.product, c.id, c.slug, c.name, c.path
		FROM product_categories pc JOIN categories c ON c.number = pc.category WHERE pc.product IN ($in) ORDER BY pc.product, pc.position`)

	lastProduct    = db.NewStatement(`SELECT coalesce(max(number), 0) FROM products`)
	insertProducts = newBulk(`INSERT INTO products (number, id, slug, title, description, status, vendor, product_type,
		tags, images, options, version, created_at, updated_at)`,
		"bigint text text text text text text text text text text bigint bigint bigint", "")
	updateProduct = db.NewStatement(`UPDATE products SET slug = $2, title = $3, description = $4, status = $5, vendor = $6,
		product_type = $7, tags = $8, images = $9, options = $10, version = $11, updated_at = $12 WHERE number = $1`)

	insertVariants = newBulk(`INSERT INTO variants (product, sku, id, position, title, options, price, currency,
		compare_at_price, barcode, weight_grams)`, "bigint text text bigint text text bigint text bigint text bigint", "")
	dropVariants = newLookup(1, `DELETE FROM variants WHERE product = $1 AND sku IN ($in)`)
	// A SKU that was the shop's before comes back with the stock it was left with.
	insertStock = newBulk(`INSERT INTO stock (sku, product, on_hand, reserved)`, "text bigint bigint bigint",
		`ON CONFLICT (sku) DO UPDATE SET product = excluded.product`)
	orphanStock = db.NewStatement(`UPDATE stock SET product = NULL WHERE sku = $1`)

	insertMemberships = newBulk(`INSERT INTO product_categories (product, category, position)`, "bigint bigint bigint", "")
	dropMemberships   = db.NewStatement(`DELETE FROM product_categories WHERE product = $1`)
)

var lockProducts = newLookup(0, `SELECT number FROM products WHERE number IN ($in) ORDER BY number FOR NO KEY UPDATE`)

// LockProducts has nobody else change these products until the transaction
// ends. What was read of them before may have changed meanwhile.
func LockProducts(ctx context.Context, tx *db.Tx, numbers ...int64) error {
	if !onPostgres(tx) {
		return nil // there is one writer
	}
	return lockProducts.exec(ctx, tx, anys(numbers))
}

// NumberByID gives the number of a product, 0 where there is none. With
// activeOnly there are no others than those that customers see.
func NumberByID(ctx context.Context, c db.Conn, id string, activeOnly bool) (int64, error) {
	if activeOnly {
		return number(activeByID.QueryRow(ctx, c, id))
	}
	return number(numberByID.QueryRow(ctx, c, id))
}

// NumberBySlug gives the number of a product as NumberByID does.
func NumberBySlug(ctx context.Context, c db.Conn, slug string, activeOnly bool) (int64, error) {
	if activeOnly {
		return number(activeBySlug.QueryRow(ctx, c, slug))
	}
	return number(bySlug.QueryRow(ctx, c, slug))
}

func number(r row) (n int64, err error) {
	_, err = found(r.Scan(&n))
	return n, err
}

// NumberBySKU gives the number of the product that a variant belongs to; 0
// where there is none.
func NumberBySKU(ctx context.Context, c db.Conn, sku string) (int64, error) {
	return number(productBySKU.QueryRow(ctx, c, sku))
}

// NumbersByID gives the numbers of the products with these ids, in any order.
func NumbersByID(ctx context.Context, c db.Conn, ids []string) ([]int64, error) {
	var numbers []int64
	err := numbersByID.query(ctx, c, anys(ids), func(rows *sql.Rows) error {
		numbers = append(numbers, 0)
		return rows.Scan(&numbers[len(numbers)-1])
	})
	return numbers, err
}

// NumbersAfterSlug gives products in the order of their slugs.
func NumbersAfterSlug(ctx context.Context, c db.Conn, slug string, limit int) ([]int64, error) {
	var numbers []int64
	rows, err := afterSlug.Query(ctx, c, slug, limit)
	err = each(rows, err, func(rows *sql.Rows) error {
		numbers = append(numbers, 0)
		return rows.Scan(&numbers[len(numbers)-1])
	})
	return numbers, err
}

// ProductsWithSlugs gives the numbers of the products that have these slugs.
func ProductsWithSlugs(ctx context.Context, c db.Conn, slugs []string) (map[string]int64, error) {
	return owners(ctx, c, slugsTaken, slugs)
}

// ProductsWithSKUs gives the numbers of the products whose variants have these SKUs.
func ProductsWithSKUs(ctx context.Context, c db.Conn, skus []string) (map[string]int64, error) {
	return owners(ctx, c, skusTaken, skus)
}

func owners(ctx context.Context, c db.Conn, l *lookup, keys []string) (map[string]int64, error) {
	numbers := make(map[string]int64, len(keys))
	err := l.query(ctx, c, anys(keys), func(rows *sql.Rows) error {
		var (
			key    string
			number int64
		)
		err := rows.Scan(&key, &number)
		numbers[key] = number
		return err
	})
	return numbers, err
}

// column is a column that holds JSON.
type column[T any] struct{ v *T }

// Scan reads it. Most are empty, and cost nothing.
func (c column[T]) Scan(src any) error {
	text, ok := src.(string)
	switch {
	case !ok:
		return fmt.Errorf("store: %T is no JSON", src)
	case text == "[]" || text == "{}":
		return nil
	}
	return json.Unmarshal([]byte(text), c.v)
}

// LoadProducts gives products whole, in the order of their numbers in the
// list: three statements, however many there are. Use it on one state of the
// database. Numbers that are none are left out.
func LoadProducts(ctx context.Context, c db.Conn, numbers []int64) ([]Product, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	keys := anys(numbers)
	byNumber := make(map[int64]*Product, len(numbers))
	if err := loadProducts.query(ctx, c, keys, func(rows *sql.Rows) error {
		p := &Product{Product: catalog.Product{
			Tags: []string{}, Categories: []catalog.CategoryRef{}, Images: []catalog.Image{},
			Options: []catalog.Option{}, Variants: []catalog.Variant{},
		}}
		var created, updated db.Time
		err := rows.Scan(&p.Number, &p.ID, &p.Slug, &p.Title, &p.Description, &p.Status, &p.Vendor, &p.ProductType,
			column[[]string]{&p.Tags}, column[[]catalog.Image]{&p.Images}, column[[]catalog.Option]{&p.Options},
			&p.Version, &created, &updated)
		p.CreatedAt, p.UpdatedAt = created.Time, updated.Time
		byNumber[p.Number] = p
		return err
	}); err != nil {
		return nil, fmt.Errorf("load products: %w", err)
	}
	if err := loadVariants.query(ctx, c, keys, func(rows *sql.Rows) error {
		v := catalog.Variant{Options: map[string]string{}}
		var (
			number, onHand, reserved int64
			compareAt                sql.NullInt64
		)
		err := rows.Scan(&number, &v.ID, &v.SKU, &v.Title, column[map[string]string]{&v.Options}, &v.Price.Amount, &v.Price.Currency,
			&compareAt, &v.Barcode, &v.WeightGrams, &v.Position, &onHand, &reserved)
		if compareAt.Valid {
			before := v.Price
			before.Amount = compareAt.Int64
			v.CompareAtPrice = &before
		}
		v.Stock = catalog.Stock{OnHand: &onHand, Reserved: &reserved, Available: onHand - reserved}
		if p := byNumber[number]; p != nil {
			p.Variants = append(p.Variants, v)
		}
		return err
	}); err != nil {
		return nil, fmt.Errorf("load variants: %w", err)
	}
	if err := loadCategories.query(ctx, c, keys, func(rows *sql.Rows) error {
		var (
			number int64
			ref    catalog.CategoryRef
		)
		err := rows.Scan(&number, &ref.ID, &ref.Slug, &ref.Name, &ref.Path)
		if p := byNumber[number]; p != nil {
			p.Categories = append(p.Categories, ref)
		}
		return err
	}); err != nil {
		return nil, fmt.Errorf("load categories of products: %w", err)
	}
	products := make([]Product, 0, len(numbers))
	for _, number := range numbers {
		if p := byNumber[number]; p != nil {
			products = append(products, *p)
		}
	}
	return products, nil
}

// LoadProduct gives one product whole; false where there is none.
func LoadProduct(ctx context.Context, c db.Conn, number int64) (Product, bool, error) {
	products, err := LoadProducts(ctx, c, []int64{number})
	if err != nil || len(products) == 0 {
		return Product{}, false, err
	}
	return products[0], true, nil
}

// InsertProducts adds products with their variants, gives them their numbers,
// and makes them found. What a variant's stock says is on hand from now on,
// unless there is stock of its SKU already; then that is. The lines of the
// ledger are the caller's. Their categories are given by path, in places.
func InsertProducts(ctx context.Context, tx *db.Tx, products []*Product, places Places) error {
	// Numbers are given in the order in which products are committed.
	if err := tx.Lock(ctx, "numbers of products"); err != nil {
		return err
	}
	var last int64
	if err := lastProduct.QueryRow(ctx, tx).Scan(&last); err != nil {
		return err
	}
	args := make([]any, 0, 14*len(products))
	for i, p := range products {
		p.Number = last + 1 + int64(i)
		args = append(args, p.Number, p.ID, p.Slug, p.Title, p.Description, p.Status, p.Vendor, p.ProductType,
			db.NewJSON(p.Tags), db.NewJSON(p.Images), db.NewJSON(p.Options), p.Version, db.NewTime(p.CreatedAt), db.NewTime(p.UpdatedAt))
	}
	if err := insertProducts.insert(ctx, tx, args); err != nil {
		return err
	}
	var variants []variantRow
	for _, p := range products {
		for i := range p.Variants {
			variants = append(variants, variantRow{p.Number, &p.Variants[i]})
		}
	}
	if err := addVariants(ctx, tx, variants); err != nil {
		return err
	}
	if err := addMemberships(ctx, tx, products, places); err != nil {
		return err
	}
	addListings(tx, products, places)
	return addSearch(ctx, tx, products)
}

// UpdateProduct changes a product and its variants from what they were to what
// they are to be, and nothing that stays the same.
func UpdateProduct(ctx context.Context, tx *db.Tx, before, after *Product, places Places) error {
	return UpdateProducts(ctx, tx, []Change{{before, after}}, places)
}

type variantRow struct {
	product int64
	*catalog.Variant
}

// addVariants adds variants, and tells them what stock they have. It takes them
// in the order of their SKUs, as all do who change stock.
func addVariants(ctx context.Context, tx *db.Tx, rows []variantRow) error {
	slices.SortFunc(rows, func(a, b variantRow) int { return strings.Compare(a.SKU, b.SKU) })
	args, stock := make([]any, 0, 11*len(rows)), make([]any, 0, 4*len(rows))
	for _, v := range rows {
		var compareAt sql.NullInt64
		if v.CompareAtPrice != nil {
			compareAt = sql.NullInt64{Int64: v.CompareAtPrice.Amount, Valid: true}
		}
		args = append(args, v.product, v.SKU, v.ID, v.Position, v.Title, db.NewJSON(v.Options), v.Price.Amount, v.Price.Currency,
			compareAt, v.Barcode, v.WeightGrams)
		stock = append(stock, v.SKU, v.product, v.Stock.Available, 0)
	}
	if err := insertVariants.insert(ctx, tx, args); err != nil {
		return err
	}
	if err := insertStock.insert(ctx, tx, stock); err != nil {
		return err
	}
	skus := make([]string, len(rows))
	for i, v := range rows {
		skus[i] = v.SKU
	}
	there, err := StockOf(ctx, tx, skus)
	for _, v := range rows {
		s := there[v.SKU]
		v.Stock = catalog.Stock{OnHand: &s.OnHand, Reserved: &s.Reserved, Available: s.Available()}
	}
	return err
}

// updateVariants replaces the rows of variants that differ.
func updateVariants(ctx context.Context, tx *db.Tx, before, after *Product) error {
	known := make(map[string]*catalog.Variant, len(before.Variants))
	for i := range before.Variants {
		known[before.Variants[i].SKU] = &before.Variants[i]
	}
	var (
		drop []string
		add  []variantRow
	)
	for i := range after.Variants {
		v := &after.Variants[i]
		was := known[v.SKU]
		delete(known, v.SKU)
		if was != nil {
			if sameVariant(was, v) {
				continue
			}
			drop = append(drop, v.SKU)
		}
		add = append(add, variantRow{after.Number, v})
	}
	for _, sku := range slices.Sorted(maps.Keys(known)) {
		if _, err := orphanStock.Exec(ctx, tx, sku); err != nil {
			return err
		}
		drop = append(drop, sku)
	}
	if err := dropVariants.exec(ctx, tx, anys(drop), after.Number); err != nil {
		return err
	}
	return addVariants(ctx, tx, add)
}

// addMemberships puts products into their categories.
func addMemberships(ctx context.Context, tx *db.Tx, products []*Product, places Places) error {
	var args []any
	for _, p := range products {
		for i, ref := range p.Categories {
			args = append(args, p.Number, places[ref.Path], i)
		}
	}
	return insertMemberships.insert(ctx, tx, args)
}

// Stamp sets who has a new version of the product, and when it was made.
func (p *Product) Stamp(now time.Time) {
	p.Version++
	p.UpdatedAt = now
}
