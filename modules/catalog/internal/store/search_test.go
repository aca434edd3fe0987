package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	catalogmigrations "stoa/migrations/catalog"
	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

// product is one with nothing but a title.
func product(title string) *store.Product {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	return &store.Product{Product: catalog.Product{
		ID: title, Slug: title, Title: title, Status: catalog.StatusActive, Tags: []string{}, Images: []catalog.Image{}, Options: []catalog.Option{},
		Version: 1, CreatedAt: now, UpdatedAt: now,
	}}
}

func TestMergingLeavesTheIndexInOnePiece(t *testing.T) {
	t.Parallel()
	d := dbtest.OpenSQLite(t, catalog.Name, catalogmigrations.FS)
	const products = 60
	for i := range products {
		require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return store.InsertProducts(ctx, tx, []*store.Product{product(fmt.Sprintf("lamp %d", i))}, nil)
		}))
	}
	pieces := func(index string) (n int) {
		row := db.NewStatement(`SELECT count(DISTINCT segid) FROM `+index+`_idx`).QueryRow(t.Context(), d.Read())
		require.NoError(t, row.Scan(&n))
		return n
	}
	require.Greater(t, pieces("product_search"), 1)
	require.Greater(t, pieces("title_search"), 1)
	for begin, more := true, true; more; begin = false {
		require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) (err error) {
			more, err = store.MergeSearch(ctx, tx, begin)
			return err
		}))
	}
	require.Equal(t, 1, pieces("product_search"))
	require.Equal(t, 1, pieces("title_search"))
	q, ok := store.ParseQuery("lamp")
	require.True(t, ok)
	found, err := store.ListRelevant(t.Context(), d.Read(), q, store.Filter{}, store.Position{}, 100)
	require.NoError(t, err)
	require.Len(t, found, products)
}

func TestAQueryIsWordsAndNothingElse(t *testing.T) {
	t.Parallel()
	for text, any := range map[string]string{
		"lamp": `"lamp"*`, " floor  lamp ": `"floor" AND "lamp"*`, `"a" OR b*`: `"a" AND "OR" AND "b"*`, "LX-2000/b": `"LX" AND "2000" AND "b"*`,
		"{title}:x": `"title" AND "x"*`, "a\x00b": `"a" AND "b"*`, "für": `"für"*`, "fu\u0308r": "\"fu\u0308r\"*",
	} {
		q, ok := store.ParseQuery(text)
		require.True(t, ok, text)
		require.Equal(t, any, q.Any.FTS5)
	}
	for _, text := range []string{"", " ", "%%%", `""`, "*", "()", "🪔", "\u200b"} {
		_, ok := store.ParseQuery(text)
		require.False(t, ok, "%q", text)
	}
}

func TestFoldingMakesEqualWhatReadsEqual(t *testing.T) {
	t.Parallel()
	for text, folded := range map[string]string{"Lamp": "lamp", "RÉD": "red", "re\u0301d": "red", "ΣΟΦΊΑ": "σοφια", "ﬁ": "fi", "İ": "i", "ß": "ß", "日本": "日本"} {
		require.Equal(t, folded, store.Fold(text), text)
	}
}
