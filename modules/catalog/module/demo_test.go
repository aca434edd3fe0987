package module_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
)

// demoProduct is what a test looks at of a product in a file.
type demoProduct struct {
	Slug, Title, Description, Status, Vendor string
	ProductType                              string `json:"product_type"`
	Categories                               []string
	Options                                  []struct{ Name string }
	Variants                                 []struct {
		SKU      string
		Price    struct{ Amount int64 }
		Quantity int64
	}
}

func TestTheDemoFillsAnEmptyCatalogueOnly(t *testing.T) {
	t.Parallel()
	s := openShop(t, newPlace(t), clock.System())
	notes, err := s.host.Demos()[0](t.Context())
	require.NoError(t, err)
	require.Len(t, notes, 2)
	require.Contains(t, notes[0], "101 products: {api}/products")
	require.Contains(t, notes[1], "curl")

	text, err := os.ReadFile("demo.json")
	require.NoError(t, err)
	file, _, err := s.run(t.Context(), "", "export", "--format", "json")
	require.NoError(t, err)
	require.Equal(t, string(text), file, "it lies here as an export writes it")

	notes, err = s.host.Demos()[0](t.Context())
	require.NoError(t, err)
	require.Empty(t, notes)
	again, _, err := s.run(t.Context(), "", "export")
	require.NoError(t, err)
	require.Equal(t, file, again)

	other := openShop(t, newPlace(t), clock.System())
	_, _, err = other.run(t.Context(), "title\nMine\n", "import", "-")
	require.NoError(t, err)
	notes, err = other.host.Demos()[0](t.Context())
	require.NoError(t, err)
	require.Empty(t, notes, "there is a product already")
}

func TestTheDemoIsTheCatalogueOfEShop(t *testing.T) {
	t.Parallel()
	var demo struct{ Products []demoProduct }
	text, err := os.ReadFile("demo.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &demo))
	skus, several := map[string]bool{}, 0
	byText := map[string]demoProduct{}
	for _, p := range demo.Products {
		require.Equal(t, "active", p.Status)
		require.Len(t, p.Categories, 1)
		require.NotEmpty(t, p.Variants)
		if len(p.Variants) > 1 {
			several++
			require.Len(t, p.Options, 1)
		}
		for _, v := range p.Variants {
			require.False(t, skus[v.SKU], v.SKU)
			skus[v.SKU] = true
			require.True(t, v.Quantity >= 20 && v.Quantity <= 120, "%s: %d", v.SKU, v.Quantity)
		}
		byText[p.Title+"\n"+p.Description] = p
	}
	require.Positive(t, several)

	dir := os.Getenv("TESTDATA_DIR")
	if dir == "" {
		t.Skip("TESTDATA_DIR is not set")
	}
	text, err = os.ReadFile(filepath.Join(dir, "eshop", "catalog.json"))
	require.NoError(t, err)
	var source []struct {
		Type, Brand, Name, Description string
		Price                          json.Number
	}
	require.NoError(t, json.Unmarshal(text, &source))
	require.Len(t, demo.Products, len(source))
	for _, want := range source {
		p, ok := byText[want.Name+"\n"+want.Description]
		require.True(t, ok, want.Name)
		require.Equal(t, []string{want.Brand, want.Type}, []string{p.Vendor, p.ProductType})
		whole, cents, _ := strings.Cut(want.Price.String(), ".")
		cents = (cents + "00")[:2]
		for _, v := range p.Variants {
			require.Equal(t, strings.TrimLeft(whole+cents, "0"), strconv.FormatInt(v.Price.Amount, 10), want.Name)
		}
	}
}

func BenchmarkDemo(b *testing.B) {
	for range b.N {
		b.StopTimer()
		s := openShop(b, newPlace(b), clock.System())
		b.StartTimer()
		_, err := s.host.Demos()[0](b.Context())
		require.NoError(b, err)
	}
}
