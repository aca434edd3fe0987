package service_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/errs"
	"stoa/platform/money"
)

func ptr[T any](v T) *T { return &v }

// shirt describes a product with an option and two variants.
func shirt(slug string) service.NewProduct {
	return service.NewProduct{
		Slug: slug, Title: "Linen Shirt", Description: "<p>Light</p>", Status: catalog.StatusActive, Vendor: "Weaver", ProductType: "Shirts",
		Tags:    []string{"linen", "summer", "linen"},
		Images:  []service.NewImage{{URL: "https://images.example.com/front.jpg", Alt: "Front"}, {URL: "/back.jpg"}},
		Options: []catalog.Option{{Name: "Size", Values: []string{"S"}}},
		Variants: []service.NewVariant{
			{SKU: "S-" + slug, Options: map[string]string{"Size": "S"}, Price: usd(1999), CompareAtPrice: ptr(usd(2499)), Barcode: "4006381333931", WeightGrams: 200},
			{Options: map[string]string{"Size": "M"}, Price: usd(2099), Title: ptr("Medium")},
		},
	}
}

func TestAProductIsMadeAsItWasDescribed(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := s.create(t, shirt("shirt"))
	require.Equal(t, catalog.Product{
		ID: p.ID, Slug: "shirt", Title: "Linen Shirt", Description: "<p>Light</p>", Status: "active", Vendor: "Weaver", ProductType: "Shirts",
		Tags: []string{"linen", "summer"}, Categories: []catalog.CategoryRef{},
		Images:  []catalog.Image{{URL: "https://images.example.com/front.jpg", Alt: "Front", Position: 1}, {URL: "/back.jpg", Position: 2}},
		Options: []catalog.Option{{Name: "Size", Values: []string{"S", "M"}}},
		Variants: []catalog.Variant{
			{
				ID: p.Variants[0].ID, SKU: "S-shirt", Title: "S", Options: map[string]string{"Size": "S"}, Price: usd(1999), CompareAtPrice: ptr(usd(2499)),
				Barcode: "4006381333931", WeightGrams: 200, Position: 1, Stock: catalog.Stock{OnHand: ptr[int64](0), Reserved: ptr[int64](0)},
			},
			{
				ID: p.Variants[1].ID, SKU: "shirt--m", Title: "Medium", Options: map[string]string{"Size": "M"}, Price: usd(2099),
				Position: 2, Stock: catalog.Stock{OnHand: ptr[int64](0), Reserved: ptr[int64](0)},
			},
		},
		Version: 1, CreatedAt: begin, UpdatedAt: begin,
	}, p)
	for _, name := range []string{p.ID, p.Slug, strings.ToUpper(p.ID)} {
		got, err := s.GetProduct(t.Context(), name)
		require.NoError(t, err, name)
		require.Equal(t, p, got)
	}
	_, err := s.GetProduct(t.Context(), "nothing")
	require.ErrorIs(t, err, catalog.ErrProductNotFound)
}

func TestSlugsAreMadeFromTitlesAndTaken(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, want := range []string{"floor-lamp", "floor-lamp-2", "floor-lamp-3"} {
		require.Equal(t, want, s.create(t, service.NewProduct{Title: "Floor Lamp"}).Slug)
	}
	for range 18 {
		s.create(t, service.NewProduct{Title: "Floor Lamp"})
	}
	require.Regexp(t, `^floor-lamp-[0-9a-f]{12}$`, s.create(t, service.NewProduct{Title: "Floor Lamp"}).Slug)
	_, err := s.CreateProduct(t.Context(), service.NewProduct{Title: "Other", Slug: "floor-lamp", Status: catalog.StatusDraft})
	require.ErrorIs(t, err, catalog.ErrSlugTaken)
	other := s.create(t, service.NewProduct{Title: "Other"})
	_, err = s.PatchProduct(t.Context(), other.ID, service.ProductPatch{Slug: ptr("floor-lamp")}, nil)
	require.ErrorIs(t, err, catalog.ErrSlugTaken)
	_, err = s.PatchProduct(t.Context(), other.ID, service.ProductPatch{Slug: ptr("other-lamp")}, nil)
	require.NoError(t, err)
	require.Equal(t, "other", s.create(t, service.NewProduct{Title: "Other"}).Slug, "a slug that was given up is free")
}

func TestSKUsAreUniqueInTheShop(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.sell(t, "lamp", 0)
	variants := []service.NewVariant{{SKU: "lamp", Price: usd(1)}}
	_, err := s.CreateProduct(t.Context(), service.NewProduct{Title: "Other", Status: catalog.StatusActive, Variants: variants})
	require.ErrorIs(t, err, catalog.ErrSKUTaken)
	_, err = s.GetProduct(t.Context(), "other")
	require.ErrorIs(t, err, catalog.ErrProductNotFound, "nothing of it stays")
	other := s.create(t, service.NewProduct{Title: "Other"})
	_, _, err = s.AddVariant(t.Context(), other.ID, variants[0], nil)
	require.ErrorIs(t, err, catalog.ErrSKUTaken)
	_, err = s.CreateProduct(t.Context(), service.NewProduct{
		Title: "Twice", Status: catalog.StatusActive, Variants: []service.NewVariant{{SKU: "x", Price: usd(1)}, {SKU: "x", Price: usd(2)}},
	})
	require.ErrorIs(t, err, errs.ErrInvalid)
}

