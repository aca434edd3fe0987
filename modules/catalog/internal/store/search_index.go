package store

import (
	"context"
	"fmt"
	"strings"

	"stoa/platform/db"
)

// The index of words is FTS5 in SQLite and tsvector in PostgreSQL. Both find
// the same: words are runs of letters and digits, alike whatever their case and
// their diacritics. PostgreSQL is given them as they are folded here, where
// also ligatures and the like are taken apart ("ﬁ" is "fi"), which FTS5 does not.

// Expression is a query in the language of each index: of FTS5
// (https://www.sqlite.org/fts5.html#full_text_query_syntax) and of tsquery.
type Expression struct{ FTS5, TSQuery string }

func (e Expression) on(c db.Conn) string {
	if onPostgres(c) {
		return e.TSQuery
	}
	return e.FTS5
}

// searched is what a list of what matches is read from, as SQLite says it: its
// CROSS JOIN goes along the index of words, in the order of products.
func searched(index, status string, match int) string {
	return fmt.Sprintf(`%[1]s s CROSS JOIN listings l ON l.scope = $%[2]d AND l.product = s.rowid AND %[3]s WHERE %[1]s MATCH $%[4]d`,
		index, argScope, status, match)
}

// notTitled leaves out what matches in its title.
var notTitled = fmt.Sprintf(`s.rowid NOT IN (SELECT rowid FROM title_search WHERE title_search MATCH $%d)`, argTitled)

var postgresWords = strings.NewReplacer(
	notTitled, fmt.Sprintf(`NOT s.title @@ CAST($%d AS TSQUERY)`, argTitled),
	fmt.Sprintf(`product_search MATCH $%d`, argMatch), fmt.Sprintf(`s.words @@ CAST($%d AS TSQUERY)`, argMatch),
	fmt.Sprintf(`title_search MATCH $%d`, argMatch), fmt.Sprintf(`s.title @@ CAST($%d AS TSQUERY)`, argMatch),
	`title_search s`, `product_search s`,
	`s.rowid`, `s.product`,
	`CROSS JOIN`, `JOIN`,
	// Looked up for each row that is come upon: without the OFFSET all of a scope
	// would be gathered first.
	`AND o.product = l.product)`, `AND o.product = l.product OFFSET 0)`,
	fmt.Sprintf(`AND v.price BETWEEN $%[1]d AND $%[2]d)`, argMinPrice, argMaxPrice), fmt.Sprintf(`AND v.price BETWEEN $%[1]d AND $%[2]d OFFSET 0)`, argMinPrice, argMaxPrice),
)

// forPostgres gives the statement of a list as PostgreSQL says it.
func forPostgres(query string) string { return postgresWords.Replace(query) }

var (
	insertSearch = db.NewStatement(`INSERT INTO product_search (rowid, title, sku, vendor, tags, description) VALUES ($1, $2, $3, $4, $5, $6)`)
	deleteSearch = db.NewStatement(`DELETE FROM product_search WHERE rowid = $1`)
	insertTitle  = db.NewStatement(`INSERT INTO title_search (rowid, title) VALUES ($1, $2)`)
	deleteTitle  = db.NewStatement(`DELETE FROM title_search WHERE rowid = $1`)

	putVectors = db.NewStatement(`INSERT INTO product_search (product, title, words)
		SELECT product, CAST(title AS TSVECTOR), CAST(words AS TSVECTOR)
		FROM unnest(CAST($1 AS BIGINT[]), CAST($2 AS TEXT[]), CAST($3 AS TEXT[])) AS given (product, title, words)
		ON CONFLICT (product) DO UPDATE SET title = excluded.title, words = excluded.words`)
)

// addSearch makes products found. It comes when their rows are there, a product a
// statement: FTS5 writes what it has gathered whenever a statement of many rows
// begins that can be undone alone.
func addSearch(ctx context.Context, tx *db.Tx, products []*Product) error {
	if onPostgres(tx) {
		return addVectors(ctx, tx, products)
	}
	for _, p := range products {
		w := searchText(p)
		if _, err := insertSearch.Exec(ctx, tx, p.Number, w.title, w.sku, w.vendor, w.tags, w.description); err != nil {
			return err
		}
		if _, err := insertTitle.Exec(ctx, tx, p.Number, w.title); err != nil {
			return err
		}
	}
	return nil
}

