package format_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/format"
)

func TestSlugsAreMadeFromTitles(t *testing.T) {
	t.Parallel()
	for title, slug := range map[string]string{
		"Floor Lamp": "floor-lamp", "  BREAD:ITALIAN/FRENCH  ": "bread-italian-french", "Größe №1": "größe-1", "漢字": "漢字",
		"a_b": "a-b", strings.Repeat("x", 600): strings.Repeat("x", 200),
	} {
		require.Equal(t, slug, format.Slug(title))
	}
	require.Regexp(t, `^[0-9a-f]{10}$`, format.Slug("!!!"))
	require.NotEqual(t, format.Slug("!!!"), format.Slug("???"))
	require.Regexp(t, `^0193b4a0-7c1e-7abc-8def-0123456789ab-[0-9a-f]{10}$`, format.Slug("0193b4a0-7c1e-7abc-8def-0123456789ab"))
}

func TestEveryTitleMakesAGoodSlug(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := format.Product{Slug: format.Slug(rapid.String().Draw(t, "title")), Title: "x", Status: catalog.StatusActive}
		require.Empty(t, p.Check())
	})
}

var sizeAndColor = []catalog.Option{{Name: "Size"}, {Name: "Color"}}

func TestSKUsAreMadeFromSlugAndOptions(t *testing.T) {
	t.Parallel()
	made := func(slug, size, color string) string {
		return format.MakeSKU(slug, sizeAndColor, map[string]string{"Size": size, "Color": color})
	}
	require.Equal(t, "floor-lamp", format.MakeSKU("floor-lamp", nil, nil))
	require.Equal(t, "shirt--s--dark-red", made("shirt", "S", "Dark Red"))
	// Of two products neither takes the other's.
	require.NotEqual(t, made("shirt", "red", "s"), format.MakeSKU("shirt-red", sizeAndColor[:1], map[string]string{"Size": "s"}))
	require.NotEqual(t, made("shirt", "red", "s"), made("shirt--red", "s", ""))
	// What the SKU cannot show is told apart by the hash.
	for _, size := range []string{`9"`, "9'", "9", "½", "Größe", "", "红", " 9", "9  9", "-"} {
		for _, other := range []string{`9"`, "9'", "9", "½", "Größe", "", "红", " 9", "9  9", "-"} {
			require.Equal(t, size == other, made("shirt", size, "red") == made("shirt", other, "red"), "%q %q", size, other)
		}
	}
	require.NotEqual(t, made("shirt", "S", ""), made("shirt", "", "S"))
}

func TestEverySKUIsShortAndSafe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := map[string]string{"Size": rapid.String().Draw(t, "size"), "Color": rapid.String().Draw(t, "color")}
		sku := format.MakeSKU(rapid.String().Draw(t, "slug"), sizeAndColor, values)
		require.Regexp(t, `^[a-z0-9]+(--?[a-z0-9]+)*$`, sku)
		require.LessOrEqual(t, len(sku), 64)
		require.True(t, utf8.ValidString(sku))
	})
}

func TestTwoThousandLongSKUsDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i := range 2000 {
		sku := format.MakeSKU(strings.Repeat("long-", 20)+"slug", sizeAndColor, map[string]string{"Size": strings.Repeat("x", i), "Color": "c"})
		require.False(t, seen[sku])
		seen[sku] = true
	}
}
