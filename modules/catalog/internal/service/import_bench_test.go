package service_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog/internal/service"
)

// BenchmarkImport imports 20,832 products into an empty shop, the same again,
// with other prices and quantities, and with other titles.
func BenchmarkImport(b *testing.B) {
	file := journey(b)
	edited := func(edit func(row []string)) string {
		rows, err := csv.NewReader(strings.NewReader(file)).ReadAll()
		require.NoError(b, err)
		for _, row := range rows[1:] {
			edit(row)
		}
		var out bytes.Buffer
		require.NoError(b, csv.NewWriter(&out).WriteAll(rows))
		return out.String()
	}
	changed := edited(func(row []string) { row[12], row[15] = row[12]+"1", "1"+row[15] })
	renamed := edited(func(row []string) { row[1] += ", renewed" })
	speed := func(b *testing.B, s *importing, file string) {
		i := s.good(b, file, service.ImportOptions{Format: "shopify"})
		b.ReportMetric(float64(i.RowsDone)*float64(b.N)/b.Elapsed().Seconds(), "products/s")
	}
	for _, c := range []struct {
		name   string
		before []string
		file   string
	}{{"new", nil, file}, {"unchanged", []string{file}, file}, {"changed", []string{file}, changed}, {"renamed", []string{file}, renamed}} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				s := openImporting(b)
				for _, before := range c.before {
					s.good(b, before, service.ImportOptions{Format: "shopify"})
				}
				b.StartTimer()
				speed(b, s, c.file)
			}
		})
	}
	b.Run("export", func(b *testing.B) {
		s := openImporting(b)
		s.good(b, file, service.ImportOptions{Format: "shopify"})
		b.ResetTimer()
		for range b.N {
			s.export(b, "shopify")
		}
		b.ReportMetric(20832*float64(b.N)/b.Elapsed().Seconds(), "products/s")
	})
}