// replaceSearch makes products found by their new words.
func replaceSearch(ctx context.Context, tx *db.Tx, products []*Product) error {
	if onPostgres(tx) {
		return addVectors(ctx, tx, products)
	}
	for _, p := range products {
		for _, forget := range []*db.Statement{deleteSearch, deleteTitle} {
			if _, err := forget.Exec(ctx, tx, p.Number); err != nil {
				return err
			}
		}
		if err := addSearch(ctx, tx, []*Product{p}); err != nil {
			return err
		}
	}
	return nil
}

const (
	// maxWord is how much of a word is found by, in bytes; a lexeme has at most 2,046.
	maxWord = 500
	// maxVector is how much of a product is found by, in bytes of words that
	// differ; a tsvector has at most a megabyte.
	maxVector = 512 << 10
)

func addVectors(ctx context.Context, tx *db.Tx, products []*Product) error {
	if len(products) == 0 {
		return nil
	}
	numbers, titles, all := make([]int64, len(products)), make([]string, len(products)), make([]string, len(products))
	for i, p := range products {
		w := searchText(p)
		numbers[i], titles[i], all[i] = p.Number, vector(w.title), vector(w.title, w.sku, w.vendor, w.tags, w.description)
	}
	_, err := putVectors.Exec(ctx, tx, numbers, titles, all)
	return err
}

// vector gives the words of texts as a tsvector: letters and digits only, so
// that nothing has to be quoted.
func vector(texts ...string) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, text := range texts {
		for _, word := range foldedWords(text) {
			if seen[word] || b.Len()+len(word) > maxVector {
				continue
			}
			seen[word] = true
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(word)
		}
	}
	return b.String()
}

// foldedWords gives the words of a text, folded.
func foldedWords(text string) []string {
	list := strings.FieldsFunc(Fold(text), betweenWords)
	for i, word := range list {
		list[i] = cut(word, maxWord)
	}
	return list
}

// mergePages is how many pages of the index one step of merging writes.
const mergePages = 200

var (
	beginMerge = []*db.Statement{
		db.NewStatement(`INSERT INTO product_search (product_search, rank) VALUES ('merge', -$1)`),
		db.NewStatement(`INSERT INTO title_search (title_search, rank) VALUES ('merge', -$1)`),
	}
	goOnMerging = []*db.Statement{
		db.NewStatement(`INSERT INTO product_search (product_search, rank) VALUES ('merge', $1)`),
		db.NewStatement(`INSERT INTO title_search (title_search, rank) VALUES ('merge', $1)`),
	}
	totalChanges = db.NewStatement(`SELECT total_changes()`)

	cleanVectors = db.NewStatement(`SELECT gin_clean_pending_list('product_search_title') + gin_clean_pending_list('product_search_words')`)
	lookAtTables = db.NewStatement(`ANALYZE products, variants, stock, listings, product_categories, categories, product_search`)
)

// MergeSearch does a step of bringing the index of words into the form in which
// it is fast, after a change of many products; begin tells that it is the first.
// It tells whether there is more to do. Products are found all the while.
//
// FTS5 looks into every piece that an import leaves: here they become one
// (https://www.sqlite.org/fts5.html#the_merge_command). PostgreSQL keeps what is
// new beside its indexes, and plans by what it last knew of the tables.
func MergeSearch(ctx context.Context, tx *db.Tx, begin bool) (more bool, err error) {
	if onPostgres(tx) {
		if _, err := cleanVectors.Exec(ctx, tx); err != nil {
			return false, err
		}
		_, err := lookAtTables.Exec(ctx, tx)
		return false, err
	}
	statements := goOnMerging
	if begin {
		statements = beginMerge
	}
	for _, step := range statements {
		var before, after int64
		if err := totalChanges.QueryRow(ctx, tx).Scan(&before); err != nil {
			return false, err
		}
		if _, err := step.Exec(ctx, tx, mergePages); err != nil {
			return false, err
		}
		if err := totalChanges.QueryRow(ctx, tx).Scan(&after); err != nil {
			return false, err
		}
		more = more || after-before >= 2
	}
	return more, nil
}
