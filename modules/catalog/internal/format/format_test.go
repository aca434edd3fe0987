package format_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog/internal/format"
	"stoa/platform/money"
)

// dataFile gives the files of a set of data: the whole set where TESTDATA_DIR
// says where it lies, else a small one of our own.
func dataFiles(t testing.TB, pattern string) []string {
	t.Helper()
	dir := os.Getenv("TESTDATA_DIR")
	if dir == "" {
		dir = "testdata"
	}
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no %s in %s", pattern, dir)
	return files
}

var dollars = format.Options{Currency: "USD"}

// read reads a whole file.
func read(t require.TestingT, f format.Format, file string) []format.Record {
	reader, err := format.NewReader(f, strings.NewReader(file), dollars)
	require.NoError(t, err)
	var records []format.Record
	for {
		record, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return records
		}
		require.NoError(t, err)
		records = append(records, record)
	}
}

// readProducts reads a whole file in which nothing is wrong.
func readProducts(t require.TestingT, f format.Format, file string) []format.Product {
	var products []format.Product
	rows := 0
	for _, record := range read(t, f, file) {
		require.Empty(t, record.Errors)
		require.Len(t, record.VariantRows, len(record.Product.Variants))
		products = append(products, record.Product)
		rows += record.Rows
	}
	counted, err := format.Count(f, strings.NewReader(file))
	require.NoError(t, err)
	require.Equal(t, counted, rows)
	return products
}

// readFault reads a file until it is found broken.
func readFault(f format.Format, file string) error {
	reader, err := format.NewReader(f, strings.NewReader(file), dollars)
	for err == nil {
		_, err = reader.Next()
	}
	return err
}

func write(t require.TestingT, f format.Format, products []format.Product) string {
	var file bytes.Buffer
	writer, err := format.NewWriter(f, &file)
	require.NoError(t, err)
	for _, p := range products {
		require.NoError(t, writer.Write(p))
	}
	require.NoError(t, writer.Close())
	return file.String()
}

func usd(amount int64) money.Money { return money.Money{Amount: amount, Currency: "USD"} }

func count(n int64) *int64 { return &n }

// An independent reading of Shopify's files: what they say by encoding/csv and
// the names of columns.
func TestRealShopifyFilesAreReadWhole(t *testing.T) {
	t.Parallel()
	for _, path := range dataFiles(t, "shopify/*.csv") {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\uFEFF")))).ReadAll()
		require.NoError(t, err)
		at := func(row []string, names ...string) string {
			for _, name := range names {
				for i, column := range rows[0] {
					if column == name {
						return row[i]
					}
				}
			}
			return ""
		}
		type variant struct{ price, sku, quantity string }
		handles := []string{}
		titles, variants := map[string]string{}, map[string][]variant{}
		for _, row := range rows[1:] {
			handle := at(row, "Handle", "URL handle")
			if title := at(row, "Title"); title != "" {
				handles, titles[handle] = append(handles, handle), title
			}
			if price := at(row, "Variant Price", "Price"); price != "" {
				variants[handle] = append(variants[handle], variant{
					price, at(row, "Variant SKU", "SKU"), at(row, "Variant Inventory Qty", "Inventory quantity"),
				})
			}
		}

		products := readProducts(t, format.Shopify, string(data))
		require.Len(t, products, len(handles), path)
		for i, p := range products {
			require.Equal(t, handles[i], p.Slug)
			require.Equal(t, titles[p.Slug], p.Title)
			require.Len(t, p.Variants, len(variants[p.Slug]), p.Slug)
			for i, v := range variants[p.Slug] {
				price, err := money.Parse(v.price, "USD")
				require.NoError(t, err)
				require.Equal(t, price, p.Variants[i].Price)
				require.NotEmpty(t, p.Variants[i].SKU)
				if v.sku != "" {
					require.Equal(t, v.sku, p.Variants[i].SKU)
				}
				if v.quantity == "" {
					require.Nil(t, p.Variants[i].Quantity)
				} else {
					quantity := int64(0)
					for _, digit := range v.quantity {
						quantity = 10*quantity + int64(digit-'0')
					}
					require.Equal(t, quantity, *p.Variants[i].Quantity)
				}
			}
		}
	}
}

func TestRealFilesComeBackTheSameInEveryFormat(t *testing.T) {
	t.Parallel()
	for _, path := range dataFiles(t, "shopify/*.csv") {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		requireRoundTrip(t, readProducts(t, format.Shopify, string(data)))
	}
}

func TestWhatIsNoFileOfTheFormatIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format  format.Format
		file    string
		row     int
		message string
	}{
		{format.Shopify, "", 1, "the file is empty"},
		{format.Shopify, "\uFEFF", 1, "the file is empty"},
		{format.Shopify, "\n\n", 1, "the file is empty"},
		{format.CSV, "\xff\xfet\x00i\x00", 1, "the file is UTF-16; save it as UTF-8"},
		{format.CSV, "\x1f\x8b\x08\x00", 1, "the file is compressed; unpack it first"},
		{format.Shopify, "Handle,Body (HTML)\na,b\n", 1, "there is no column Title"},
		{format.CSV, "slug;title;price\n", 1, "there is one column; cells are separated by commas, not by semicolons or tabs"},
		{format.CSV, "title,t\xeftle\n", 1, "the name of column 2 is not UTF-8 text"},
		{format.CSV, "title,Title\n", 1, "the column stands twice"},
		{format.CSV, "title,name\n", 1, "the column means the same as title"},
		{format.CSV, strings.Repeat("title,", 3000), 1, "there are more than 2000 columns"},
		{format.CSV, "title,price\nLamp,\"5\n", 2, "a quote is opened and never closed"},
		{format.CSV, "title,price\n\"Lamp\"s,5\n", 2, `after a closing quote stands "s,5", not a comma; a quote inside a cell in quotes is doubled`},
		{format.CSV, "title,price\nA,5\n\n\"B\",6\nC,\"7\"\"", 5, "a quote is opened and never closed"},
		{format.JSON, "", 1, "the file is empty"},
		{format.JSON, "5", 1, `the file is neither an object {"products": […]} nor an array of products`},
		{format.JSON, `{"product":[]}`, 1, `the object's only member must be "products"`},
		{format.JSON, `{"products":[],"more":1}`, 1, `the object's only member must be "products"`},
		{format.JSON, `{"products":[]`, 1, "the JSON ends too early"},
		{format.JSON, `[{"title":"A","price":1},{"title":"B"`, 2, "the JSON ends too early"},
		{format.JSON, `[{"title":"A","price":1}] []`, 1, "something follows the end of the JSON"},
		{format.JSON, `[{"title":"A","price":1},]`, 2, ""},
		{format.JSON, `[{"title":'A'}]`, 1, ""},
		{format.JSON, strings.Repeat("[", 100_000), 1, ""},
	} {
		err := readFault(c.format, c.file)
		var broken *format.FileError
		require.ErrorAs(t, err, &broken, "%.40q", c.file)
		require.Equal(t, c.row, broken.Row, "%.40q: %v", c.file, err)
		if c.message != "" {
			require.Equal(t, c.message, broken.Message)
		}
		require.Less(t, len(err.Error()), 400)
	}
}

func TestABrokenFileStaysBroken(t *testing.T) {
	t.Parallel()
	reader, err := format.NewReader(format.CSV, strings.NewReader("title,price\nLamp,5\nTable,\"6"), dollars)
	require.NoError(t, err)
	_, err = reader.Next()
	require.Error(t, err) // the row ahead is what tells that a product is complete
	_, again := reader.Next()
	require.Equal(t, err, again)
	_, err = format.Count(format.CSV, strings.NewReader("title,price\nLamp,5\nTable,\"6"))
	var broken *format.FileError
	require.ErrorAs(t, err, &broken)
	require.Equal(t, 3, broken.Row)
}

func TestAnUnknownFormatOrCurrencyIsAnError(t *testing.T) {
	t.Parallel()
	_, err := format.NewReader("xlsx", strings.NewReader("title\n"), dollars)
	require.Error(t, err)
	_, err = format.NewWriter("xlsx", io.Discard)
	require.Error(t, err)
	_, err = format.Count("xlsx", strings.NewReader("title\n"))
	require.Error(t, err)
	_, err = format.NewReader(format.CSV, strings.NewReader("title\n"), format.Options{Currency: "usd"})
	require.ErrorIs(t, err, money.ErrUnknownCurrency)
	require.True(t, format.Shopify.Valid())
	require.False(t, format.Format("xlsx").Valid())
	require.Equal(t, "application/json", format.JSON.ContentType())
	require.Equal(t, "text/csv; charset=utf-8", format.Shopify.ContentType())
}

// errReader fails after some bytes, as a connection that is cut does.
type errReader struct {
	in  io.Reader
	err error
}

func (r errReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if errors.Is(err, io.EOF) {
		err = r.err
	}
	return n, err
}

func TestWhatReadingReturnsIsPassedOn(t *testing.T) {
	t.Parallel()
	cut := errors.New("cut off")
	for f, file := range map[format.Format]string{
		format.CSV:     "title,price\nLamp,5\nTable,6",
		format.Shopify: "Title,Variant Price\nLamp,5\n\"Table,6",
		format.JSON:    `{"products":[{"title":"Lamp","price":5},{"tit`,
	} {
		reader, err := format.NewReader(f, errReader{strings.NewReader(file), cut}, dollars)
		for err == nil {
			_, err = reader.Next()
		}
		require.ErrorIs(t, err, cut, f)
		_, err = format.Count(f, errReader{strings.NewReader(file), cut})
		require.ErrorIs(t, err, cut, f)
	}
	_, err := format.NewReader(format.CSV, errReader{strings.NewReader(""), cut}, dollars)
	require.ErrorIs(t, err, cut)
}
