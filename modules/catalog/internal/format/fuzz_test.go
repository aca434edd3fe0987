package format_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog/internal/format"
)

// fuzz reads anything as a file of a format: reading ends, says only what can
// be shown, and what it accepts comes back the same.
func fuzz(f *testing.F, as format.Format) {
	for _, path := range []string{"testdata/shopify/garden.csv", "testdata/shopify/prints.csv", "testdata/eshop/catalog.json"} {
		data, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(string(data))
		if !strings.HasSuffix(path, ".json") {
			f.Add(write(f, as, readProducts(f, format.Shopify, string(data))))
		}
	}
	f.Add(template)
	f.Add("title,price,tags,images\nA,5,\"\"\"a\"\", b\",\"[{\"\"url\"\":\"\"/x\"\"}]\"\n\"B\r\n\",6,,\n")
	f.Add("Title,Option1 Name,Option1 Value,Stoa / Options,Stoa / Further Options,Stoa / Variant Position\nA,T,x,\"[{\"\"name\"\":\"\"T\"\"}]\",{},9\n")
	f.Add(`[{"title":"A","price":"1"},{"title":"B","variants":[{"price":{"amount":1,"currency":"JPY"},"options":{"a":"b"},"position":0}]}]`)
	f.Fuzz(func(t *testing.T, file string) {
		reader, err := format.NewReader(as, strings.NewReader(file), dollars)
		if err != nil {
			requireShown(t, err.Error())
			return
		}
		var accepted []format.Product
		records, rows := 0, 0
		for {
			record, err := reader.Next()
			if err != nil {
				requireShown(t, err.Error())
				if counted, countErr := format.Count(as, strings.NewReader(file)); errors.Is(err, io.EOF) {
					require.NoError(t, countErr)
					require.Equal(t, counted, rows)
				}
				break
			}
			records++
			require.LessOrEqual(t, records, len(file))
			require.LessOrEqual(t, record.First, record.Last)
			rows += record.Rows
			for _, e := range record.Errors {
				requireShown(t, e.Error())
			}
			if len(record.Errors) == 0 {
				require.Empty(t, record.Product.Check())
				accepted = append(accepted, record.Product)
			}
		}
		for _, back := range format.Formats() {
			require.Equal(t, stated(accepted), readProducts(t, back, write(t, back, accepted)))
		}
	})
}

func requireShown(t *testing.T, text string) {
	require.True(t, utf8.ValidString(text), "%q", text)
	require.Less(t, len(text), 1000)
}

func FuzzShopify(f *testing.F) { fuzz(f, format.Shopify) }

func FuzzCSV(f *testing.F) { fuzz(f, format.CSV) }

func FuzzJSON(f *testing.F) { fuzz(f, format.JSON) }