func TestAPatchChangesWhatItNamesAndRaisesTheVersion(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := s.create(t, shirt("shirt"))
	s.clock.Advance(time.Minute)

	q, err := s.PatchProduct(t.Context(), p.Slug, service.ProductPatch{
		Title: ptr("Cotton Shirt"), Tags: ptr([]string{"cotton"}), Images: ptr([]service.NewImage{}), Vendor: ptr(""),
	}, nil)
	require.NoError(t, err)
	want := p
	want.Title, want.Tags, want.Images, want.Vendor = "Cotton Shirt", []string{"cotton"}, []catalog.Image{}, ""
	want.Version, want.UpdatedAt = 2, begin.Add(time.Minute)
	require.Equal(t, want, q)

	same, err := s.PatchProduct(t.Context(), p.ID, service.ProductPatch{Title: ptr("Cotton Shirt")}, nil)
	require.NoError(t, err)
	require.Equal(t, q, same, "what changes nothing is no new version")

	s.adjust(t, "S-shirt", 5)
	got, err := s.GetProduct(t.Context(), p.ID)
	require.NoError(t, err)
	require.EqualValues(t, 2, got.Version, "stock is no new version")
	require.EqualValues(t, 5, got.Variants[0].Stock.Available)
}

var errOther = errors.New("another version")

func TestWhoSawAnOlderVersionChangesNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := s.create(t, shirt("shirt"))
	only := func(wanted int64) service.Match {
		return func(version int64) error {
			if version != wanted {
				return errOther
			}
			return nil
		}
	}
	_, err := s.PatchProduct(t.Context(), p.ID, service.ProductPatch{Title: ptr("Second")}, only(1))
	require.NoError(t, err)
	_, err = s.PatchProduct(t.Context(), p.ID, service.ProductPatch{Title: ptr("Third")}, only(1))
	require.ErrorIs(t, err, errOther)
	require.ErrorIs(t, s.ArchiveProduct(t.Context(), p.ID, only(1)), errOther)
	require.ErrorIs(t, s.DeleteVariant(t.Context(), p.ID, "S-shirt", only(1)), errOther)
	_, _, err = s.AddVariant(t.Context(), p.ID, service.NewVariant{Price: usd(1)}, only(1))
	require.ErrorIs(t, err, errOther)
	got, err := s.GetProduct(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, []any{"Second", int64(2), "active", 2}, []any{got.Title, got.Version, got.Status, len(got.Variants)})

	var won int
	results := make([]error, 12)
	together(len(results), func(i int) {
		_, results[i] = s.PatchProduct(t.Context(), p.ID, service.ProductPatch{Title: ptr("Writer " + string(rune('a'+i)))}, only(2))
	})
	for _, err := range results {
		if err == nil {
			won++
		} else {
			require.ErrorIs(t, err, errOther)
		}
	}
	require.Equal(t, 1, won)
}

func TestVariantsAreAddedChangedAndDeleted(t *testing.T) {
	t.Parallel()
	s := open(t)
	p := s.create(t, shirt("shirt"))
	large, version, err := s.AddVariant(t.Context(), p.Slug, service.NewVariant{Options: map[string]string{"Size": "L"}, Price: usd(2199)}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, version)
	require.Equal(t, []any{"shirt--l", "L", int64(3)}, []any{large.SKU, large.Title, large.Position})
	s.adjust(t, large.SKU, 4)

	cheaper, version, err := s.PatchVariant(t.Context(), p.ID, large.SKU, service.VariantPatch{
		Price: ptr(usd(1500)), CompareAtPrice: ptr(usd(2199)), Position: ptr[int64](0), WeightGrams: ptr[int64](7),
	}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, version)
	want := large
	want.Price, want.CompareAtPrice, want.Position, want.WeightGrams = usd(1500), ptr(usd(2199)), 0, 7
	want.Stock = catalog.Stock{OnHand: ptr[int64](4), Reserved: ptr[int64](0), Available: 4}
	require.Equal(t, want, cheaper)

	cheaper, _, err = s.PatchVariant(t.Context(), p.ID, large.SKU, service.VariantPatch{NoCompareAtPrice: true}, nil)
	require.NoError(t, err)
	require.Nil(t, cheaper.CompareAtPrice)

	got, err := s.GetProduct(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"shirt--l", "S-shirt", "shirt--m"}, []string{got.Variants[0].SKU, got.Variants[1].SKU, got.Variants[2].SKU})
	require.Equal(t, []catalog.Option{{Name: "Size", Values: []string{"S", "M", "L"}}}, got.Options)

	require.NoError(t, s.DeleteVariant(t.Context(), p.ID, large.SKU, nil))
	require.ErrorIs(t, s.DeleteVariant(t.Context(), p.ID, large.SKU, nil), catalog.ErrVariantNotFound)
	_, _, err = s.PatchVariant(t.Context(), p.ID, large.SKU, service.VariantPatch{Price: ptr(usd(1))}, nil)
	require.ErrorIs(t, err, catalog.ErrVariantNotFound)
	_, _, err = s.AddVariant(t.Context(), "nothing", service.NewVariant{Price: usd(1)}, nil)
	require.ErrorIs(t, err, catalog.ErrProductNotFound)
}

