package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"

	"stoa/modules/catalog"
	"stoa/platform/db"
)

// Order is what a list is sorted by; products that are equal in it stand in the
// order of their numbers.
type Order string

// The orders.
const (
	ByAge       Order = "created_at"
	ByAgeDesc   Order = "-created_at"
	ByPrice     Order = "price"
	ByPriceDesc Order = "-price"
	ByTitle     Order = "title"
)

// Filter is what a list shows. Its zero value shows all there is.
type Filter struct {
	Status string
	// Scopes are at most four, all of which a product stands in.
	Scopes []Scope
	// Product is the number of the only product to show.
	Product int64
	// Category is a slug that several categories have: below any of them.
	Category string
	// OutOfStock shows only what nothing is available of.
	OutOfStock bool
	// Currency, where it is not empty, shows only what has a variant with a
	// price in it from MinPrice to MaxPrice, in minor units.
	Currency           string
	MinPrice, MaxPrice int64
}

// Position is a place in a list: that of a product. The zero Position is
// before the first.
type Position struct {
	Price  int64  `json:"p,omitzero"`
	Title  string `json:"t,omitzero"` // folded
	Number int64  `json:"n,omitzero"`
	// Tier is how well the product matches what is searched for, from 0, the best.
	Tier int `json:"r,omitzero"`
}

// The arguments of a list, as all statements number them.
const (
	argScope = iota + 1
	argStatus
	argKey
	argNumber
	argLimit
	argScope2
	argScope3
	argScope4
	argScope5
	argProduct
	argCategory
	argOutOfStock
	argCurrency
	argMinPrice
	argMaxPrice
	argMatch
	argPrefix
	argPrefixEnd
	argTitled
)

// conditions hold a row of listings, l, against a Filter. They are the same in
// every statement, so that a few statements serve all lists and stay prepared;
// what a filter does not ask for costs a comparison.
var conditions = fmt.Sprintf(`
	AND ($%[1]d = '' OR EXISTS (SELECT 1 FROM listings o WHERE o.scope = $%[1]d AND o.status = l.status AND o.product = l.product))
	AND ($%[2]d = '' OR EXISTS (SELECT 1 FROM listings o WHERE o.scope = $%[2]d AND o.status = l.status AND o.product = l.product))
	AND ($%[3]d = '' OR EXISTS (SELECT 1 FROM listings o WHERE o.scope = $%[3]d AND o.status = l.status AND o.product = l.product))
	AND ($%[9]d = '' OR EXISTS (SELECT 1 FROM listings o WHERE o.scope = $%[9]d AND o.status = l.status AND o.product = l.product))
	AND (CAST($%[10]d AS BIGINT) = 0 OR l.product = $%[10]d)
	AND ($%[4]d = '' OR EXISTS (SELECT 1 FROM categories c JOIN listings o ON o.scope = 'c' || c.number
		WHERE c.slug = $%[4]d AND o.status = l.status AND o.product = l.product))
	AND ($%[5]d = 0 OR NOT EXISTS (SELECT 1 FROM listings o WHERE o.scope = 's' AND o.status = l.status AND o.product = l.product))
	AND ($%[6]d = '' OR l.price <= $%[8]d AND l.highest >= $%[7]d AND l.currency = $%[6]d AND (l.price = l.highest OR EXISTS (
			SELECT 1 FROM variants v WHERE v.product = l.product AND v.price BETWEEN $%[7]d AND $%[8]d))
		OR l.currency = '' AND EXISTS (
			SELECT 1 FROM variants v WHERE v.product = l.product AND v.currency = $%[6]d AND v.price BETWEEN $%[7]d AND $%[8]d))`,
	argScope2, argScope3, argScope4, argCategory, argOutOfStock, argCurrency, argMinPrice, argMaxPrice, argScope5, argProduct)

// limit is how a list ends.
var limit = fmt.Sprintf(` LIMIT $%d + 0`, argLimit)

// Statements of lists come in two kinds: for one status, and for all.
type statements struct{ ofStatus, ofAll *db.Statement }

func (s statements) of(f Filter) *db.Statement {
	if f.Status == "" {
		return s.ofAll
	}
	return s.ofStatus
}

// oneStatus and allStatuses are how the two kinds find a row of listings.
var (
	oneStatus   = fmt.Sprintf(`l.status = $%d`, argStatus)
	allStatuses = fmt.Sprintf(`$%d = '' AND l.`, argStatus) + anyStatus
)

