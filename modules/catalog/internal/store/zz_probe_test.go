package store

import (
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/csv"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	catalogmigrations "stoa/migrations/catalog"
	"stoa/modules/catalog"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/money"
)

func fillProbe(t testing.TB) *db.DB {
	d := dbtest.Open(t, "catalog", catalogmigrations.FS)
	f, err := os.Open("/work/shared/data/completejourney/priced-products.csv.gz")
	require.NoError(t, err)
	z, _ := gzip.NewReader(f)
	rows, err := csv.NewReader(z).ReadAll()
	require.NoError(t, err)
	rows = rows[1:]
	c := clock.System()
	places := Places{}
	ids := map[string]string{}
	slug := func(s string) string { return strings.ToLower(strings.NewReplacer(" ", "-", "/", "-").Replace(s)) }
	start := time.Now()
	c0 := cpu()
	for len(rows) > 0 {
		part := rows[:min(500, len(rows))]
		rows = rows[len(part):]
		require.NoError(t, d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			var ps []*Product
			var cats []Category
			var moves []Movement
			for _, r := range part {
				path := slug(r[1]) + "/" + slug(r[2]) + "/" + slug(r[3])
				for _, a := range Ancestry(path) {
					if _, ok := ids[a]; !ok {
						ids[a] = c.ID()
						cats = append(cats, Category{Depth: 1, Category: catalog.Category{ID: ids[a], Slug: a[strings.LastIndex(a, "/")+1:], Name: a, Path: a}})
					}
				}
				cents, _ := strconv.ParseInt(r[6], 10, 64)
				title := strings.TrimSpace(r[3] + " " + r[5])
				n := c.Now()
				ps = append(ps, &Product{Product: catalog.Product{ID: c.ID(), Slug: slug(title) + "-" + r[0], Title: title, Status: "active", Vendor: r[4],
					Description: "A " + strings.ToLower(r[2]) + " product of the department " + r[1], Tags: []string{r[1], r[2]}, Images: []catalog.Image{}, Options: []catalog.Option{},
					Categories: []catalog.CategoryRef{{Path: path}}, Version: 1, CreatedAt: n, UpdatedAt: n,
					Variants: []catalog.Variant{{ID: c.ID(), SKU: "CJ-" + r[0], Options: map[string]string{}, Price: money.Money{Amount: cents, Currency: "USD"}, Position: 1, Stock: catalog.Stock{Available: 10}}}}})
				moves = append(moves, Movement{SKU: "CJ-" + r[0], ID: c.ID(), Kind: "import", Quantity: 10, At: n})
			}
			if err := InsertCategories(ctx, tx, cats, c.Now()); err != nil {
				return err
			}
			for _, cat := range cats {
				places[cat.Path] = cat.Number
			}
			return InsertProducts(ctx, tx, ps, places)
		}))
	}
	t.Log("filled in", time.Since(start), 20832/time.Since(start).Seconds(), "cpu", cpu()-c0)
	start = time.Now()
	if os.Getenv("OPT") != "" {
		require.NoError(t, d.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO product_search(product_search) VALUES('optimize')")
			return err
		}))
		t.Log("optimized in", time.Since(start))
	}
	return d
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(0, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestProbe(t *testing.T) {
	d := fillProbe(t)
	ctx := context.Background()
	if false && os.Getenv("FILLONLY") != "" {
		return
	}
	time1 := func(name string, fn func() int) {
		n := fn()
		k := 0
		start := time.Now()
		c0 := cpu()
		for time.Since(start) < 300*time.Millisecond {
			fn()
			k++
		}
		t.Logf("%-50s %5d wall %v cpu %v", name, n, time.Since(start)/time.Duration(k), (cpu()-c0)/time.Duration(k))
	}
	for o := range orderings {
		if os.Getenv("ORD") == "" {
			break
		}
		for _, f := range []Filter{{Status: "active"}, {}, {Status: "active", Scopes: []Scope{CategoryScope(1)}}, {Status: "active", Scopes: []Scope{CategoryScope(1), VendorScope("Private")}}, {Status: "active", Scopes: []Scope{ScopeInStock}}, {Status: "active", Scopes: []Scope{VendorScope("Private")}}, {Status: "active", Scopes: []Scope{TagScope("eggs")}}, {Status: "active", Currency: "USD", MinPrice: 1000, MaxPrice: 2000}} {
			time1(fmt.Sprint(o, f), func() int {
				l, err := List(ctx, d.Read(), o, f, Position{}, 21)
				require.NoError(t, err)
				return len(l)
			})
		}
	}
	for _, q := range []string{"cheese", "soft drinks", "eggs", "ch", "private", "a", "zzz", "frozen pizza"} {
		m, _ := ParseQuery(q)
		for i, e := range []string{m.Title, m.Elsewhere, m.Anywhere} {
			time1(fmt.Sprint(q, " raw tier ", i), func() int {
				n := 0
				rows, err := rawTier.Query(ctx, d.Read(), e, 21)
				require.NoError(t, each(rows, err, func(r *sql.Rows) error { n++; var x int64; return r.Scan(&x) }))
				return n
			})
		}
		time1("relevant "+q, func() int {
			l, err := ListRelevant(ctx, d.Read(), m, Filter{Status: "active"}, Position{}, 21)
			require.NoError(t, err)
			return len(l)
		})
		time1("by price "+q, func() int {
			l, err := ListMatching(ctx, d.Read(), m, ByPrice, Filter{Status: "active"}, Position{}, 21)
			require.NoError(t, err)
			return len(l)
		})
	}
	l, _ := List(ctx, d.Read(), ByAgeDesc, Filter{Status: "active"}, Position{}, 20)
	var ns []int64
	for _, p := range l {
		ns = append(ns, p.Number)
	}
	time1("load 20", func() int {
		ps, err := LoadProducts(ctx, d.Read(), ns)
		require.NoError(t, err)
		return len(ps)
	})
	time1("load 20 snapshot", func() int {
		n := 0
		require.NoError(t, d.Snapshot(ctx, func(ctx context.Context, c db.Conn) error {
			ps, err := LoadProducts(ctx, c, ns)
			n = len(ps)
			return err
		}))
		return n
	})
	time1("load 1", func() int {
		ps, err := LoadProducts(ctx, d.Read(), ns[:1])
		require.NoError(t, err)
		return len(ps)
	})
	time1("number by id", func() int {
		ps, err := NumberByID(ctx, d.Read(), "asdlkjasd", true)
		require.NoError(t, err)
		return int(ps)
	})
	time1("offers 2", func() int {
		ps, err := Offers(ctx, d.Read(), []string{"CJ-28897", "CJ-29751"})
		require.NoError(t, err)
		return len(ps)
	})
	var size int64
	rows, err := d.Read().QueryContext(ctx, "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC")
	require.NoError(t, each(rows, err, func(r *sql.Rows) error {
		var n string
		err := r.Scan(&n, &size)
		t.Log(n, size)
		return err
	}))
}

var rawTier = db.NewStatement("SELECT rowid FROM product_search WHERE product_search MATCH $1 ORDER BY rowid DESC LIMIT $2 + 0")
