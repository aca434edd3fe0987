package limit_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"stoa/app/bench/limit"
	"stoa/platform/clock"
	"stoa/platform/db/dbtest"
)

func TestRawOrdersAreCounted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := limit.Orders{Callers: 8, Products: 16, For: 200 * time.Millisecond}
	require.NoError(t, limit.PlaceOrders(t.Context(), clock.System(), t.TempDir(), o, &out))
	var placed limit.Placed
	require.NoError(t, json.Unmarshal(out.Bytes(), &placed))
	require.Positive(t, placed.PerSecond)
	require.Positive(t, placed.P50)
	require.GreaterOrEqual(t, placed.P99, placed.P50)
}

func TestRowsAreWrittenOnceEachUntilThereAreNoMore(t *testing.T) {
	t.Parallel()
	from := filepath.Join(t.TempDir(), "from.db")
	db, err := sql.Open("sqlite", from)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER NOT NULL); CREATE INDEX a_n ON a (n);
		CREATE TABLE b (id TEXT PRIMARY KEY) WITHOUT ROWID;
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO a SELECT i, i FROM n;
		INSERT INTO b SELECT 'b' || id FROM a WHERE id <= 100`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	var out bytes.Buffer
	dir := t.TempDir()
	require.NoError(t, limit.WriteRows(t.Context(), clock.System(), dir, limit.Rows{
		Callers: 4, For: time.Minute, Records: 50,
		Files: []limit.RowsOf{{Path: from, Tables: []limit.RowsTable{{Name: "a", Where: "n > 100"}, {Name: "b"}}}},
	}, &out))
	var written limit.Placed
	require.NoError(t, json.Unmarshal(out.Bytes(), &written))
	require.Positive(t, written.PerSecond)
	made, err := sql.Open("sqlite", filepath.Join(dir, "from.db"))
	require.NoError(t, err)
	var rows, indexes int
	require.NoError(t, made.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)`).Scan(&rows))
	require.Equal(t, 200+100, rows)
	require.NoError(t, made.QueryRowContext(t.Context(), `SELECT count(*) FROM sqlite_master WHERE name = 'a_n'`).Scan(&indexes))
	require.Equal(t, 1, indexes)
	require.NoError(t, made.Close())
}

func TestRowsAreWrittenOnPostgreSQLAndGoneAfterwards(t *testing.T) {
	t.Parallel()
	url := dbtest.Postgres(t)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	_, err = conn.Exec(t.Context(), `CREATE SCHEMA shop; CREATE TABLE shop.a (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n BIGINT NOT NULL UNIQUE);
		INSERT INTO shop.a (n) SELECT * FROM generate_series(1, 300)`)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, limit.WriteRowsPostgres(t.Context(), clock.System(), url, limit.Rows{
		Callers: 3, For: time.Minute, Records: 50, Steps: 3,
		Files: []limit.RowsOf{{Path: "shop", Tables: []limit.RowsTable{{Name: "a", Where: "n > 100"}}}},
	}, &out))
	var written limit.Placed
	require.NoError(t, json.Unmarshal(out.Bytes(), &written))
	require.Positive(t, written.PerSecond)
	var left int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_namespace WHERE nspname = 'raw_shop'`).Scan(&left))
	require.Zero(t, left)
}

func TestTheBareHandlerAnswersTheBytesOfItsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "product"), []byte(`{"id":1}`), 0o600))
	addr := begin(t, func(ctx context.Context, out io.Writer) error { return limit.ServeHTTP(ctx, dir, out) })
	behind := begin(t, func(ctx context.Context, out io.Writer) error { return limit.ServeProxy(ctx, addr, out) })
	for _, url := range []string{"http://" + addr, "http://" + behind} {
		answer, err := http.Get(url + "/product")
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.JSONEq(t, `{"id":1}`, string(body))
		answer, err = http.Post(url+"/v1/traces", "application/x-protobuf", strings.NewReader("spans"))
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode)
	}
}

// begin runs a limit until the test ends, and gives its address.
func begin(t *testing.T, serve func(ctx context.Context, out io.Writer) error) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, writer) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		require.NoError(t, <-ended)
	})
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(strings.TrimPrefix(line, limit.Listening))
}
