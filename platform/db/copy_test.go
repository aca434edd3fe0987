package db_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"stoa/platform/db"
	"stoa/platform/db/dbtest"
)

// library has a column of every kind, rows that number themselves, and a table
// that refers to one later in the alphabet.
var library = fstest.MapFS{
	"0001_library.sqlite.sql": {Data: []byte(`-- +goose Up
CREATE TABLE shelves (id TEXT PRIMARY KEY, label TEXT NOT NULL);
CREATE TABLE books (number INTEGER PRIMARY KEY AUTOINCREMENT, shelf TEXT NOT NULL REFERENCES shelves (id), title TEXT NOT NULL,
	lent BOOLEAN NOT NULL, price BIGINT, cover BLOB);
CREATE VIRTUAL TABLE search USING fts5(title);
-- +goose Down
DROP TABLE search; DROP TABLE books; DROP TABLE shelves;
`)},
	"0001_library.postgres.sql": {Data: []byte(`-- +goose Up
CREATE TABLE shelves (id TEXT PRIMARY KEY, label TEXT NOT NULL);
CREATE TABLE books (number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, shelf TEXT NOT NULL REFERENCES shelves (id), title TEXT NOT NULL,
	lent BOOLEAN NOT NULL, price BIGINT, cover BYTEA);
CREATE TABLE search (title TSVECTOR);
-- +goose Down
DROP TABLE search; DROP TABLE books; DROP TABLE shelves;
`)},
}

const volumes = 1234

// stocked is a library on SQLite with books in it.
func stocked(t *testing.T) *db.DB {
	t.Helper()
	from := dbtest.OpenSQLite(t, "library", library)
	shelf := db.NewStatement(`INSERT INTO shelves (id, label) VALUES ($1, $2)`)
	book := db.NewStatement(`INSERT INTO books (shelf, title, lent, price, cover) VALUES ($1, $2, $3, $4, $5)`)
	require.NoError(t, from.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		if _, err := shelf.Exec(ctx, tx, "a", "Ἀθῆναι"); err != nil {
			return err
		}
		for n := range volumes {
			var price any
			if n%3 > 0 {
				price = int64(n-600) * 1_000_000_007_000 // negative ones, and a sum past 53 bits
			}
			if _, err := book.Exec(ctx, tx, "a", "Ω'\"\\ "+string(rune('a'+n%26)), n%2 == 0, price, []byte{0, byte(n), 255}); err != nil {
				return err
			}
		}
		return nil
	}))
	return from
}

var (
	countBooks = db.NewStatement(`SELECT count(*), coalesce(sum(number), 0) FROM books`)
	oneBook    = db.NewStatement(`SELECT title, lent, price, cover FROM books WHERE number = $1`)
)

func TestACopyIsWhatItsSourceWas(t *testing.T) {
	t.Parallel()
	from, to := stocked(t), dbtest.OpenPostgres(t, "library", library)
	seen := map[string]int64{}
	copied, err := db.Copy(t.Context(), from, to, func(table string, done, total int64) {
		require.LessOrEqual(t, done, total)
		seen[table] = done
	})
	require.NoError(t, err)
	require.Equal(t, int64(volumes), seen["books"])
	require.Contains(t, copied, db.Copied{Table: "books", Rows: volumes})
	require.Contains(t, copied, db.Copied{Table: "shelves", Rows: 1})

	for _, n := range []int{1, 2, volumes} {
		var want, has struct {
			title string
			lent  bool
			price *int64
			cover []byte
		}
		require.NoError(t, oneBook.QueryRow(t.Context(), from.Read(), n).Scan(&want.title, &want.lent, &want.price, &want.cover))
		require.NoError(t, oneBook.QueryRow(t.Context(), to.Read(), n).Scan(&has.title, &has.lent, &has.price, &has.cover))
		require.Equal(t, want, has)
	}

	// Numbers go on where they were.
	var next int64
	require.NoError(t, to.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRowContext(ctx, `INSERT INTO books (shelf, title, lent) VALUES ('a', 'new', false) RETURNING number`).Scan(&next)
	}))
	require.Equal(t, int64(volumes+1), next)
}

func TestACopyCanBeRunAgain(t *testing.T) {
	t.Parallel()
	from, to := stocked(t), dbtest.OpenPostgres(t, "library", library)
	quiet := func(string, int64, int64) {}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := db.Copy(ctx, from, to, func(_ string, done, _ int64) {
		if done > volumes/2 {
			cancel()
		}
	})
	if err == nil { // a transaction that has begun may be carried through
		t.Log("it was faster than its end")
	}
	_, err = db.Copy(t.Context(), from, to, quiet)
	require.NoError(t, err)
	copied, err := db.Copy(t.Context(), from, to, quiet)
	require.NoError(t, err)
	require.Contains(t, copied, db.Copied{Table: "books", Rows: volumes, Before: true})
	var n, sum int64
	require.NoError(t, countBooks.QueryRow(t.Context(), to.Read()).Scan(&n, &sum))
	require.Equal(t, []int64{volumes, volumes * (volumes + 1) / 2}, []int64{n, sum})
}

func TestATargetWithOtherDataIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	from, to := stocked(t), dbtest.OpenPostgres(t, "library", library)
	require.NoError(t, to.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO shelves (id, label) VALUES ('b', 'another')`)
		return err
	}))
	_, err := db.Copy(t.Context(), from, to, func(string, int64, int64) {})
	require.ErrorIs(t, err, db.ErrNotEmpty)
	var n, sum int64
	require.NoError(t, countBooks.QueryRow(t.Context(), to.Read()).Scan(&n, &sum))
	require.Zero(t, n)
}