// ordering is how one Order is read.
type ordering struct {
	key  func(*Position) any // what the first column sorted by is held in; nil where that is the number
	desc bool
	// along is the beginning of an index, or three such beginnings merged: for
	// scopes that have one.
	along statements
	// sorted is all of a scope, sorted.
	sorted statements
	// matching is what matches an expression, sorted.
	matching statements
}

var orderings = map[Order]*ordering{
	ByAge:       newOrdering(orderingSQL("", false), nil),
	ByAgeDesc:   newOrdering(orderingSQL("", true), nil),
	ByPrice:     newOrdering(orderingSQL("price", false), func(p *Position) any { return &p.Price }),
	ByPriceDesc: newOrdering(orderingSQL("price", true), func(p *Position) any { return &p.Price }),
	ByTitle:     newOrdering(orderingSQL("title", false), func(p *Position) any { return &p.Title }),
}

func newOrdering(q orderingQueries, key func(*Position) any) *ordering {
	return &ordering{key: key, desc: q.desc, along: q.along.prepare(), sorted: q.sorted.prepare(), matching: q.matching.prepare()}
}

// queries are the SQL of statements.
type queries struct{ ofStatus, ofAll string }

func (q queries) prepare() statements {
	of := func(query string) *db.Statement { return db.NewStatementFor(query, forPostgres(query)) }
	return statements{of(q.ofStatus), of(q.ofAll)}
}

// unused is a condition that is always true, for an argument that a statement
// has no use for: each has to be named.
func unused(arg int) string {
	return fmt.Sprintf(` AND CAST($%[1]d AS BIGINT) = CAST($%[1]d AS BIGINT)`, arg)
}

type orderingQueries struct {
	desc                    bool
	along, sorted, matching queries
}

// orderingSQL gives the statements that sort by a column, "" for the number.
// They read no column beyond those that are sorted by, which an index holds.
func orderingSQL(column string, desc bool) orderingQueries {
	direction, beyond := "ASC", ">"
	if desc {
		direction, beyond = "DESC", "<"
	}
	after := fmt.Sprintf(` AND (l.%s, l.product) %s ($%d, $%d)`, column, beyond, argKey, argNumber)
	ordered := fmt.Sprintf(` ORDER BY l.%s %s, l.product %s`, column, direction, direction) + limit
	read := fmt.Sprintf(`l.product AS product, l.%[1]s AS %[1]s`, column)
	if column == "" {
		after = unused(argKey) + fmt.Sprintf(` AND l.product %s $%d`, beyond, argNumber)
		ordered = fmt.Sprintf(` ORDER BY l.product %s`, direction) + limit
		read = `l.product AS product`
	}
	from := fmt.Sprintf(`SELECT %s FROM listings l WHERE l.scope = $%d AND `, read, argScope)
	along := func(status string) string {
		query := from + status + after + conditions
		if column != "" {
			query += ` AND l.scope < 's'` // which the index holds, though SQLite could not tell
		}
		return query + ordered
	}
	matching := func(status string) string {
		return `SELECT ` + read + ` FROM ` + searched("product_search", status, argMatch) + after + conditions + ordered
	}
	var arms []string
	for _, status := range []string{catalog.StatusActive, catalog.StatusArchived, catalog.StatusDraft} {
		arms = append(arms, fmt.Sprintf(`SELECT * FROM (%s) %s`, along(fmt.Sprintf(`$%d = '' AND l.status = '%s'`, argStatus, status)), status))
	}
	return orderingQueries{
		desc:     desc,
		along:    queries{along(oneStatus), `SELECT * FROM (` + strings.Join(arms, ` UNION ALL `) + `) l` + ordered},
		sorted:   queries{from + oneStatus + after + conditions + ordered, from + allStatuses + after + conditions + ordered},
		matching: queries{matching(oneStatus), matching(allStatuses)},
	}
}

// few is how many products are read and sorted rather than looked for along an
// index of more.
const few = 500

var atMostFew = db.NewStatement(fmt.Sprintf(`SELECT count(*) FROM (SELECT 1 FROM listings WHERE scope = $1 AND (status = $2 OR $2 = '') LIMIT %d) found`, few+1))

