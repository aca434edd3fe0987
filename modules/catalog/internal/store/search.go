package store

import (
	"context"
	"html"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"stoa/platform/db"
)

// maxIndexed is how much of a description is searched, in bytes.
const maxIndexed = 32 << 10

var (
	insertSearch = db.NewStatement(`INSERT INTO product_search (rowid, title, sku, vendor, tags, description) VALUES ($1, $2, $3, $4, $5, $6)`)
	deleteSearch = db.NewStatement(`DELETE FROM product_search WHERE rowid = $1`)
	insertTitle  = db.NewStatement(`INSERT INTO title_search (rowid, title) VALUES ($1, $2)`)
	deleteTitle  = db.NewStatement(`DELETE FROM title_search WHERE rowid = $1`)
)

// words are what is searched of a product.
type words struct{ title, sku, vendor, tags, description string }

func searchText(p *Product) words {
	skus := make([]string, len(p.Variants))
	for i, v := range p.Variants {
		skus[i] = v.SKU
	}
	return words{p.Title, strings.Join(skus, "\n"), p.Vendor, strings.Join(p.Tags, "\n"), plainText(p.Description)}
}

// addSearch makes products found. It comes last in a transaction, a product a
// statement: the index writes what it has gathered whenever a statement of
// many rows begins.
func addSearch(ctx context.Context, tx *db.Tx, products []*Product) error {
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

func replaceSearch(ctx context.Context, tx *db.Tx, p *Product) error {
	for _, forget := range []*db.Statement{deleteSearch, deleteTitle} {
		if _, err := forget.Exec(ctx, tx, p.Number); err != nil {
			return err
		}
	}
	return addSearch(ctx, tx, []*Product{p})
}

// plainText gives what a description says without its markup. It need not
// judge HTML, only keep tags and attributes from being found.
func plainText(description string) string {
	if len(description) > maxIndexed {
		description = strings.ToValidUTF8(description[:maxIndexed], "")
	}
	if !strings.ContainsAny(description, "<&") {
		return description
	}
	var b strings.Builder
	for len(description) > 0 {
		text, tag, opened := strings.Cut(description, "<")
		b.WriteString(text)
		if !opened {
			break
		}
		if tag == "" || !strings.ContainsRune("/!?", rune(tag[0])) && !isLetter(tag[0]) {
			b.WriteString("<") // a sign, not a tag
			description = tag
			continue
		}
		b.WriteByte(' ')
		_, description, _ = strings.Cut(tag, ">")
	}
	return html.UnescapeString(b.String())
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// Fold makes texts equal that differ in case, in diacritics or in the form of
// Unicode only: by it titles are sorted, tags and vendors found.
func Fold(text string) string {
	ascii := true
	for i := range len(text) {
		ascii = ascii && text[i] < 0x80
	}
	if ascii {
		return strings.ToLower(text)
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(text))
}

// maxWords is how many words of a query count.
const maxWords = 32

// Query is what a person typed, as it is searched for.
type Query struct {
	// Prefix is the text itself, folded: a title that begins with it matches best.
	Prefix string
	// Any is the expression of the index for what has all words, where the last
	// may be the beginning of one; Whole that for what has the last whole, and
	// Begun that for the rest.
	Any, Whole, Begun string
}

// ParseQuery turns what a person typed into a query. Whatever it is, it becomes
// words to be found, and never part of the index's own language
// (https://www.sqlite.org/fts5.html#full_text_query_syntax). It is false where
// there is no word in it.
func ParseQuery(text string) (Query, bool) {
	list := strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.Mn, r) && !unicode.Is(unicode.Co, r)
	})
	if len(list) == 0 {
		return Query{}, false
	}
	whole := `"` + strings.Join(list[:min(len(list), maxWords)], `" AND "`) + `"`
	return Query{Prefix: foldLine(text), Any: whole + `*`, Whole: whole, Begun: `(` + whole + `*) NOT (` + whole + `)`}, true
}

// foldLine folds a text that stands on one line, for which spaces do not count.
func foldLine(text string) string { return strings.Join(strings.Fields(Fold(text)), " ") }

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
)

// MergeSearch does a step of merging the index of words into one piece, begin
// tells that it is the first; it tells whether there is more to do. Products are
// found all the while, and sooner after it: a search looks into every piece, and
// an import leaves many (https://www.sqlite.org/fts5.html#the_merge_command).
func MergeSearch(ctx context.Context, tx *db.Tx, begin bool) (more bool, err error) {
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
