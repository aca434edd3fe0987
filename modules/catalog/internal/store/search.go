package store

import (
	"html"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxIndexed is how much of a description is searched, in bytes.
const maxIndexed = 32 << 10

// words are what is searched of a product.
type words struct{ title, sku, vendor, tags, description string }

func searchText(p *Product) words {
	skus := make([]string, len(p.Variants))
	for i, v := range p.Variants {
		skus[i] = v.SKU
	}
	return words{p.Title, strings.Join(skus, "\n"), p.Vendor, strings.Join(p.Tags, "\n"), plainText(p.Description)}
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
	// Any finds what has all words, where the last may be the beginning of one;
	// Whole what has the last whole, and Begun the rest.
	Any, Whole, Begun Expression
}

// ParseQuery turns what a person typed into a query. Whatever it is, it becomes
// words to be found, and never part of an index's own language. It is false
// where there is no word in it.
func ParseQuery(text string) (Query, bool) {
	list := strings.FieldsFunc(text, betweenWords)
	if len(list) == 0 {
		return Query{}, false
	}
	list = list[:min(len(list), maxWords)]
	q := Query{Prefix: foldLine(text)}
	whole := `"` + strings.Join(list, `" AND "`) + `"`
	q.Any.FTS5, q.Whole.FTS5, q.Begun.FTS5 = whole+`*`, whole, `(`+whole+`*) NOT (`+whole+`)`
	if folded := foldedWords(strings.Join(list, " ")); len(folded) > 0 {
		whole := `'` + strings.Join(folded, `' & '`) + `'`
		q.Any.TSQuery, q.Whole.TSQuery, q.Begun.TSQuery = whole+`:*`, whole, whole+`:* & !(`+whole+`)`
	}
	return q, true
}

// betweenWords tells what is no part of a word.
func betweenWords(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.Mn, r) && !unicode.Is(unicode.Co, r)
}

// foldLine folds a text that stands on one line, for which spaces do not count.
func foldLine(text string) string { return strings.Join(strings.Fields(Fold(text)), " ") }
