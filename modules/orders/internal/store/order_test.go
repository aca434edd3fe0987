package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	ordersmigrations "stoa/migrations/orders"
	"stoa/modules/orders"
	"stoa/modules/orders/internal/store"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

// TestNoListReadsAllOrders asks SQLite how it answers the lists.
func TestNoListReadsAllOrders(t *testing.T) {
	t.Parallel()
	d := dbtest.OpenSQLite(t, orders.Name, ordersmigrations.FS)
	now := db.NewTime(time.Now())
	last := store.Position{PlacedAt: now, ID: "x"}
	for name, f := range map[string]store.Filter{
		"all":          {},
		"all, further": {Last: last},
		"by time":      {PlacedAfter: now, PlacedBefore: now},
		"by status":    {Status: "pending", Last: last},
		"of a user":    {UserID: "u", Last: last},
		"one's own":    {Owner: "u", Status: "pending", PlacedAfter: now, Last: last},
	} {
		plan := explain(t, d, store.ListQuery(d.Read(), f, 21).String())
		require.Contains(t, plan, "USING INDEX orders_by_", name)
		require.NotContains(t, plan, "TEMP B-TREE", "%s is sorted", name)
	}
}

func TestNoStatementReadsAWholeTable(t *testing.T) {
	t.Parallel()
	d := dbtest.OpenSQLite(t, orders.Name, ordersmigrations.FS)
	for name, query := range map[string]string{
		"expired carts":  "SELECT id FROM carts WHERE expires_at <= 1 LIMIT 500",
		"a user's carts": "DELETE FROM carts WHERE user_id = 'u' AND user_id <> ''",
		"addresses":      "DELETE FROM shipping_addresses WHERE user_id = 'u'",
		"lines":          "SELECT sku FROM cart_items WHERE cart_id = 'c'",
		"events":         "SELECT sequence FROM order_events WHERE order_id = 'o' ORDER BY sequence",
		"last event":     "SELECT max(sequence) FROM order_events WHERE order_id = 'o'",
		"next streams":   "SELECT order_id FROM order_events WHERE order_id > 'o' AND sequence = 1 ORDER BY order_id LIMIT 100",
	} {
		plan := explain(t, d, query)
		require.Contains(t, plan, "SEARCH", name)
		require.NotContains(t, plan, "SCAN", name)
		require.NotContains(t, plan, "TEMP B-TREE", name)
	}
}

// explain gives SQLite's plan for a query.
func explain(t *testing.T, d *db.DB, query string) string {
	t.Helper()
	rows, err := d.Read().QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
	require.NoError(t, err)
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var (
			id, parent, unused int
			detail             string
		)
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan = append(plan, detail)
	}
	require.NoError(t, rows.Err())
	return strings.Join(plan, "; ")
}
