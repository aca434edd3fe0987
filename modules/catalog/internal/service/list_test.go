package service_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/errs"
	"stoa/platform/money"
)

// shows tells whether a list shows a product, as the API describes it. Paths are
// those of all categories: what is none of them is a slug.
func shows(q service.ListQuery, p catalog.Product, paths []string) bool {
	in := func(category string) bool {
		return slices.ContainsFunc(p.Categories, func(r catalog.CategoryRef) bool {
			if slices.Contains(paths, category) {
				return r.Path == category || strings.HasPrefix(r.Path, category+"/")
			}
			return slices.Contains(strings.Split(r.Path, "/"), category)
		})
	}
	priced := func(v catalog.Variant) bool {
		return v.Price.Currency == cmp.Or(q.Currency, "USD") &&
			(q.MinPrice == nil || v.Price.Amount >= *q.MinPrice) && (q.MaxPrice == nil || v.Price.Amount <= *q.MaxPrice)
	}
	available := slices.ContainsFunc(p.Variants, func(v catalog.Variant) bool { return v.Stock.Available > 0 })
	text := strings.ToLower(strings.Join(append([]string{p.Title, p.Vendor, "Made of wood"}, p.Tags...), " "))
	for _, v := range p.Variants {
		text += " " + strings.ToLower(v.SKU)
	}
	tokens := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" -,.", r) })
	for i, word := range strings.Fields(strings.ToLower(q.Text)) {
		last := i == len(strings.Fields(q.Text))-1
		if !slices.ContainsFunc(tokens, func(token string) bool { return token == word || last && strings.HasPrefix(token, word) }) {
			return false
		}
	}
	return (q.Status == "" || p.Status == q.Status) &&
		(q.Category == "" || in(q.Category)) &&
		(q.Tag == "" || slices.ContainsFunc(p.Tags, func(tag string) bool { return strings.EqualFold(tag, q.Tag) })) &&
		(q.Vendor == "" || strings.EqualFold(p.Vendor, q.Vendor)) &&
		(q.SKU == "" || slices.ContainsFunc(p.Variants, func(v catalog.Variant) bool { return v.SKU == q.SKU })) &&
		(q.MinPrice == nil && q.MaxPrice == nil && q.Currency == "" || slices.ContainsFunc(p.Variants, priced)) &&
		(q.InStock == nil || *q.InStock == available)
}

// price is what a product is sorted by: its lowest price in the currency of the first.
func price(p catalog.Product) int64 {
	lowest := int64(math.MaxInt64)
	for _, v := range p.Variants {
		if v.Price.Currency == p.Variants[0].Price.Currency {
			lowest = min(lowest, v.Price.Amount)
		}
	}
	return lowest
}

// order tells how two products stand to each other in a list.
func order(q service.ListQuery, a, b catalog.Product) int {
	sort := q.Sort
	if sort == "" && q.Text == "" {
		sort = service.SortCreatedDesc
	}
	older := strings.Compare(a.ID, b.ID)
	switch sort {
	case service.SortCreated:
		return older
	case service.SortCreatedDesc:
		return -older
	case service.SortPrice:
		return cmp.Or(cmp.Compare(price(a), price(b)), older)
	case service.SortPriceDesc:
		return -cmp.Or(cmp.Compare(price(a), price(b)), older)
	case service.SortTitle:
		return cmp.Or(strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)), older)
	}
	return 0 // by relevance: see TestRelevance
}

var (
	titles     = []string{"Floor Lamp", "Lamp", "Table lamp", "Oak table", "Chair", "Armchair, red", "Red Chair"}
	vendors    = []string{"", "Acme", "Weaver"}
	tagLists   = [][]string{{}, {"red"}, {"Indoor", "red"}, {"sale"}}
	currencies = []string{"USD", "USD", "EUR"}
	statuses   = []string{catalog.StatusActive, catalog.StatusActive, catalog.StatusDraft, catalog.StatusArchived}
)

