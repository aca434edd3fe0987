package db_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/db"
)

var (
	rename = db.NewStatement(`UPDATE things SET name = $2 WHERE name = $1`)
	find   = db.NewStatement(`SELECT name FROM things WHERE name = $1`)
	errNo  = errors.New("nothing changed")
)

func TestWhatIsDoneLaterIsDoneInItsTurn(t *testing.T) {
	t.Parallel()
	d := open(t)
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		require.NoError(t, insert.Later(ctx, tx, "a"))
		require.NoError(t, rename.LaterOr(ctx, tx, errNo, "a", "b"))
		var n int
		require.NoError(t, count.QueryRow(ctx, tx).Scan(&n))
		require.Equal(t, 1, n)

		require.NoError(t, tx.LockSharedLater("c"))
		require.NoError(t, insert.Later(ctx, tx, "c"))
		things, err := tx.NewSelect().Table("things").Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 2, things, "bun comes after it as well")

		require.NoError(t, insert.Later(ctx, tx, "d"))
		changed, err := db.Affected(rename.Exec(ctx, tx, "d", "e"))
		require.NoError(t, err)
		require.EqualValues(t, 1, changed)

		require.NoError(t, insert.Later(ctx, tx, "f"))
		rows, err := list.Query(ctx, tx)
		require.NoError(t, err)
		var all []string
		for rows.Next() {
			var name string
			require.NoError(t, rows.Scan(&name))
			all = append(all, name)
		}
		require.NoError(t, errors.Join(rows.Err(), rows.Close()))
		require.Equal(t, "b c e f", strings.Join(all, " "))
		return insert.Later(ctx, tx, "g")
	}))
	require.Equal(t, "b c e f g", names(t, d))
}

func TestWhatFailsLaterTakesAllWithIt(t *testing.T) {
	t.Parallel()
	d := open(t)
	require.NoError(t, d.Write(t.Context(), add("taken")))
	after := false
	for what, c := range map[string]struct {
		do func(ctx context.Context, tx *db.Tx) error
		is func(err error) bool
	}{
		"it is taken":             {func(ctx context.Context, tx *db.Tx) error { return insert.Later(ctx, tx, "taken") }, db.IsUnique},
		"there is none":           {func(ctx context.Context, tx *db.Tx) error { return rename.LaterOr(ctx, tx, errNo, "none", "x") }, func(err error) bool { return errors.Is(err, errNo) }},
		"it is taken, by another": {func(ctx context.Context, tx *db.Tx) error { return rename.LaterOr(ctx, tx, errNo, "new", "taken") }, db.IsUnique},
		"it is no such argument":  {func(ctx context.Context, tx *db.Tx) error { return insert.Later(ctx, tx, struct{}{}) }, func(err error) bool { return !errors.Is(err, db.ErrUnavailable) }},
		"it is met by a statement": {func(ctx context.Context, tx *db.Tx) error {
			err := insert.Later(ctx, tx, "taken")
			if err == nil {
				var n int
				err = count.QueryRow(ctx, tx).Scan(&n)
			}
			return err
		}, db.IsUnique},
		"it is met by bun": {func(ctx context.Context, tx *db.Tx) error {
			err := insert.Later(ctx, tx, "taken")
			if err == nil {
				_, err = tx.NewSelect().Table("things").Count(ctx)
			}
			return err
		}, db.IsUnique},
	} {
		runs := 0
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			runs++
			tx.AfterCommit(func() { after = true })
			if err := insert.Later(ctx, tx, "new"); err != nil {
				return err
			}
			if err := c.do(ctx, tx); err != nil {
				return err
			}
			return insert.Later(ctx, tx, "more")
		})
		require.Error(t, err, what)
		require.True(t, c.is(err), "%s: %s", what, err)
		require.Equal(t, 1, runs, what)
		require.Equal(t, "taken", names(t, d), what)
		require.False(t, after, what)
	}
	require.NoError(t, d.Write(t.Context(), add("well")))
	require.Equal(t, "taken well", names(t, d))
}

func TestRowsThatAreAskedForTogetherComeInTheirOrder(t *testing.T) {
	t.Parallel()
	d := open(t)
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		for _, name := range []string{"a", "b", "c"} {
			require.NoError(t, insert.Later(ctx, tx, name))
		}
		var got []string
		err := find.QueryRows(ctx, tx, [][]any{{"c"}, {"a"}, {"none"}, {"b"}}, func(i int, r db.Row) error {
			var name string
			err := r.Scan(&name)
			if errors.Is(err, sql.ErrNoRows) && i == 2 {
				name, err = "-", nil
			}
			got = append(got, name)
			return err
		})
		require.NoError(t, err)
		require.Equal(t, []string{"c", "a", "-", "b"}, got)

		seen := 0
		require.ErrorIs(t, find.QueryRows(ctx, tx, [][]any{{"a"}, {"b"}}, func(int, db.Row) error {
			seen++
			return errNo
		}), errNo)
		require.Equal(t, 1, seen)
		return nil
	}))
}

