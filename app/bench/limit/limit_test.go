package limit_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/app/bench/limit"
	"stoa/platform/clock"
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