// drawQuery draws what to list.
func drawQuery(t *rapid.T, skus []string) service.ListQuery {
	maybe := func(name string, values ...string) string {
		if rapid.IntRange(0, 3).Draw(t, name+"?") > 0 {
			return ""
		}
		return rapid.SampledFrom(values).Draw(t, name)
	}
	q := service.ListQuery{
		Text:     maybe("text", "lamp", "LAM", "red chair", "table", "acme", "indoor", "made of", "zzz", "sku 1"),
		Category: maybe("category", "home", "home/lamps", "home/lamps/floor", "lamps", "garden", "garden/lamps", "nowhere"),
		Tag:      maybe("tag", "red", "INDOOR", "sale", "none"),
		Vendor:   maybe("vendor", "Acme", "weaver", "nobody"),
		SKU:      maybe("sku", append(skus, "nothing")...),
		Status:   maybe("status", statuses...),
		Currency: maybe("currency", "USD", "EUR"),
		Sort: maybe("sort", service.SortCreated, service.SortCreatedDesc, service.SortPrice, service.SortPriceDesc,
			service.SortTitle, service.SortRelevance),
		Limit: rapid.IntRange(1, 7).Draw(t, "limit"),
	}
	if rapid.IntRange(0, 3).Draw(t, "min?") == 0 {
		q.MinPrice = ptr(rapid.Int64Range(0, 12).Draw(t, "min"))
	}
	if rapid.IntRange(0, 3).Draw(t, "max?") == 0 {
		q.MaxPrice = ptr(rapid.Int64Range(0, 12).Draw(t, "max"))
	}
	if rapid.IntRange(0, 3).Draw(t, "stock?") == 0 {
		q.InStock = ptr(rapid.Bool().Draw(t, "stock"))
	}
	return q
}

func TestListsShowWhatTheyAreAskedForInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t)
		ctx := t.Context()
		home, garden := s.category(t, "home", nil), s.category(t, "garden", nil)
		lamps := s.category(t, "lamps", &home)
		categories := []catalog.Category{home, garden, lamps, s.category(t, "floor", &lamps), s.category(t, "lamps", &garden)}
		var ids, skus []string
		drawPrice := func(rt *rapid.T) money.Money {
			return money.Money{Amount: rapid.Int64Range(0, 12).Draw(rt, "price"), Currency: rapid.SampledFrom(currencies).Draw(rt, "currency")}
		}
		drawCategories := func(rt *rapid.T) []string {
			var list []string
			for _, c := range categories {
				if rapid.IntRange(0, 3).Draw(rt, c.Path) == 0 {
					list = append(list, c.ID)
				}
			}
			return list
		}
		one := func(rt *rapid.T) string {
			if len(ids) == 0 {
				rt.Skip()
			}
			return rapid.SampledFrom(ids).Draw(rt, "product")
		}
		create := func(rt *rapid.T) {
			n := service.NewProduct{
				Title: rapid.SampledFrom(titles).Draw(rt, "title"), Vendor: rapid.SampledFrom(vendors).Draw(rt, "vendor"),
				Status: rapid.SampledFrom(statuses).Draw(rt, "status"), Tags: rapid.SampledFrom(tagLists).Draw(rt, "tags"),
				Description: "<p class=\"zzz\">Made of wood</p>", CategoryIDs: drawCategories(rt),
			}
			for range rapid.IntRange(0, 3).Draw(rt, "variants") {
				sku := fmt.Sprintf("SKU-%d", len(skus)+1)
				skus = append(skus, sku)
				n.Variants = append(n.Variants, service.NewVariant{SKU: sku, Price: drawPrice(rt)})
			}
			p, err := s.CreateProduct(ctx, n)
			require.NoError(rt, err)
			ids = append(ids, p.ID)
		}
		for range 8 {
			create(rt)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"create": create,
			"patch": func(rt *rapid.T) {
				var p service.ProductPatch
				switch rapid.IntRange(0, 4).Draw(rt, "field") {
				case 0:
					p.Title = ptr(rapid.SampledFrom(titles).Draw(rt, "title"))
				case 1:
					p.Vendor = ptr(rapid.SampledFrom(vendors).Draw(rt, "vendor"))
				case 2:
					p.Status = ptr(rapid.SampledFrom(statuses).Draw(rt, "status"))
				case 3:
					p.Tags = ptr(rapid.SampledFrom(tagLists).Draw(rt, "tags"))
				default:
					p.CategoryIDs = ptr(drawCategories(rt))
				}
				_, err := s.PatchProduct(ctx, one(rt), p, nil)
				require.NoError(rt, err)
			},
			"variant": func(rt *rapid.T) {
				p, err := s.GetProduct(ctx, one(rt))
				require.NoError(rt, err)
				if len(p.Variants) == 0 || rapid.Bool().Draw(rt, "add") {
					skus = append(skus, fmt.Sprintf("SKU-%d", len(skus)+1))
					_, _, err = s.AddVariant(ctx, p.ID, service.NewVariant{SKU: skus[len(skus)-1], Price: drawPrice(rt)}, nil)
				} else if sku := p.Variants[0].SKU; rapid.Bool().Draw(rt, "delete") {
					err = s.DeleteVariant(ctx, p.ID, sku, nil)
				} else {
					_, _, err = s.PatchVariant(ctx, p.ID, sku, service.VariantPatch{Price: ptr(drawPrice(rt)), NoCompareAtPrice: true}, nil)
				}
				require.NoError(rt, err)
			},
			"stock": func(rt *rapid.T) {
				if len(skus) == 0 {
					rt.Skip()
				}
				sku := rapid.SampledFrom(skus).Draw(rt, "sku")
				_, _ = s.Adjust(ctx, sku, rapid.SampledFrom([]int64{-2, -1, 1, 2}).Draw(rt, "delta"), "")
				id := "order-" + sku + s.clock.ID()
				if _, err := s.Reserve(ctx, catalog.ReserveRequest{OrderID: id, Items: []catalog.Item{{SKU: sku, Quantity: 1}}}); err == nil && rapid.Bool().Draw(rt, "give back") {
					_, err = s.Release(ctx, catalog.ReleaseRequest{OrderID: id})
					require.NoError(rt, err)
				}
			},
			"move": func(rt *rapid.T) {
				c, below := rapid.SampledFrom(categories).Draw(rt, "category"), rapid.SampledFrom(categories).Draw(rt, "below")
				patch := service.CategoryPatch{Move: true}
				if rapid.Bool().Draw(rt, "somewhere") {
					patch.ParentID = &below.ID
				}
				_, _ = s.PatchCategory(ctx, c.ID, patch) // a cycle is refused
			},
			"": func(rt *rapid.T) {
				q := drawQuery(rt, skus)
				var want []catalog.Product
				paths := s.paths(t)
				products := s.all(t, service.ListQuery{})
				require.Len(rt, products, len(ids))
				for _, p := range products {
					if shows(q, p, paths) {
						want = append(want, p)
					}
				}
				slices.SortStableFunc(want, func(a, b catalog.Product) int { return order(q, a, b) })
				got := s.all(t, q)
				if order(q, catalog.Product{ID: "a"}, catalog.Product{ID: "b"}) == 0 || q.Sort == service.SortRelevance {
					require.Equal(rt, sorted(slugs(want)), sorted(slugs(got)), "%+v", q)
				} else if q.SKU == "" || len(want) > 1 {
					require.Equal(rt, slugs(want), slugs(got), "%+v", q)
				}
				// Customers see the active ones of these, at the same places.
				got = slices.DeleteFunc(got, func(p catalog.Product) bool { return p.Status != catalog.StatusActive })
				require.Equal(rt, slugs(got), s.seen(t, q), "%+v", q)
			},
		})
	})
}

