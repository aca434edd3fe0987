package store_test

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	catalogmigrations "stoa/migrations/catalog"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

var placeholder = regexp.MustCompile(`\$\d+`)

// planOf gives how a statement is executed, a line a step.
func planOf(t *testing.T, d *db.DB, query string) []string {
	t.Helper()
	arguments := 0
	for _, p := range placeholder.FindAllString(query, -1) {
		n, err := strconv.Atoi(p[1:])
		require.NoError(t, err)
		arguments = max(arguments, n)
	}
	// A statement has as many arguments as it names, and they are numbered
	// from 1 without a gap.
	args := make([]any, arguments)
	for i := range args {
		args[i] = ""
	}
	rows, err := db.NewStatement("EXPLAIN QUERY PLAN "+query).Query(context.Background(), d.Read(), args...)
	require.NoError(t, err, query)
	defer func() { require.NoError(t, rows.Close()) }()
	var steps []string
	for rows.Next() {
		var (
			id, parent, unused int
			step               string
		)
		require.NoError(t, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	require.NoError(t, rows.Err())
	return steps
}

func TestNoListLooksThroughATableOfSQLite(t *testing.T) {
	t.Parallel()
	d := dbtest.OpenSQLite(t, "catalog", catalogmigrations.FS)
	for name, query := range store.Plans() {
		steps := planOf(t, d, query)
		require.NotEmpty(t, steps, name)
		for _, step := range steps {
			switch {
			case strings.Contains(step, "VIRTUAL TABLE INDEX") && strings.Contains(step, ":M"): // what matches, by the index of words
			case strings.HasPrefix(step, "SCAN (subquery"), step == "SCAN active", step == "SCAN archived", step == "SCAN draft": // what has been found, merged
			default:
				require.False(t, strings.HasPrefix(step, "SCAN "), "%s: %s", name, step)
			}
		}
	}
}

func TestListsAlongAnIndexOfSQLiteSortNothing(t *testing.T) {
	t.Parallel()
	d := dbtest.OpenSQLite(t, "catalog", catalogmigrations.FS)
	for name, query := range store.Plans() {
		one, all := strings.HasSuffix(name, "along, one status"), strings.HasSuffix(name, "along, all")
		if !one && !all && !strings.HasPrefix(name, "relevant") {
			continue
		}
		steps := planOf(t, d, query)
		sorts := 0
		for _, step := range steps {
			if strings.Contains(step, "TEMP B-TREE") {
				sorts++
			}
		}
		if all {
			// Three pages, each the beginning of an index, are sorted into one.
			require.LessOrEqual(t, sorts, 3, "%s:\n%s", name, strings.Join(steps, "\n"))
			require.Equal(t, 3, strings.Count(strings.Join(steps, "\n"), "SEARCH l USING"), "%s:\n%s", name, strings.Join(steps, "\n"))
			continue
		}
		require.Zero(t, sorts, "%s:\n%s", name, strings.Join(steps, "\n"))
	}
	for order, index := range map[store.Order]string{
		store.ByAge: "PRIMARY KEY", store.ByAgeDesc: "PRIMARY KEY",
		store.ByPrice: "listings_price", store.ByPriceDesc: "listings_price", store.ByTitle: "listings_title",
	} {
		steps := strings.Join(planOf(t, d, store.Plans()[string(order)+" along, one status"]), "\n")
		require.Contains(t, steps, index, "%s", order)
	}
}

// The plan that PostgreSQL keeps for all arguments, where it reads no table as a
// whole if it can do otherwise.
func TestNoListLooksThroughATableOfPostgreSQL(t *testing.T) {
	t.Parallel()
	d := dbtest.OpenPostgres(t, "catalog", catalogmigrations.FS)
	for name, query := range store.Plans() {
		query = store.OnPostgres(query)
		arguments := 0
		for _, p := range placeholder.FindAllString(query, -1) {
			n, err := strconv.Atoi(p[1:])
			require.NoError(t, err)
			arguments = max(arguments, n)
		}
		var plan []string
		require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			plan = nil
			for _, statement := range []string{
				"SET LOCAL enable_seqscan = off", "SET LOCAL plan_cache_mode = force_generic_plan", "PREPARE list AS " + query,
			} {
				if _, err := tx.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
			rows, err := tx.QueryContext(ctx, "EXPLAIN EXECUTE list("+strings.TrimSuffix(strings.Repeat("NULL, ", arguments), ", ")+")")
			if err != nil {
				return err
			}
			for rows.Next() {
				var step string
				require.NoError(t, rows.Scan(&step))
				plan = append(plan, step)
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, "DEALLOCATE list")
			return err
		}), name)
		whole := strings.Join(plan, "\n")
		require.NotContains(t, whole, "Seq Scan", name)
		if strings.HasSuffix(name, "along, one status") {
			require.NotContains(t, whole, "hashed", "%s:\n%s", name, whole)
			require.NotContains(t, whole, "Sort", "%s:\n%s", name, whole)
		}
	}
}
