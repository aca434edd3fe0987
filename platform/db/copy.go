package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// copyRows is how many rows are written by one statement, where their values
// fit into it.
const (
	copyRows = 500
	// maxParameters is how many values a statement may have (PostgreSQL's
	// protocol counts them in 16 bits).
	maxParameters = 65000
)

// Errors of Copy.
var (
	// ErrNotEmpty says that the target holds data that is not the source's.
	ErrNotEmpty = errors.New("the target holds other data already")
	// ErrDiffers says that what arrived is not what was sent.
	ErrDiffers = errors.New("the copy differs from its source")
)

// Copied is what Copy did with a table.
type Copied struct {
	Table string
	Rows  int64
	// Before tells that the target had all of it already.
	Before bool
}

// Copy copies what a module keeps on SQLite to PostgreSQL, whose schema is up to
// date. All of it arrives or nothing does, so it can be run again; where it had
// arrived before, it is compared and nothing is written. Nobody else may write to
// either meanwhile. What can be derived, indexes of words, is left out: its
// module makes it anew. Progress is told after every batch; a total that is not
// reached is begun again.
//
// Every table is compared by its number of rows, and by the sum of each column:
// of its numbers, or of the lengths of its texts in bytes.
//
// Errors: ErrNotEmpty, ErrDiffers, ErrUnavailable.
func Copy(ctx context.Context, from, to *DB, progress func(table string, done, total int64)) ([]Copied, error) {
	if from.Dialect() != SQLite || to.Dialect() != Postgres {
		return nil, fmt.Errorf("copy %s: from SQLite to PostgreSQL only", from.Name())
	}
	var copied []Copied
	err := from.Snapshot(ctx, func(ctx context.Context, source Conn) error {
		return to.Write(ctx, func(ctx context.Context, target *Tx) error {
			copied = nil
			tables, err := copiedTables(ctx, source, target)
			if err != nil {
				return err
			}
			for _, t := range tables {
				one, err := t.copy(ctx, source, target, progress)
				if err != nil {
					return fmt.Errorf("table %s: %w", t.name, err)
				}
				copied = append(copied, one)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("copy %s: %w", from.Name(), err)
	}
	return copied, nil
}

// table is one that both databases have.
type table struct {
	name     string
	columns  []column
	key      []string
	identity string // the column that numbers the rows itself, if any
	needs    []string
}

type column struct {
	name, kind string
	identity   bool
}

// copiedTables gives the tables of the target that the source has, too, those
// that others refer to first.
func copiedTables(ctx context.Context, source Conn, target *Tx) ([]*table, error) {
	var all []*table
	if err := each(ctx, target, `SELECT c.table_name::text, c.column_name::text, c.data_type::text, c.is_identity = 'YES'
		FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'
		ORDER BY c.table_name, c.ordinal_position`, nil, func(rows *sql.Rows) error {
		var name string
		var c column
		if err := rows.Scan(&name, &c.name, &c.kind, &c.identity); err != nil {
			return err
		}
		if len(all) == 0 || all[len(all)-1].name != name {
			all = append(all, &table{name: name})
		}
		t := all[len(all)-1]
		t.columns = append(t.columns, c)
		if c.identity {
			t.identity = c.name
		}
		return nil
	}); err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(t *table) bool {
		return strings.HasPrefix(t.name, "schema_") // the history of migrations
	})
	for _, t := range slices.Clone(all) {
		known := map[string]bool{}
		if err := each(ctx, source, `SELECT name, pk FROM pragma_table_info($1) ORDER BY pk`, []any{t.name}, func(rows *sql.Rows) error {
			var name string
			var place int64
			err := rows.Scan(&name, &place)
			known[name] = true
			if place > 0 {
				t.key = append(t.key, name)
			}
			return err
		}); err != nil {
			return nil, err
		}
		derived := slices.ContainsFunc(t.columns, func(c column) bool { return c.kind == "tsvector" })
		if derived || len(known) == 0 { // or it is of the one kind only
			all = slices.DeleteFunc(all, func(other *table) bool { return other == t })
			continue
		}
		if slices.ContainsFunc(t.columns, func(c column) bool { return !known[c.name] }) {
			return nil, fmt.Errorf("table %s has other columns in the source; bring both schemas up to date", t.name)
		}
		if err := each(ctx, source, `SELECT "table" FROM pragma_foreign_key_list($1)`, []any{t.name}, func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			t.needs = append(t.needs, name)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return inOrder(all), nil
}

// inOrder puts tables after those they refer to.
func inOrder(all []*table) []*table {
	var ordered []*table
	var add func(t *table)
	add = func(t *table) {
		if slices.Contains(ordered, t) {
			return
		}
		for _, name := range t.needs {
			if i := slices.IndexFunc(all, func(o *table) bool { return o.name == name }); i >= 0 && all[i] != t {
				add(all[i])
			}
		}
		ordered = append(ordered, t)
	}
	for _, t := range all {
		add(t)
	}
	return ordered
}

func (t *table) copy(ctx context.Context, source Conn, target *Tx, progress func(table string, done, total int64)) (Copied, error) {
	want, err := t.sums(ctx, source, SQLite)
	if err != nil {
		return Copied{}, err
	}
	has, err := t.sums(ctx, target, Postgres)
	if err != nil {
		return Copied{}, err
	}
	done := Copied{Table: t.name, Rows: want[0]}
	switch {
	case slices.Equal(has, want):
		done.Before = want[0] > 0
		progress(t.name, want[0], want[0])
		return done, nil
	case has[0] > 0:
		return Copied{}, fmt.Errorf("%w: %d rows", ErrNotEmpty, has[0])
	}
	if err := t.move(ctx, source, target, func(n int64) { progress(t.name, n, want[0]) }); err != nil {
		return Copied{}, err
	}
	if t.identity != "" {
		if _, err := target.ExecContext(ctx, `SELECT setval(pg_get_serial_sequence('`+t.name+`', '`+t.identity+`'), greatest(max(`+quoted(t.identity)+`), 1)) FROM `+quoted(t.name)); err != nil {
			return Copied{}, translate(err)
		}
	}
	if has, err = t.sums(ctx, target, Postgres); err != nil {
		return Copied{}, err
	}
	if !slices.Equal(has, want) {
		return Copied{}, fmt.Errorf("%w: rows and sums of columns are %d, not %d", ErrDiffers, has, want)
	}
	return done, nil
}

// move writes all rows, in the order of their key.
func (t *table) move(ctx context.Context, source Conn, target *Tx, progress func(done int64)) error {
	var (
		atOnce = max(1, min(copyRows, maxParameters/len(t.columns)))
		batch  []any
		done   int64
	)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		rows := len(batch) / len(t.columns)
		if _, err := NewStatement(t.insert(rows)).Exec(ctx, target, batch...); err != nil {
			return err
		}
		done += int64(rows)
		batch = batch[:0]
		progress(done)
		return nil
	}
	order := ""
	if len(t.key) > 0 {
		order = " ORDER BY " + quoted(t.key...)
	}
	if err := each(ctx, source, "SELECT "+quoted(t.names()...)+" FROM "+quoted(t.name)+order, nil, func(rows *sql.Rows) error {
		values := make([]any, len(t.columns))
		into := make([]any, len(t.columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, c := range t.columns {
			values[i] = c.of(values[i])
		}
		if batch = append(batch, values...); len(batch) < atOnce*len(t.columns) {
			return nil
		}
		return flush()
	}); err != nil {
		return err
	}
	return flush()
}

// of gives a value of SQLite's as PostgreSQL takes it.
func (c column) of(v any) any {
	switch v := v.(type) {
	case int64:
		if c.kind == "boolean" {
			return v != 0
		}
	case []byte:
		if c.kind == "text" {
			return string(v)
		}
	case string:
		if c.kind == "bytea" {
			return []byte(v)
		}
	}
	return v
}

func (t *table) names() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

func (t *table) insert(rows int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s)", quoted(t.name), quoted(t.names()...))
	if t.identity != "" {
		b.WriteString(" OVERRIDING SYSTEM VALUE")
	}
	b.WriteString(" VALUES ")
	n := 0
	for row := range rows {
		if row > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for i := range t.columns {
			if i > 0 {
				b.WriteString(", ")
			}
			n++
			fmt.Fprintf(&b, "$%d", n)
		}
		b.WriteByte(')')
	}
	return b.String()
}

// sums gives the number of rows and a sum over each column.
func (t *table) sums(ctx context.Context, c Conn, d Dialect) ([]int64, error) {
	what := []string{"count(*)"}
	for _, column := range t.columns {
		name := quoted(column.name)
		switch {
		case column.kind == "bigint" || column.kind == "integer":
		case column.kind == "boolean" && d == Postgres:
			name += "::int"
		case column.kind == "boolean":
		case d == Postgres:
			name = "octet_length(" + name + ")"
		default:
			name = "length(CAST(" + name + " AS BLOB))"
		}
		// A sum of instants and numbers may pass 64 bits: its remainder does not.
		switch d {
		case Postgres:
			what = append(what, "mod(mod(coalesce(sum("+name+"::numeric), 0), 1000000007) + 1000000007, 1000000007)::bigint")
		default:
			what = append(what, "(coalesce(sum("+name+" % 1000000007), 0) % 1000000007 + 1000000007) % 1000000007")
		}
	}
	sums := make([]int64, len(what))
	into := make([]any, len(what))
	for i := range sums {
		into[i] = &sums[i]
	}
	err := each(ctx, c, "SELECT "+strings.Join(what, ", ")+" FROM "+quoted(t.name), nil, func(rows *sql.Rows) error { return rows.Scan(into...) })
	return sums, err
}

// quoted writes names as identifiers. They come from the databases' own
// catalogues.
func quoted(names ...string) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = `"` + strings.ReplaceAll(n, `"`, `""`) + `"`
	}
	return strings.Join(all, ", ")
}

// each runs a query and has fn look at every row.
func each(ctx context.Context, c Conn, query string, args []any, fn func(rows *sql.Rows) error) (err error) {
	rows, err := NewStatement(query).Query(ctx, c, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, translate(rows.Close())) }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return translate(rows.Err())
}