// seen gives the slugs of every page of a list as customers see it.
func (s *shop) seen(t testing.TB, q service.ListQuery) []string {
	t.Helper()
	list := []string{}
	for {
		page, next, err := s.ListViews(t.Context(), q)
		require.NoError(t, err)
		for _, v := range page {
			list = append(list, v.Slug)
		}
		if next == nil {
			return list
		}
		q.After = *next
	}
}

func TestPricesAreOfTheCurrencyThatIsNamed(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.create(t, service.NewProduct{Slug: "mixed", Title: "Mixed", Variants: []service.NewVariant{
		{SKU: "a", Price: usd(500)}, {SKU: "b", Price: money.Money{Amount: 900, Currency: "EUR"}},
	}})
	s.create(t, service.NewProduct{Slug: "none", Title: "None"})
	find := func(q service.ListQuery) []string { return slugs(s.all(t, q)) }
	require.Equal(t, []string{"mixed"}, find(service.ListQuery{MinPrice: ptr[int64](500)}), "the shop's currency")
	require.Empty(t, find(service.ListQuery{MinPrice: ptr[int64](501)}))
	require.Equal(t, []string{"mixed"}, find(service.ListQuery{MinPrice: ptr[int64](900), Currency: "EUR"}))
	require.Equal(t, []string{"mixed"}, find(service.ListQuery{Currency: "EUR"}))
	require.Empty(t, find(service.ListQuery{Currency: "JPY"}))
	require.Empty(t, find(service.ListQuery{MinPrice: ptr[int64](2), MaxPrice: ptr[int64](1)}))
	require.Equal(t, []string{"mixed", "none"}, find(service.ListQuery{Sort: service.SortPrice}))
	_, _, err := s.ListProducts(t.Context(), service.ListQuery{Currency: "ZZZ", Limit: 1})
	require.ErrorIs(t, err, errs.ErrInvalid)
}