// plan decides along which of a filter's scopes a list is read, and how. One
// that has few products is read whole. Where all have more, what is looked for
// is not rare, and an index of all or of a category comes upon it soon enough.
func (by *ordering) plan(ctx context.Context, c db.Conn, f Filter) (Filter, statements, error) {
	indexed := slices.IndexFunc(f.Scopes, func(s Scope) bool { return by.key == nil || s.isCategory() })
	if len(f.Scopes) == 0 || len(f.Scopes) == 1 && indexed == 0 {
		return f, by.along, nil
	}
	for i, scope := range f.Scopes {
		var n int
		if err := atMostFew.QueryRow(ctx, c, string(scope), f.Status).Scan(&n); err != nil {
			return f, statements{}, err
		}
		if n <= few {
			return f.first(i), by.sorted, nil
		}
	}
	if indexed >= 0 {
		return f.first(indexed), by.along, nil
	}
	f.Scopes = append([]Scope{ScopeAll}, f.Scopes...)
	return f, by.along, nil
}

// first gives the filter with one of its scopes put before the others.
func (f Filter) first(i int) Filter {
	scopes := slices.Clone(f.Scopes)
	scopes[0], scopes[i] = scopes[i], scopes[0]
	f.Scopes = scopes
	return f
}

// args gives the arguments up to argMaxPrice.
func (f Filter) args(key any, number int64, limit int) []any {
	scopes := [5]string{} // the first is read along
	for i, scope := range f.Scopes {
		scopes[i] = string(scope)
	}
	outOfStock := 0
	if f.OutOfStock {
		outOfStock = 1
	}
	return []any{scopes[0], f.Status, key, number, limit, scopes[1], scopes[2], scopes[3], scopes[4], f.Product, f.Category, outOfStock,
		f.Currency, f.MinPrice, f.MaxPrice}
}

// args gives the arguments for what comes after a position.
func (by *ordering) args(f Filter, after Position, limit int) []any {
	if after.Number == 0 && by.desc {
		after = Position{Price: math.MaxInt64, Number: math.MaxInt64}
	}
	if by.key == nil {
		return f.args(0, after.Number, limit)
	}
	return f.args(by.key(&after), after.Number, limit) // database/sql takes a pointer for what it points to
}

// List gives the places of the products that come after a position.
func List(ctx context.Context, c db.Conn, o Order, f Filter, after Position, limit int) ([]Position, error) {
	by := orderings[o]
	f, statements, err := by.plan(ctx, c, f)
	if err != nil {
		return nil, err
	}
	rows, err := statements.of(f).Query(ctx, c, by.args(f, after, limit)...)
	return positions(rows, err, by.key)
}

// ListMatching gives the same of the products that match a query, in any order
// but that of relevance. It looks at all that match.
func ListMatching(ctx context.Context, c db.Conn, q Query, o Order, f Filter, after Position, limit int) ([]Position, error) {
	by := orderings[o]
	rows, err := by.matching.of(f).Query(ctx, c, append(by.args(f, after, limit), q.Any.on(c))...)
	return positions(rows, err, by.key)
}

// positions reads the number of products, and what the key is held in.
func positions(rows *sql.Rows, err error, key func(*Position) any) ([]Position, error) {
	var list []Position
	err = each(rows, err, func(rows *sql.Rows) error {
		list = append(list, Position{})
		p := &list[len(list)-1]
		if key == nil {
			return rows.Scan(&p.Number)
		}
		return rows.Scan(&p.Number, key(p))
	})
	return list, err
}

// bySKU is the list of the product that a variant belongs to.
var bySKU = db.NewStatementFor(skuSQL, forPostgres(skuSQL))

var skuSQL = fmt.Sprintf(`SELECT l.product FROM variants w CROSS JOIN listings l
	ON l.scope = $%[1]d AND l.product = w.product AND l.%[2]s
	WHERE w.sku = $%[3]d AND ($%[4]d = '' OR l.status = $%[4]d) AND l.product > $%[5]d`,
	argScope, anyStatus, argMatch, argStatus, argNumber) + unused(argKey) + conditions + limit

// ListSKU gives the place of the product that has a SKU: a list of at most one.
func ListSKU(ctx context.Context, c db.Conn, sku string, f Filter, after Position) ([]Position, error) {
	rows, err := bySKU.Query(ctx, c, append(f.args(0, after.Number, 1), sku)...)
	return positions(rows, err, nil)
}