func TestBadProductsAreRefusedWithTheFieldsThatAreBad(t *testing.T) {
	t.Parallel()
	s := open(t)
	with := func(change func(n *service.NewProduct)) service.NewProduct {
		n := shirt("shirt")
		change(&n)
		return n
	}
	for field, n := range map[string]service.NewProduct{
		"body.title":                        with(func(n *service.NewProduct) { n.Title = " " }),
		"body.slug":                         with(func(n *service.NewProduct) { n.Slug = "a b/c" }),
		"body.status":                       with(func(n *service.NewProduct) { n.Status = "asleep" }),
		"body.description":                  with(func(n *service.NewProduct) { n.Description = "a\x00b" }),
		"body.vendor":                       with(func(n *service.NewProduct) { n.Vendor = "a\x1b[31mb" }),
		"body.tags[0]":                      with(func(n *service.NewProduct) { n.Tags = []string{strings.Repeat("x", 256)} }),
		"body.images[1].url":                with(func(n *service.NewProduct) { n.Images[1].URL = "javascript:alert(1)" }),
		"body.variants[0].price":            with(func(n *service.NewProduct) { n.Variants[0].Price.Amount = -1 }),
		"body.variants[1].price":            with(func(n *service.NewProduct) { n.Variants[1].Price.Currency = "ZZZ" }),
		"body.variants[0].compare_at_price": with(func(n *service.NewProduct) { n.Variants[0].CompareAtPrice = &money.Money{Amount: 1, Currency: "EUR"} }),
		"body.variants[0].weight_grams":     with(func(n *service.NewProduct) { n.Variants[0].WeightGrams = -1 }),
		"body.variants[0].sku":              with(func(n *service.NewProduct) { n.Variants[0].SKU = " x" }),
		"body.category_ids[0]":              with(func(n *service.NewProduct) { n.CategoryIDs = []string{"nonsense"} }),
	} {
		_, err := s.CreateProduct(t.Context(), n)
		require.ErrorIs(t, err, errs.ErrInvalid, field)
		e, _ := errs.As(err)
		require.Len(t, e.Fields, 1, "%v", e.Fields)
		require.Equal(t, field, e.Fields[0].Location)
	}
	p := s.create(t, shirt("shirt"))
	_, _, err := s.AddVariant(t.Context(), p.ID, service.NewVariant{SKU: "x", Price: usd(-1)}, nil)
	e, _ := errs.As(err)
	require.Equal(t, "body.price", e.Fields[0].Location)
	got, err := s.GetProduct(t.Context(), p.ID)
	require.NoError(t, err)
	require.Equal(t, p, got)
}

func TestAnArchivedProductIsNotForSaleAndNotLost(t *testing.T) {
	t.Parallel()
	s := open(t)
	lamp := s.sell(t, "lamp", 1)
	require.NoError(t, s.ArchiveProduct(t.Context(), lamp.ProductID, nil))
	require.NoError(t, s.ArchiveProduct(t.Context(), lamp.ProductID, nil))
	_, err := s.ViewProduct(t.Context(), lamp.ProductID)
	require.ErrorIs(t, err, catalog.ErrProductNotFound)
	offers, err := s.GetOffers(t.Context(), catalog.GetOffersRequest{SKUs: []string{"lamp"}})
	require.NoError(t, err)
	require.Empty(t, offers)
	p, err := s.GetProduct(t.Context(), lamp.ProductID)
	require.NoError(t, err)
	require.Equal(t, []any{"archived", int64(2)}, []any{p.Status, p.Version})
}

func TestAProductMayBeLarge(t *testing.T) {
	t.Parallel()
	s := open(t)
	n := service.NewProduct{Title: "Paint", Status: catalog.StatusActive}
	for i := range 2000 {
		n.Variants = append(n.Variants, service.NewVariant{Options: map[string]string{"Colour": "c" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)}, Price: usd(int64(i))})
	}
	p := s.create(t, n)
	require.Len(t, p.Variants, 2000)
	_, _, err := s.PatchVariant(t.Context(), p.ID, p.Variants[1500].SKU, service.VariantPatch{Price: ptr(usd(5))}, nil)
	require.NoError(t, err)
	for range 49 {
		n.Variants = append(n.Variants, n.Variants[0])
	}
	_, err = s.CreateProduct(t.Context(), n)
	require.ErrorIs(t, err, errs.ErrInvalid)
}
