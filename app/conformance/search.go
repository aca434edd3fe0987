package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/money"
)

// searching is what finding products promises.
func searching() []promise {
	return []promise{
		{"words are found wherever a product has them", findsWords},
		{"search follows changes", searchFollows},
		{"filters narrow", filters},
		{"sorts order", sorts},
	}
}

func slugs(products []Product) []string {
	var list []string
	for _, p := range products {
		list = append(list, p.Slug)
	}
	return list
}

// word makes a word that nothing else has, of letters only.
func word() string {
	return "q" + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return 'g' + (r - '0')
		}
		return r
	}, system().Secret()[:8])
}

func (w *world) find(t testing.TB, query string) []string {
	t.Helper()
	return slugs(all[Product](t, w.anyone, "/products", mustQuery(t, query)))
}

func mustQuery(t testing.TB, query string) url.Values {
	t.Helper()
	v, err := url.ParseQuery(query)
	require.NoError(t, err)
	return v
}

func findsWords(t *testing.T, w *world) {
	words := map[string]string{}
	body := productBody(unique("worded"), usd(100))
	for _, field := range []string{"title", "description", "vendor", "tags", "sku"} {
		words[field] = word()
	}
	body["title"], body["description"], body["vendor"] = "Blue "+words["title"]+" Lamp", "<p>Made of "+words["description"]+".</p>", words["vendor"]
	body["tags"] = []string{"indoor", words["tags"]}
	body["variants"].([]any)[0].(fields)["sku"] = words["sku"]
	p := w.create(t, body)
	for field, value := range words {
		require.Equal(t, []string{p.Slug}, w.find(t, "q="+value), "q finds a word of the %s", field)
		require.Equal(t, []string{p.Slug}, w.find(t, "q="+strings.ToUpper(value)), "in whatever case")
	}
	require.Equal(t, []string{p.Slug}, w.find(t, "q=lamp+"+words["title"]), "all words count")
	require.Equal(t, []string{p.Slug}, w.find(t, "sort=relevance&q="+words["title"]))
	require.Empty(t, w.find(t, "q="+word()))
	require.Empty(t, w.find(t, "q="+words["title"]+"+"+word()))
}

func searchFollows(t *testing.T, w *world) {
	before, after := word(), word()
	body := productBody(unique("renamed"), usd(100))
	body["title"] = before
	p := w.create(t, body)
	require.Equal(t, []string{p.Slug}, w.find(t, "q="+before))
	w.staff.Patch(t, "/products/"+p.ID, fields{"title": after}).Want(t, http.StatusOK)
	require.Empty(t, w.find(t, "q="+before))
	require.Equal(t, []string{p.Slug}, w.find(t, "q="+after))
	w.staff.Delete(t, "/products/"+p.ID).Want(t, http.StatusNoContent)
	require.Empty(t, w.find(t, "q="+after))
}

func filters(t *testing.T, w *world) {
	vendor, tag := unique("Vendor"), unique("tag")
	create := func(name string, price money.Money, stock int64, tags ...string) Product {
		body := productBody(unique(name), price)
		body["vendor"], body["tags"] = vendor, tags
		p := w.create(t, body)
		w.adjust(t, p.Variants[0].SKU, stock)
		return p
	}
	cheap := create("cheap", usd(500), 0, tag)
	middle := create("middle", usd(1500), 3)
	dear := create("dear", usd(2500), 1, tag, "other")
	euro := create("euro", money.Money{Amount: 1500, Currency: "EUR"}, 1)
	for query, want := range map[string][]Product{
		"":                               {cheap, middle, dear, euro},
		"&tag=" + tag:                    {cheap, dear},
		"&in_stock=true":                 {middle, dear, euro},
		"&min_price=1000":                {middle, dear},
		"&max_price=1500":                {cheap, middle},
		"&min_price=1500&max_price=1500": {middle},
		"&min_price=1000&currency=EUR":   {euro},
		"&sku=" + middle.Variants[0].SKU: {middle},
		"&tag=" + tag + "&max_price=500": {cheap},
		"&tag=" + tag + "&in_stock=true&max_price=99": nil,
	} {
		require.ElementsMatch(t, slugs(want), w.find(t, "vendor="+vendor+query), "?vendor=…%s", query)
	}
	require.Empty(t, w.find(t, "vendor="+vendor[:len(vendor)-1]))
	for _, bad := range []string{"min_price=-1", "min_price=cheap", "min_price=1.5", "max_price=9223372036854775808", "currency=ZZZ", "in_stock=perhaps", "sort=password", "sort=created_at;drop", "min_price=1&currency=usdollar"} {
		w.anyone.Get(t, "/products?"+bad).Refused(t, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
}

func sorts(t *testing.T, w *world) {
	vendor := unique("vendor")
	for i, price := range []int64{300, 100, 200} {
		body := productBody(unique("sorted"), usd(price))
		body["vendor"], body["title"] = vendor, string(rune('C'-i))+" title"
		w.create(t, body)
	}
	list := func(sort string) []Product {
		return all[Product](t, w.anyone, "/products", url.Values{"vendor": {vendor}, "sort": {sort}})
	}
	price := func(p Product) int64 { return p.Variants[0].Price.Amount }
	for sort, ordered := range map[string]func(a, b Product) int{
		"price":       func(a, b Product) int { return int(price(a) - price(b)) },
		"-price":      func(a, b Product) int { return int(price(b) - price(a)) },
		"title":       func(a, b Product) int { return strings.Compare(a.Title, b.Title) },
		"created_at":  func(a, b Product) int { return a.CreatedAt.Compare(b.CreatedAt) },
		"-created_at": func(a, b Product) int { return b.CreatedAt.Compare(a.CreatedAt) },
	} {
		got := list(sort)
		require.Len(t, got, 3)
		require.True(t, slices.IsSortedFunc(got, ordered), "sort=%s gives %v", sort, slugs(got))
	}
}

func strangeSearches(t *testing.T, w *world) {
	texts := append(strangeTexts(t),
		`"`, `""`, `"unclosed`, `*`, `a*`, `NEAR(a b)`, `AND`, `OR OR`, `NOT`, `title:x`, `{title}:x`, `^a`, `a"b`, `(`, `)`, `a + b`, `-a`, `%%%`, `___`,
		`'; DROP TABLE products; --`, strings.Repeat("a ", 5000), strings.Repeat("%", 1000), "\x00", "a\x00b")
	for _, text := range texts {
		for _, name := range []string{"q", "tag", "vendor", "sku", "category", "sort", "cursor"} {
			if len(text) > 2000 && name != "q" {
				continue
			}
			var a *Answer
			spent := took(func() { a = w.anyone.Get(t, "/products?limit=1&"+name+"="+url.QueryEscape(text)) })
			require.Less(t, a.Status, 500, "%s", a)
			require.Less(t, spent.Seconds(), 1.0, "%s=%s", name, shorten(text))
			if a.Status >= 400 {
				a.problem(t)
			}
		}
	}
	long := w.anyone.Get(t, "/products?q="+strings.Repeat("x", 100_000))
	long.Refused(t, http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge)
}