// Writers of one group of SQLite have no savepoints until one of them fails.
func TestThoseWhoMeetOneThatFailsAreWrittenAllTheSame(t *testing.T) {
	t.Parallel()
	d := open(t)
	for round := range 20 {
		failed := make(chan error, 1)
		done := make(chan error, 10)
		go func() {
			failed <- d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				return errors.Join(add("never")(ctx, tx), errNo)
			})
		}()
		for i := range cap(done) {
			name := string(rune('a'+round)) + string(rune('a'+i))
			go func() { done <- d.Write(t.Context(), add(name)) }()
		}
		require.ErrorIs(t, <-failed, errNo)
		for range cap(done) {
			require.NoError(t, <-done)
		}
	}
	require.Len(t, strings.Fields(names(t, d)), 200)
	require.NotContains(t, names(t, d), "never")
}

func TestWhoWentByWhatIsNoLongerSoIsRunAgain(t *testing.T) {
	t.Parallel()
	d := open(t)
	var runs, committed int
	write := func(succeeds int) error {
		runs, committed = 0, 0
		return d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			runs++
			tx.AfterCommit(func() { committed++ })
			if err := add(fmt.Sprint("run ", runs, " of ", succeeds))(ctx, tx); err != nil {
				return err
			}
			if runs == succeeds {
				return nil
			}
			return rename.LaterOr(ctx, tx, fmt.Errorf("%w: it has another name", db.ErrOutdated), "nobody", "x")
		})
	}
	require.NoError(t, write(3))
	require.Equal(t, []int{3, 1}, []int{runs, committed})
	require.Equal(t, "run 3 of 3", names(t, d), "nothing stays of those before")
	err := write(0)
	require.ErrorIs(t, err, db.ErrOutdated)
	require.ErrorContains(t, err, "it has another name")
	require.Equal(t, []int{5, 0}, []int{runs, committed})
	require.Equal(t, "run 3 of 3", names(t, d))
}

func TestRowsOfSeveralStatementsMayBeAskedForBeforeAnyIsScanned(t *testing.T) {
	t.Parallel()
	d := openPostgres(t)
	two := db.NewStatementFor("", `SELECT 1::bigint, 'one'`)
	three := db.NewStatementFor("", `SELECT ARRAY['a', 'b'], 2::bigint, true`)
	require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		first, second := two.QueryRow(ctx, tx), three.QueryRow(ctx, tx)
		var (
			n, m  int64
			text  string
			texts []string
			truth bool
		)
		require.NoError(t, first.Scan(&n, &text))
		require.NoError(t, second.Scan(&texts, &m, &truth))
		require.Equal(t, []any{int64(1), "one", []string{"a", "b"}, int64(2), true}, []any{n, text, texts, m, truth})
		return nil
	}))
}

func TestPostgreSQLKeepsNoPlanOfWhatIsPlannedAnew(t *testing.T) {
	t.Parallel()
	d := openPostgres(t)
	of := db.NewStatementFor("", `SELECT name FROM things WHERE name = ANY($1) ORDER BY name`)
	drop := db.NewStatementFor("", `DELETE FROM things WHERE name = ANY($1)`)
	plans := db.NewStatementFor("", `SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '% things WHERE%' AND statement NOT LIKE '%LIKE%'`)
	for _, p := range []struct {
		of, drop *db.Statement
		kept     int
	}{{of.PlannedAnew(), drop.PlannedAnew(), 0}, {of, drop, 2}} {
		require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			for _, name := range []string{"a", "b", "c"} {
				require.NoError(t, insert.Later(ctx, tx, name))
			}
			rows, err := p.of.Query(ctx, tx, []string{"c", "x", "a"})
			require.NoError(t, err)
			var found []string
			for rows.Next() {
				var name string
				require.NoError(t, rows.Scan(&name))
				found = append(found, name)
			}
			require.NoError(t, errors.Join(rows.Err(), rows.Close()))
			require.Equal(t, []string{"a", "c"}, found)
			dropped, err := db.Affected(p.drop.Exec(ctx, tx, []string{"a", "b", "c"}))
			require.NoError(t, err)
			require.EqualValues(t, 3, dropped)
			var kept int
			require.NoError(t, plans.QueryRow(ctx, tx).Scan(&kept))
			require.Equal(t, p.kept, kept)
			return nil
		}))
	}
}
