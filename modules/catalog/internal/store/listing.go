package store

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stoa/modules/catalog"
	"stoa/platform/db"
)

// Places tells the numbers of categories by their paths: of those that
// products are put into, and of all above them.
type Places map[string]int64

// Scope is a list that products stand in.
type Scope string

// The scopes that do not depend on anything.
const (
	ScopeAll     Scope = ""
	ScopeInStock Scope = "s"
)

// CategoryScope is the products in a category or below it.
func CategoryScope(number int64) Scope { return Scope("c" + strconv.FormatInt(number, 10)) }

func (s Scope) isCategory() bool { return strings.HasPrefix(string(s), "c") }

// TagScope is the products with a tag, whatever its case.
func TagScope(tag string) Scope { return Scope("t" + cut(Fold(tag), maxKey)) }

// VendorScope is the products of a vendor, whatever its case.
func VendorScope(vendor string) Scope { return Scope("v" + cut(Fold(vendor), maxKey)) }

// maxKey is how much of a folded text is sorted by or found, in bytes: what
// PostgreSQL has room for in an index.
const maxKey = 2000

// cut shortens a text to so many bytes, of whole characters.
func cut(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	for !utf8.RuneStart(text[bytes]) {
		bytes--
	}
	return text[:bytes]
}

// NoPrice stands for the price of a product without variants: it sorts above all.
const NoPrice = math.MaxInt64

// listing is what lists know of a product.
type listing struct {
	status   string
	price    int64
	highest  int64
	currency string
	title    string
}

func listingOf(p *Product) listing {
	l := listing{status: p.Status, price: NoPrice, highest: NoPrice, title: cut(foldLine(p.Title), maxKey)}
	for i, v := range p.Variants {
		switch {
		case i == 0:
			l.price, l.highest, l.currency = v.Price.Amount, v.Price.Amount, v.Price.Currency
		case v.Price.Currency == p.Variants[0].Price.Currency:
			l.price, l.highest = min(l.price, v.Price.Amount), max(l.highest, v.Price.Amount)
		default:
			l.currency = "" // prices in other currencies than the first are not compared with it
		}
	}
	return l
}

// scopesBut gives the scopes that a product stands in but one, sorted.
func scopesBut(left Scope, p *Product, places Places) []Scope {
	return slices.DeleteFunc(scopesOf(p, places), func(s Scope) bool { return s == left })
}

func sameSKU(a, b catalog.Variant) bool { return a.SKU == b.SKU }

