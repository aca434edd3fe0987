package db_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/db"
)

var (
	// checkpointed tells how many pages the log has, and how many of them have been
	// copied into the file (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint).
	checkpointed = db.NewStatement(`PRAGMA wal_checkpoint(NOOP)`)
	insertLong   = db.NewStatement(`INSERT INTO vals (j) VALUES ($1)`)
)

func TestTheLogIsCopiedBesideTheWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.db")
	d := openAt(t, path)
	defer func() { require.NoError(t, d.Close()) }()
	look := func() (pages, copied int) {
		var busy int
		require.NoError(t, checkpointed.QueryRow(t.Context(), d.Read()).Scan(&busy, &pages, &copied))
		return pages, copied
	}
	long := strings.Repeat("x", 1<<20)
	more := func(megabytes int) {
		for range megabytes {
			require.NoError(t, d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				_, err := insertLong.Exec(ctx, tx, long)
				return err
			}))
		}
	}
	more(20)
	pages, copied := look()
	require.Greater(t, pages, 20<<8, "pages of 4 KiB")
	require.Zero(t, copied, "a page is copied seldom, however often it changes")

	more(20)
	pages, copied = look()
	require.Less(t, pages, 32000, "no commit copies")
	for until := time.Now().Add(20 * time.Second); copied == 0 && time.Now().Before(until); {
		_, copied = look()
	}
	require.Greater(t, copied, 7000)
}
