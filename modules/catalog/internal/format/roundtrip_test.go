package format_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
	"stoa/platform/money"
)

// requireRoundTrip writes products in every format, reads them back, and writes
// them again: the products are the same, and so are the bytes.
func requireRoundTrip(t require.TestingT, products []format.Product) {
	slices.SortFunc(products, func(a, b format.Product) int { return cmp.Compare(a.Slug, b.Slug) })
	for _, f := range format.Formats() {
		file := write(t, f, products)
		back := readProducts(t, f, file)
		require.Equal(t, stated(products), back, "%s", f)
		require.Equal(t, file, write(t, f, back), "%s", f)
	}
}

// stated gives products as a file has them that leaves nothing out.
func stated(products []format.Product) []format.Product {
	var all []format.Product
	for _, p := range products {
		p.Absent = 0
		p.Variants = slices.Clone(p.Variants)
		for i := range p.Variants {
			p.Variants[i].Absent = 0
		}
		all = append(all, p)
	}
	return all
}

// Characters that formats trip over, and any others.
var (
	lineRunes = rapid.OneOf(
		rapid.SampledFrom([]rune(` ,"'=+-@;|\/[]{}:.%_aA0éß漢🙂`+"\u00a0\u2028\ufeff\u200b")),
		rapid.RuneFrom(nil, unicode.L, unicode.N, unicode.P, unicode.S, unicode.Zs),
	)
	textRunes = rapid.OneOf(rapid.SampledFrom([]rune("\r\n\t <>&")), lineRunes)
)

func line(most int) *rapid.Generator[string] { return rapid.StringOfN(lineRunes, 0, most, -1) }

// word draws a line that is not blank.
func word(most int) *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"Title", "Default Title", "title", "Size", "Color", "S", "M", "true", "0", "[]", "{}", "null", `"`, "a,b", " a", "a "}),
		rapid.StringOfN(lineRunes, 1, most, -1),
	).Filter(func(s string) bool { return strings.TrimSpace(s) != "" })
}

func sku() *rapid.Generator[string] {
	return rapid.Map(word(20), strings.TrimSpace)
}

func slugs() *rapid.Generator[string] {
	return rapid.OneOf(rapid.StringMatching(`[a-z0-9]{1,8}(-[a-z0-9]{1,5}){0,2}`), rapid.StringMatching(`[a-z_-]{1,4}[é漢ß]`))
}

func prices() *rapid.Generator[money.Money] {
	return rapid.Custom(func(t *rapid.T) money.Money {
		return money.Money{
			Amount:   rapid.OneOf(rapid.Int64Range(0, 10_000), rapid.Int64Min(0)).Draw(t, "amount"),
			Currency: rapid.SampledFrom([]string{"USD", "EUR", "JPY", "KWD", "CLF"}).Draw(t, "currency"),
		}
	})
}

// positions draws n positions that rise.
func positions(t *rapid.T, n int) []int64 {
	all := make([]int64, n)
	last := rapid.Int64Range(-1, 2).Draw(t, "before the first position")
	for i := range all {
		last += rapid.Int64Range(1, 3).Draw(t, "step")
		all[i] = last
	}
	return all
}

func distinctWords(t *rapid.T, most int, label string) []string {
	words := rapid.SliceOfNDistinct(word(12), 0, most, rapid.ID[string]).Draw(t, label)
	if len(words) == 0 {
		return nil
	}
	return words
}