func TestListsAreStableWhileOthersInsert(t *testing.T) {
	t.Parallel()
	for _, sort := range []string{service.SortCreated, service.SortCreatedDesc, service.SortPrice, service.SortPriceDesc, service.SortTitle} {
		t.Run(sort, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			made := 0
			create := func() catalog.Product {
				made++
				return s.create(t, service.NewProduct{Title: fmt.Sprint("Lamp ", made%3), Variants: []service.NewVariant{{Price: usd(int64(made % 4))}}})
			}
			before := map[string]int{}
			for range 20 {
				before[create().ID] = 0
			}
			q := service.ListQuery{Sort: sort, Limit: 3}
			for more := true; more; {
				page, next, err := s.ListProducts(t.Context(), q)
				require.NoError(t, err)
				for _, p := range page {
					before[p.ID]++
				}
				if more = next != nil; more {
					q.After = *next
				}
				if made < 40 {
					create()
				}
			}
			for id, n := range before {
				require.Equal(t, 1, n, "product %s", id)
			}
		})
	}
}

func TestRelevance(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, n := range []service.NewProduct{
		{Slug: "described", Title: "Chair", Description: "goes with a <b>red</b> lamp"},
		{Slug: "titled", Title: "Small red table lamp"},
		{Slug: "begins-z", Title: "Red Lamp, zinc"},
		{Slug: "begins", Title: "Réd  lamp"},
		{Slug: "tagged", Title: "Lamp", Tags: []string{"red"}},
		{Slug: "other", Title: "Red chair"},
	} {
		s.create(t, n)
	}
	for limit := 1; limit <= 6; limit++ {
		require.Equal(t, []string{"begins", "begins-z", "titled", "tagged", "described"}, slugs(s.all(t, service.ListQuery{Text: " RED lam ", Limit: limit})))
	}
}

func TestSearchFindsWordsWhereverTheyAre(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := s.create(t, service.NewProduct{
		Title: "Blaue Stehleuchte für Ümläut", Description: `<p title="hidden">Made of&nbsp;br&auml;ss &lt;5kg</p><script>x</script>`, Vendor: "Møller & Søn",
		Tags: []string{"in-door"}, Variants: []service.NewVariant{{SKU: "LX-2000/b", Price: usd(1)}, {SKU: "ΣΚΥ-7", Price: usd(1)}},
	})
	for _, text := range []string{
		"blaue", "BLAUE", "stehl", "fur umlaut", "für Ümläut", "brass", "made brass", "moller", "møller", "indoor", "in-door", "in door", "lx-2000", "LX 2000", "LX-2000/b", "2000", "σκυ",
		"blaue brass lx", "5kg", `"blaue"`, "blaue*", "blaue AND brass", "NEAR(blaue", "title:blaue", "-blaue", "(blaue OR", "blaue'; DROP TABLE products; --",
	} {
		want := []string{p.Slug}
		switch text {
		case "indoor", "blaue AND brass", "NEAR(blaue", "title:blaue", "(blaue OR", "blaue'; DROP TABLE products; --", "møller":
			want = []string{} // words that it does not have
		}
		if text == "møller" {
			want = []string{p.Slug}
		}
		if text == "moller" {
			want = []string{} // ø is a letter of its own, no o with a mark
		}
		require.Equal(t, want, slugs(s.all(t, service.ListQuery{Text: text})), "%q", text)
	}
	for _, text := range []string{"hidden", "title", "nbsp", "script", "%%%", "___", "***", `""`, `"`, "()", "\u200b", "🪔", strings.Repeat("a ", 100)} {
		require.Empty(t, s.all(t, service.ListQuery{Text: text}), "%q", text)
	}
}

func TestSearchFollowsChanges(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := s.create(t, service.NewProduct{Title: "Lamp"})
	find := func(text string) int {
		return len(s.all(t, service.ListQuery{Text: text, Status: catalog.StatusActive}))
	}
	require.Equal(t, 1, find("lamp"))
	_, err := s.PatchProduct(t.Context(), p.ID, service.ProductPatch{Title: ptr("Chair")}, nil)
	require.NoError(t, err)
	require.Equal(t, 0, find("lamp"))
	require.Equal(t, 1, find("chair"))
	_, _, err = s.AddVariant(t.Context(), p.ID, service.NewVariant{SKU: "stool", Price: usd(1)}, nil)
	require.NoError(t, err)
	require.Equal(t, 1, find("stool"))
	require.NoError(t, s.DeleteVariant(t.Context(), p.ID, "stool", nil))
	require.Equal(t, 0, find("stool"))
	require.NoError(t, s.ArchiveProduct(t.Context(), p.ID, nil))
	require.Equal(t, 0, find("chair"))
}
