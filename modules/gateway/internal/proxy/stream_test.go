package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/gateway"
	"stoa/platform/clock"
	"stoa/platform/web"
)

// endless is a body of a length that is made while it is read.
func endless(size int64) io.Reader { return io.LimitReader(zeroes{}, size) }

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// grown tells by how much more of the heap is in use at most while f runs.
func grown(f func()) uint64 {
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	most := before.HeapAlloc
	ctx, cancel := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for clock.Sleep(ctx, clock.System(), 2*time.Millisecond) == nil {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
	}()
	f()
	cancel()
	<-watched
	return most - before.HeapAlloc
}

// Not parallel: it measures the memory of the whole process.
func TestWhatStreamsNeedsLittleMemory(t *testing.T) {
	w := newTown(t)
	w.start("files", "f1", files)
	for name, body := range map[string]io.Reader{
		"with a length": struct{ io.Reader }{endless(60 << 20)}, "in chunks": struct{ io.Reader }{endless(60 << 20)},
	} {
		require.Less(t, grown(func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.Addr+web.Base+"/files", body)
			require.NoError(t, err)
			r.Header.Set("Content-Type", "text/csv")
			if name == "with a length" {
				r.ContentLength = 60 << 20
			}
			answer, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer func() { _ = answer.Body.Close() }()
			text, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, answer.StatusCode, "%s", text)
			require.Equal(t, fmt.Sprint(60<<20), string(text))
		}), uint64(24<<20), "an upload %s", name)
	}
	require.Less(t, grown(func() {
		answer, err := http.Get("http://" + w.Addr + web.Base + "/files/60000")
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		n, err := io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
		require.EqualValues(t, 60000<<10, n)
	}), uint64(24<<20), "a download")
	http.DefaultClient.CloseIdleConnections()
}

func TestAnUploadThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.start("files", "f1", files)
	answer := send(t, w.Addr, "POST /api/v1/files HTTP/1.1\r\nHost: shop\r\nContent-Type: text/csv\r\nContent-Length: 67108865\r\n\r\n"+strings.Repeat("x", 9<<10))
	require.Contains(t, answer, "HTTP/1.1 413 ")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.Addr+web.Base+"/files", struct{ io.Reader }{endless(64<<20 + 1)})
	require.NoError(t, err)
	r.Header.Set("Content-Type", "text/csv")
	got, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = got.Body.Close() }()
	require.Equal(t, http.StatusRequestEntityTooLarge, got.StatusCode)
	http.DefaultClient.CloseIdleConnections()
}

func TestAnAnswerThatComesBeforeTheBodyHasEndedArrives(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.start("files", "f1", files)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.Addr+web.Base+"/files?early=true", struct{ io.Reader }{endless(50 << 20)})
	require.NoError(t, err)
	r.Header.Set("Content-Type", "text/csv")
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
	http.DefaultClient.CloseIdleConnections()
}

func TestAnUploadThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	ended := make(chan error, 1)
	w.start("files", "f1", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "put-file", Method: http.MethodPost, Path: "/files", Summary: "Put", Upload: []string{"text/csv"}},
			func(ctx context.Context, _ *struct{}) (*struct{}, error) {
				f, err := web.OpenUpload(ctx)
				if err != nil {
					return nil, err
				}
				_, err = io.Copy(io.Discard, f)
				ended <- err
				return nil, err
			})
	})
	for _, head := range []string{"Content-Length: 1000000\r\n\r\n" + strings.Repeat("x", 20<<10), "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"} {
		c, err := net.Dial("tcp", w.Addr)
		require.NoError(t, err)
		_, err = io.WriteString(c, "POST /api/v1/files HTTP/1.1\r\nHost: shop\r\nContent-Type: text/csv\r\n"+head)
		require.NoError(t, err)
		require.NoError(t, c.(*net.TCPConn).CloseWrite())
		answer, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Contains(t, string(answer), "HTTP/1.1 400 ", head)
		require.NoError(t, c.Close())
		require.Error(t, <-ended, head)
	}
}

func TestADownloadThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	f := w.start("files", "f1", files)
	for _, addr := range []string{f.addr, w.Addr} {
		answer, err := http.Get("http://" + addr + web.Base + "/files/1000?break=true")
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, answer.Body)
		require.Error(t, err)
		require.NoError(t, answer.Body.Close())
	}
	f.leave()
	for name, text := range map[string]string{
		"between two chunks": "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"in a chunk":         "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
		"before its length":  "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 9\r\n\r\nabc",
		"before the trailer": "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
	} {
		left, err := w.Announce(instanceAt("files", name, puppetOnce(t, text)), nil)
		require.NoError(t, err)
		answer, err := http.Get("http://" + w.Addr + web.Base + "/files/1")
		if err == nil { // else it broke off before anything was sent on
			_, err = io.Copy(io.Discard, answer.Body)
			require.NoError(t, answer.Body.Close())
		}
		require.Error(t, err, name)
		require.NoError(t, left())
	}
	http.DefaultClient.CloseIdleConnections()
}

// An answer that is not streamed is whole or it is none.
func TestAnAnswerThatBreaksOffIsNone(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"between two chunks": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"before its length":  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\nabc",
		"in its header":      "HTTP/1.1 200 OK\r\nContent-Type: applic",
		"at its beginning":   "HTT",
		"not HTTP":           "220 mail.example ESMTP\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, inTurn)
			w.puppet("things", "bad", func(_ string, c net.Conn) bool {
				_, _ = io.WriteString(c, text)
				return false
			})
			answer := w.Do(t, http.MethodGet, "/things/lamp", nil)
			require.Equal(t, http.StatusServiceUnavailable, answer.Status, "%s", answer.Body)
			require.Equal(t, gateway.ErrModuleUnavailable.Code, answer.Problem(t).Code)
			answer = w.Do(t, http.MethodPost, "/things", `{"name":"sofa"}`)
			require.Equal(t, gateway.ErrAnswerLost.Code, answer.Problem(t).Code)
			w.puppet("things", "good", answers(served))
			for range 6 {
				require.Equal(t, http.StatusOK, w.Do(t, http.MethodGet, "/things/lamp", nil).Status)
			}
		})
	}
}

func TestAClientThatGoesAwayEndsItsDownload(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	ended := make(chan struct{})
	var wrote atomic.Int64
	w.start("files", "f1", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "get-file", Method: http.MethodGet, Path: "/files/{size}", Summary: "Get", Download: []string{"text/csv"}, Timeout: time.Minute},
			func(context.Context, *struct {
				Size int `path:"size"`
			}) (*web.Download, error) {
				return web.Stream("text/csv", "f", func(_ context.Context, w io.Writer) error {
					defer close(ended)
					for {
						n, err := w.Write(make([]byte, 32<<10))
						if err != nil {
							return err
						}
						wrote.Add(int64(n))
					}
				}), nil
			})
	})
	c, err := net.Dial("tcp", w.Addr)
	require.NoError(t, err)
	_, err = io.WriteString(c, get("/files/1"))
	require.NoError(t, err)
	_, err = bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).SetLinger(0))
	require.NoError(t, c.Close())
	<-ended
}

func TestDownloadsUseTheirConnectionAgain(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	f := w.start("files", "f1", files)
	for range 5 {
		require.Len(t, w.Do(t, http.MethodGet, "/files/100", nil).Body, 100<<10)
	}
	w.eventually(func() bool { return f.accepted() <= 2 })
}

func TestStoppingWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	w.start("things", "t1", func(r *web.Router) {
		things("t1")(r)
		web.Register(r, web.Operation{ID: "wait", Method: http.MethodPost, Path: "/wait", Summary: "Wait"},
			func(context.Context, *struct{}) (*struct{ Body string }, error) {
				close(entered)
				<-leave
				return &struct{ Body string }{"done"}, nil
			})
	})
	w.mu.Lock()
	s := waiting(t)
	w.describe = s.Describe
	w.mu.Unlock()
	w.update(func() {})
	w.eventually(func() bool { return w.Do(t, http.MethodGet, "/wait", nil).Status == http.StatusMethodNotAllowed })
	c, err := net.Dial("tcp", w.Addr)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	_, err = io.WriteString(c, "POST /api/v1/wait HTTP/1.1\r\nHost: shop\r\n\r\n")
	require.NoError(t, err)
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- w.Web.Shutdown(context.Background()) }()
	w.eventually(w.Web.Draining)
	close(leave)
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(answer), `"done"`), "%s", answer)
	require.Contains(t, string(answer), "Connection: close\r\n")
	require.NoError(t, <-stopped)
}
