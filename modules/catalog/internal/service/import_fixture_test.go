package service_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	catalogmigrations "stoa/migrations/catalog"
	"stoa/modules/catalog"
	"stoa/modules/catalog/catalogtest"
	"stoa/modules/catalog/internal/service"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/outbox"
)

// importing is a catalogue that files are read into, in a place of its own.
type importing struct {
	*service.Service
	clock *clock.Fake
	db    *db.DB
	place string
}

// newPlace gives where a catalogue can lie that several processes open: the URL
// of a database on PostgreSQL, or else a directory.
func newPlace(t testing.TB) string {
	t.Helper()
	if dbtest.Dialect() == db.Postgres {
		return dbtest.PostgresWith(t, catalog.Name, catalogmigrations.FS)
	}
	return t.TempDir()
}

func openImporting(t testing.TB) *importing {
	t.Helper()
	return openImportingIn(t, newPlace(t), clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1))
}

func openImportingIn(t testing.TB, place string, c *clock.Fake) *importing {
	t.Helper()
	d := openCatalogDB(t, place)
	return &importing{importService(d, c), c, d, place}
}

func openCatalogDB(t testing.TB, place string) *db.DB {
	t.Helper()
	if dbtest.Dialect() == db.Postgres {
		return dbtest.Reopen(t, catalog.Name, place)
	}
	d, err := db.OpenSQLite(t.Context(), catalog.Name, filepath.Join(place, "catalog.db"), db.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.Migrate(t.Context(), catalogmigrations.FS))
	return d
}

func importService(d *db.DB, c clock.Clock) *service.Service {
	log := slog.New(slog.DiscardHandler)
	return service.New(service.Deps{
		DB: d, Outbox: outbox.New(catalog.Name, d, nil, c, log, outbox.Options{}), Clock: c, Log: log,
		Config: service.DefaultConfig(), Shop: service.DefaultShopConfig(),
	})
}

// read imports a file as a command does.
func (s *importing) read(t testing.TB, file string, o service.ImportOptions) service.Import {
	t.Helper()
	i, err := s.ImportFile(t.Context(), strings.NewReader(file), "file", o, func(service.Import) {})
	require.NoError(t, err)
	require.Zero(t, s.chunks(t), "the file is gone")
	return i
}

// good imports a file of which all is good.
func (s *importing) good(t testing.TB, file string, o service.ImportOptions) service.Import {
	t.Helper()
	i := s.read(t, file, o)
	require.Equal(t, "succeeded", i.Status, "%+v", i)
	require.Empty(t, i.Errors)
	require.Equal(t, i.RowsTotal, i.RowsDone)
	return i
}

func (s *importing) export(t testing.TB, format string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, s.Export(t.Context(), format, &out))
	return out.String()
}

func (s *importing) product(t testing.TB, slug string) catalog.Product {
	t.Helper()
	p, err := s.GetProduct(t.Context(), slug)
	require.NoError(t, err)
	return p
}

// count asks the database itself.
func (s *importing) count(t testing.TB, query string) int64 {
	t.Helper()
	var n int64
	require.NoError(t, s.db.Read().QueryRowContext(t.Context(), query).Scan(&n))
	return n
}

// chunks counts the pieces of files that are stored.
func (s *importing) chunks(t testing.TB) int64 {
	t.Helper()
	return s.count(t, `SELECT count(*) FROM import_chunks`)
}

// sound requires that what the tables say of each other is true.
func (s *importing) sound(t testing.TB) {
	t.Helper()
	require.Zero(t, s.count(t, `SELECT count(*) FROM stock s WHERE on_hand <> (SELECT coalesce(sum(quantity), 0) FROM movements m WHERE m.sku = s.sku)`))
	require.Zero(t, s.count(t, `SELECT count(*) FROM variants v LEFT JOIN stock s ON s.sku = v.sku WHERE s.product IS NULL OR s.product <> v.product`))
	require.Equal(t, s.count(t, `SELECT count(*) FROM products`), s.count(t, `SELECT count(*) FROM listings WHERE scope = ''`))
	require.Equal(t, s.count(t, `SELECT count(*) FROM products`), s.count(t, `SELECT count(*) FROM product_search`))
	require.Equal(t, s.count(t, `SELECT count(DISTINCT product) FROM stock WHERE product IS NOT NULL AND on_hand > reserved`),
		s.count(t, `SELECT count(*) FROM listings WHERE scope = 's'`))
}

// journey is the catalogue of a supermarket as a file of Shopify; the test is
// skipped where it does not lie.
func journey(t testing.TB) string {
	t.Helper()
	var out bytes.Buffer
	file, err := os.Open(testdata(t, "completejourney", "priced-products.csv.gz"))
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	n, err := catalogtest.CompleteJourney(&out, file)
	require.NoError(t, err)
	require.Equal(t, 20832, n)
	if dbtest.Raced {
		return strings.Join(strings.SplitAfterN(out.String(), "\n", 1001)[:1000], "")
	}
	return out.String()
}

func testdata(t testing.TB, path ...string) string {
	t.Helper()
	dir := os.Getenv("TESTDATA_DIR")
	if dir == "" {
		t.Skip("TESTDATA_DIR is not set")
	}
	return filepath.Join(append([]string{dir}, path...)...)
}