// aProduct draws a product in the shape that readers give.
func aProduct(t *rapid.T) format.Product {
	p := format.Product{
		Slug:        slugs().Draw(t, "slug"),
		Title:       word(40).Draw(t, "title"),
		Description: rapid.StringOfN(textRunes, 0, 80, -1).Draw(t, "description"),
		Status:      rapid.SampledFrom([]string{catalog.StatusActive, catalog.StatusDraft, catalog.StatusArchived}).Draw(t, "status"),
		Vendor:      line(10).Draw(t, "vendor"),
		ProductType: line(10).Draw(t, "type"),
		Tags:        distinctWords(t, 4, "tags"),
	}
	p.Categories = rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9]{1,4}(/[a-z0-9]{1,4}){0,2}`), 0, 3, rapid.ID[string]).Draw(t, "categories")
	if len(p.Categories) == 0 {
		p.Categories = nil
	}
	for _, position := range positions(t, rapid.IntRange(0, 5).Draw(t, "images")) {
		p.Images = append(p.Images, catalog.Image{
			URL: rapid.SampledFrom([]string{"https://example.com/a.jpg", "https://example.com/b,c.jpg?x=[1]", "/images/ü.png", "http://x/"}).Draw(t, "url"),
			Alt: rapid.StringOfN(textRunes, 0, 10, -1).Draw(t, "alt"), Position: position,
		})
	}
	for _, name := range distinctWords(t, 5, "option names") {
		values := distinctWords(t, 4, "option values")
		p.Options = append(p.Options, catalog.Option{Name: name, Values: values})
	}
	ranks := positions(t, rapid.IntRange(0, 6).Draw(t, "variants"))
	names := rapid.SliceOfNDistinct(sku(), len(ranks), len(ranks), rapid.ID[string]).Draw(t, "skus")
	for i, position := range ranks {
		p.Variants = append(p.Variants, aVariant(t, p.Options, names[i], position))
	}
	return p
}

func aVariant(t *rapid.T, options []catalog.Option, sku string, position int64) format.Variant {
	v := format.Variant{
		SKU: sku, Position: position,
		Title:       line(10).Draw(t, "variant title"),
		Price:       prices().Draw(t, "price"),
		Barcode:     line(10).Draw(t, "barcode"),
		WeightGrams: rapid.Int64Range(0, format.MaxWeight).Draw(t, "weight"),
	}
	if rapid.Bool().Draw(t, "has compare at price") {
		compare := prices().Draw(t, "compare at price")
		v.CompareAtPrice = &compare
	}
	if rapid.Bool().Draw(t, "has quantity") {
		v.Quantity = count(rapid.Int64Min(0).Draw(t, "quantity"))
	}
	for _, o := range options {
		if len(o.Values) == 0 || rapid.IntRange(0, 9).Draw(t, "skip") == 0 {
			continue
		}
		if v.Options == nil {
			v.Options = map[string]string{}
		}
		v.Options[o.Name] = rapid.SampledFrom(o.Values).Draw(t, "value")
	}
	return v
}

func catalogues() *rapid.Generator[[]format.Product] {
	return rapid.SliceOfNDistinct(rapid.Custom(aProduct), 0, 4, func(p format.Product) string { return p.Slug })
}

func TestEveryCatalogueComesBackTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		products := catalogues().Draw(t, "products")
		for i := range products {
			require.Empty(t, products[i].Check())
		}
		requireRoundTrip(t, products)
	})
}

// A product that is not in the shape that reading gives is brought into it by
// writing, so that the file stays the same from then on.
func TestWritingTidiesWhatReadingWould(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		products := catalogues().Draw(t, "products")
		slices.SortFunc(products, func(a, b format.Product) int { return cmp.Compare(a.Slug, b.Slug) })
		for i := range products {
			p := &products[i]
			p.Tags = append(p.Tags, p.Tags...)
			for i := range p.Images {
				p.Images[i].Position = rapid.Int64Range(0, 3).Draw(t, "image position")
			}
			for i := range p.Variants {
				p.Variants[i].Position = rapid.SampledFrom([]int64{0, 1, 2, format.MaxPosition}).Draw(t, "variant position")
			}
		}
		for _, f := range format.Formats() {
			file := write(t, f, products)
			require.Equal(t, file, write(t, f, readProducts(t, f, file)), "%s", f)
		}
	})
}

func TestWritingLeavesTheProductAlone(t *testing.T) {
	t.Parallel()
	p := format.Product{
		Slug: "a", Title: "A", Status: catalog.StatusActive, Tags: []string{"x", "x"},
		Images:   []catalog.Image{{URL: "/b", Position: 2}, {URL: "/a", Position: 1}},
		Variants: []format.Variant{{SKU: "2", Price: usd(1), Position: 2}, {SKU: "1", Price: usd(1), Position: 1}},
	}
	for _, f := range format.Formats() {
		write(t, f, []format.Product{p})
		require.Equal(t, []string{"x", "x"}, p.Tags)
		require.Equal(t, "/b", p.Images[0].URL)
		require.Equal(t, "2", p.Variants[0].SKU)
	}
}

func TestCellsThatLookLikeFormulasAreKept(t *testing.T) {
	t.Parallel()
	requireRoundTrip(t, []format.Product{{
		Slug: "formula", Title: `=HYPERLINK("http://example.com","x")`, Description: "@SUM(A1)", Status: catalog.StatusDraft,
		Vendor: "+1", ProductType: "-1", Tags: []string{"=1+1"},
		Variants: []format.Variant{{SKU: "=2", Title: "+x", Price: usd(100), Barcode: "'0123", Position: 1}},
	}})
}

func TestNothingAtAllComesBackAsNothing(t *testing.T) {
	t.Parallel()
	requireRoundTrip(t, nil)
	require.Equal(t, "{\"products\":[\n]}\n", write(t, format.JSON, nil))
}
