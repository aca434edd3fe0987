package service_test

import (
	"fmt"
	"context"
	"time"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog/internal/service"
	"stoa/platform/db"
)

func BenchmarkZZ(b *testing.B) {
	s := openImporting(b)
	s.good(b, journey(b), service.ImportOptions{Format: "shopify"})
	t0 := time.Now()
	require.NoError(b, s.db.Write(b.Context(), func(ctx context.Context, tx *db.Tx) error {
		tx.ExecContext(ctx, "INSERT INTO product_search(product_search) VALUES('optimize')")
		_, err := tx.ExecContext(ctx, "INSERT INTO title_search(title_search) VALUES('optimize')")
		return err
	}))
	b.Log("optimize", time.Since(t0))
	for _, text := range []string{"frozen pizza", "private", "cheese"} {
		b.Run("whole "+text, func(b *testing.B) {
			for b.Loop() {
				s.ListViews(b.Context(), service.ListQuery{Text: text, Limit: 20})
			}
		})
	}
	for _, m := range []string{`"frozen" AND "pizza"*`, `"private"*`, `"cheese"*`} {
		for name, q := range map[string]string{
			"title":       "SELECT rowid FROM title_search WHERE title_search MATCH $1 ORDER BY rowid DESC LIMIT 21",
			"title all":   "SELECT rowid FROM title_search WHERE title_search MATCH $1",
			"all":         "SELECT rowid FROM product_search WHERE product_search MATCH $1 ORDER BY rowid DESC LIMIT 21",
			"all notin":   "SELECT rowid FROM product_search WHERE product_search MATCH $1 AND rowid NOT IN (SELECT rowid FROM title_search WHERE title_search MATCH $1) ORDER BY rowid DESC LIMIT 21",
			"all bounded":  "SELECT rowid FROM product_search WHERE product_search MATCH $1 AND rowid < 9999999 ORDER BY rowid DESC LIMIT 21",
			"count":       "SELECT count(*) FROM product_search WHERE product_search MATCH $1",
		} {
			st := db.NewStatement(q)
			b.Run(fmt.Sprint(m, " ", name), func(b *testing.B) {
				n := 0
				for b.Loop() {
					rows, err := st.Query(b.Context(), s.db.Read(), m)
					require.NoError(b, err)
					n = 0
					for rows.Next() {
						var x int64
						rows.Scan(&x)
						n++
					}
					rows.Close()
				}
				b.ReportMetric(float64(n), "rows")
			})
		}
	}
}