// scopesOf gives the scopes that a product stands in, sorted.
func scopesOf(p *Product, places Places) []Scope {
	scopes := []Scope{ScopeAll}
	for _, v := range p.Variants {
		if v.Stock.Available > 0 {
			scopes = append(scopes, ScopeInStock)
			break
		}
	}
	for _, ref := range p.Categories {
		for _, path := range Ancestry(ref.Path) {
			scopes = append(scopes, CategoryScope(places[path]))
		}
	}
	for _, tag := range p.Tags {
		scopes = append(scopes, TagScope(tag))
	}
	if p.Vendor != "" {
		scopes = append(scopes, VendorScope(p.Vendor))
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

func (l listing) row(args []any, product int64, scope Scope) []any {
	return append(args, string(scope), l.status, product, l.price, l.highest, l.currency, l.title)
}

// anyStatus lets a row be found by the primary key where its status is not known.
const anyStatus = `status IN ('active', 'archived', 'draft')`

const (
	listingTypes   = "text text bigint bigint bigint text text"
	replaceListing = `ON CONFLICT (scope, status, product) DO UPDATE
		SET price = excluded.price, highest = excluded.highest, currency = excluded.currency, title = excluded.title`
	isAvailable = `EXISTS (SELECT 1 FROM variants v JOIN stock s ON s.sku = v.sku WHERE v.product = l.product AND s.on_hand > s.reserved)`
)

const insertListing = `INSERT INTO listings (scope, status, product, price, highest, currency, title)`

var (
	insertListings    = newBulk(insertListing, listingTypes, replaceListing)
	insertNewListings = newBulk(insertListing, listingTypes, "")

	dropListings = newLookup(2, `DELETE FROM listings WHERE product = $1 AND status = $2 AND scope IN ($in)`)

	// Products that are in stock, and that are not; also where their status or
	// what they are sorted by has changed.
	listInStock = newLookup(0, `INSERT INTO listings (scope, status, product, price, highest, currency, title)
		SELECT 's', status, product, price, highest, currency, title FROM listings l
		WHERE scope = '' AND `+anyStatus+` AND product IN ($in) AND `+isAvailable+` `+replaceListing)
	unlistInStock = newLookup(0, `DELETE FROM listings AS l WHERE scope = 's' AND `+anyStatus+` AND product IN ($in)
		AND NOT (`+isAvailable+` AND EXISTS (SELECT 1 FROM listings a WHERE a.scope = '' AND a.status = l.status AND a.product = l.product))`)

	// What is listed in a category that has moved is no longer listed in one
	// that was above it, where no other category of the product lies below that.
	unlistMoved = db.NewStatement(`DELETE FROM listings WHERE scope = $1
		AND product IN (SELECT m.product FROM listings m WHERE m.scope = $2)
		AND NOT EXISTS (SELECT 1 FROM product_categories pc JOIN categories c ON c.number = pc.category
			WHERE pc.product = listings.product AND (c.path = $3 OR c.path >= CAST($3 AS TEXT) || '/' AND c.path < CAST($3 AS TEXT) || '0'))`)
	listMoved = db.NewStatement(`INSERT INTO listings (scope, status, product, price, highest, currency, title)
		SELECT $1, status, product, price, highest, currency, title FROM listings WHERE scope = $2
		ON CONFLICT (scope, status, product) DO NOTHING`)
)

// newListings are the places of products that are new in a transaction, list by
// list, each in the order of the products' numbers.
type newListings map[list][]listed

// list is the part of a scope that has a status.
type list struct {
	scope  Scope
	status string
}

// listed is a product's place in a list.
type listed struct {
	*listing
	product int64
}

type newListingsKey struct{}

// addListings lists products that are new, before the commit: of all that a
// transaction makes at once, a page of an index is written for many.
func addListings(tx *db.Tx, products []*Product, places Places) {
	lists, begun := tx.Value(newListingsKey{}).(newListings)
	if !begun {
		lists = newListings{}
		tx.Set(newListingsKey{}, lists)
		tx.BeforeCommit(listNew)
	}
	for _, p := range products {
		l := listingOf(p)
		for _, scope := range scopesOf(p, places) {
			at := list{scope, l.status}
			lists[at] = append(lists[at], listed{&l, p.Number})
		}
	}
}

// listNew lists the products that were added so far. Whoever changes listings
// has it done first.
func listNew(ctx context.Context, tx *db.Tx) error {
	lists, _ := tx.Value(newListingsKey{}).(newListings)
	rows := 0
	for _, l := range lists {
		rows += len(l)
	}
	room := func() []any { return make([]any, 0, 7*min(rows, maxRows)) }
	args := room()
	// In the order of their key, so that one goes beside the other.
	for _, at := range slices.SortedFunc(maps.Keys(lists), func(a, b list) int {
		return cmp.Or(cmp.Compare(a.scope, b.scope), cmp.Compare(a.status, b.status))
	}) {
		for _, l := range lists[at] {
			if args = l.row(args, l.product, at.scope); len(args) == 7*maxRows {
				if err := insertNewListings.insert(ctx, tx, args); err != nil {
					return err
				}
				rows -= maxRows
				args = room() // what is inserted later keeps the others
			}
		}
	}
	clear(lists)
	return insertNewListings.insert(ctx, tx, args)
}

// relist brings the listings of a product from what it was to what it is. In
// stock it is listed before the commit.
func relist(ctx context.Context, tx *db.Tx, before, after *Product, places Places) error {
	if err := listNew(ctx, tx); err != nil {
		return err
	}
	was, is := scopesBut(ScopeInStock, before, places), scopesBut(ScopeInStock, after, places)
	if listingOf(before) != listingOf(after) || !slices.EqualFunc(before.Variants, after.Variants, sameSKU) {
		listInStockLast(tx, after.Number)
	}
	drop, add := was, is
	if l := listingOf(after); l.status == before.Status {
		drop = without(was, is)
		if l == listingOf(before) {
			add = without(is, was)
		}
	}
	if err := dropListings.exec(ctx, tx, anys(drop), after.Number, before.Status); err != nil {
		return err
	}
	var args []any
	for _, scope := range add {
		args = listingOf(after).row(args, after.Number, scope)
	}
	return insertListings.insert(ctx, tx, args)
}

// without gives the scopes that are not among others; both are sorted.
func without(scopes, others []Scope) []Scope {
	var rest []Scope
	for _, scope := range scopes {
		if _, there := slices.BinarySearch(others, scope); !there {
			rest = append(rest, scope)
		}
	}
	return rest
}

// crossed keeps the list of what is in stock when a SKU's stock has changed.
func crossed(tx *db.Tx, now Stock, availableBefore int64) {
	if now.Product != 0 && (now.Available() > 0) != (availableBefore > 0) {
		listInStockLast(tx, now.Product)
	}
}

// restocked are the products whose place in the list of what is in stock is to
// be found before the commit.
type restocked map[int64]bool

type restockedKey struct{}

// listInStockLast finds a product's place in the list of what is in stock when
// all stock of this transaction is changed. Whether something of a product is
// available depends on all its variants, which several transactions may change
// at once: the last that has the product's lock sees what the others did. All
// take it after the stock, so that none waits for another in a circle.
func listInStockLast(tx *db.Tx, product int64) {
	products, begun := tx.Value(restockedKey{}).(restocked)
	if !begun {
		products = restocked{}
		tx.Set(restockedKey{}, products)
		tx.BeforeCommit(func(ctx context.Context, tx *db.Tx) error { return listAllInStock(ctx, tx, products) })
	}
	products[product] = true
}

func listAllInStock(ctx context.Context, tx *db.Tx, products restocked) error {
	if err := listNew(ctx, tx); err != nil {
		return err
	}
	numbers := slices.Sorted(maps.Keys(products))
	locks := make([]string, len(numbers))
	for i, number := range numbers {
		locks[i] = "in stock/" + strconv.FormatInt(number, 10)
	}
	if err := tx.Lock(ctx, locks...); err != nil {
		return err
	}
	if err := unlistInStock.exec(ctx, tx, anys(numbers)); err != nil {
		return err
	}
	return listInStock.exec(ctx, tx, anys(numbers))
}

// relistMoved lists what is in a category that was moved elsewhere, with all
// below it, in what is above it now.
func relistMoved(ctx context.Context, tx *db.Tx, before, after Category) error {
	if err := listNew(ctx, tx); err != nil {
		return err
	}
	was, is := above(before.Path), above(after.Path)
	numbers, err := CategoriesByPath(ctx, tx, append(slices.Clone(was), is...))
	if err != nil {
		return err
	}
	moved := string(CategoryScope(after.Number))
	for _, path := range was {
		if !slices.Contains(is, path) {
			if _, err := unlistMoved.Exec(ctx, tx, string(CategoryScope(numbers[path].Number)), moved, path); err != nil {
				return err
			}
		}
	}
	for _, path := range is {
		if !slices.Contains(was, path) {
			if _, err := listMoved.Exec(ctx, tx, string(CategoryScope(numbers[path].Number)), moved); err != nil {
				return err
			}
		}
	}
	return nil
}

// above gives the paths of all above a path.
func above(path string) []string {
	all := Ancestry(path)
	return all[:len(all)-1]
}
