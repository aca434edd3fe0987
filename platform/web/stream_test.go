package web_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
	"stoa/platform/errs"
	"stoa/platform/web"
	"stoa/platform/web/webtest"
)

const mib = 1 << 20

// uploadLimit is that of uploads, in bytes.
const uploadLimit = 8 * mib

// uploads registers operations that take a file and tell its hash: one with a
// limit that is soon reached, and one with that of imports.
func uploads(r *web.Router) {
	addUpload(r, "/imports", uploadLimit)
	addUpload(r, "/large-imports", 64*mib)
}

func addUpload(r *web.Router, path string, limit int64) {
	web.Register(r, web.Operation{
		ID: path[1:], Method: http.MethodPost, Path: path, Summary: "Import", Access: web.Staff, Status: http.StatusAccepted,
		Upload: []string{"text/csv", "application/json", "application/octet-stream"}, BodyLimit: limit, Timeout: time.Minute,
	}, func(ctx context.Context, _ *struct {
		Format string `query:"format" enum:"csv,json"`
	}) (*struct{ Body map[string]string }, error) {
		file, err := web.OpenUpload(ctx)
		if err != nil {
			return nil, err
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, file); err != nil {
			return nil, fmt.Errorf("read the file: %w", err)
		}
		return &struct{ Body map[string]string }{map[string]string{"hash": hex.EncodeToString(hash.Sum(nil)), "name": file.Name, "type": file.Type}}, nil
	})
}

// file gives n bytes that never repeat for long.
func file(n int) []byte {
	b := make([]byte, 0, n+32)
	for i := 0; len(b) < n; i++ {
		b = strconv.AppendInt(b, int64(i)*2654435761, 36)
		b = append(b, '\n')
	}
	return b[:n]
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func form(t *testing.T, field, name string, content []byte) (body []byte, kind string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	require.NoError(t, w.WriteField("comment", "hello"))
	part, err := w.CreateFormFile(field, name)
	require.NoError(t, err)
	_, err = part.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes(), w.FormDataContentType()
}

func TestUploads(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "catalog", uploads)
	staff := api.As("s1", "staff")
	for _, size := range []int{1, 100, 8 << 10, 8<<10 + 1, 3 * mib, uploadLimit} {
		content := file(size)
		for name, body := range map[string]io.Reader{"sized": bytes.NewReader(content), "chunked": struct{ io.Reader }{bytes.NewReader(content)}} {
			answer := staff.Do(t, http.MethodPost, "/imports", body, "Content-Type", "text/csv; charset=utf-8")
			require.Equal(t, 202, answer.Status, "%s %d: %s", name, size, answer.Body)
			var got map[string]string
			answer.JSON(t, &got)
			require.Equal(t, map[string]string{"hash": hashOf(content), "name": "", "type": "text/csv"}, got)
		}
	}
	content := file(2 * mib)
	body, kind := form(t, "file", "products.csv", content)
	answer := staff.Do(t, http.MethodPost, "/imports", body, "Content-Type", kind)
	require.Equal(t, 202, answer.Status, "%s", answer.Body)
	require.Contains(t, string(answer.Body), hashOf(content))
	require.Contains(t, string(answer.Body), "products.csv")
}

func TestBadUploads(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "catalog", uploads)
	staff := api.As("s1", "staff")
	other, kind := form(t, "image", "a.csv", []byte("a,b"))
	broken, brokenKind := form(t, "file", "a.csv", []byte("a,b"))
	over := bytes.Repeat([]byte("x"), uploadLimit+1)
	overForm, overKind := form(t, "file", "a.csv", over)
	for name, c := range map[string]struct {
		body   io.Reader
		kind   string
		status int
	}{
		"no such part":       {bytes.NewReader(other), kind, 422},
		"a form that breaks": {bytes.NewReader(broken[:len(broken)-20]), brokenKind, 400},
		"no boundary":        {bytes.NewReader(broken), "multipart/form-data", 415},
		"another boundary":   {bytes.NewReader(broken), "multipart/form-data; boundary=x", 400},
		"another type":       {strings.NewReader("x"), "image/png", 415},
		"a web form":         {strings.NewReader("a=b"), "application/x-www-form-urlencoded", 415},
		"empty":              {http.NoBody, "text/csv", 400},
		"too large":          {bytes.NewReader(over), "text/csv", 413},
		"too large, chunked": {struct{ io.Reader }{bytes.NewReader(over)}, "text/csv", 413},
		"too large, a form":  {struct{ io.Reader }{bytes.NewReader(overForm)}, overKind, 413},
	} {
		answer := staff.Do(t, http.MethodPost, "/imports", c.body, "Content-Type", c.kind)
		require.Equal(t, c.status, answer.Status, "%s: %s", name, answer.Body)
		answer.Problem(t)
	}
	require.Equal(t, 415, staff.Do(t, http.MethodPost, "/imports", "x", "Content-Type", "text/csv", "Content-Encoding", "gzip").Status)
	require.Equal(t, 401, api.Do(t, http.MethodPost, "/imports", bytes.NewReader(over), "Content-Type", "text/csv").Status)
	require.Equal(t, 403, api.As("u1").Do(t, http.MethodPost, "/imports", bytes.NewReader(over), "Content-Type", "text/csv").Status)

	const head = "POST /api/v1/imports HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer test-s1-staff\r\nContent-Type: text/csv\r\n"
	c, err := net.Dial("tcp", api.Addr)
	require.NoError(t, err)
	_, err = io.WriteString(c, head+"Content-Length: 100000\r\n\r\n"+strings.Repeat("x", 50_000))
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Contains(t, string(answer), "HTTP/1.1 400 ", "it breaks off")
	require.NoError(t, c.Close())
}

// peakHeap runs do and gives by how much the heap in use grew at most.
func peakHeap(do func()) uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	before, peak := stats.HeapAlloc, stats.HeapAlloc
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			runtime.ReadMemStats(&stats)
			peak = max(peak, stats.HeapAlloc)
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return peak - before
}

// TestMemoryStaysFlat takes and gives much, in little. It is not parallel: it
// measures the whole process.
func TestMemoryStaysFlat(t *testing.T) {
	api := webtest.New(t, "catalog", func(r *web.Router) {
		uploads(r)
		exports(r)
	})
	pattern := file(mib)
	grown := peakHeap(func() {
		answer := api.As("s1", "staff").Do(t, http.MethodPost, "/large-imports", struct{ io.Reader }{io.LimitReader(&endless{pattern: pattern}, 64*mib)}, "Content-Type", "text/csv")
		require.Equal(t, 202, answer.Status)
	})
	require.Less(t, grown, uint64(16*mib), "after 64 MiB up")
	grown = peakHeap(func() {
		response, err := http.Get("http://" + api.Addr + "/api/v1/export?rows=1500000")
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.Greater(t, n, int64(50*mib))
		require.NoError(t, response.Body.Close())
	})
	require.Less(t, grown, uint64(16*mib), "after 50 MiB down")
}

// endless repeats a pattern.
type endless struct {
	pattern []byte
	at      int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.pattern[e.at:])
	e.at = (e.at + n) % len(e.pattern)
	return n, nil
}

var errExport = errs.New(errs.Unavailable, "catalog.export_unavailable", "there is no export right now")

type export struct {
	Rows  int `query:"rows" default:"3"`
	Break int `query:"break" default:"-1"`
}

// running counts exports that have not ended.
var running atomic.Int64

// exports registers an operation that streams rows, and may break in one.
func exports(r *web.Router) {
	web.Register(r, web.Operation{
		ID: "export", Method: http.MethodGet, Path: "/export", Summary: "Export", Download: []string{"text/csv"}, Timeout: time.Minute,
	}, func(ctx context.Context, in *export) (*web.Download, error) {
		return web.Stream("text/csv", "products \"é\".csv", func(ctx context.Context, w io.Writer) error {
			running.Add(1)
			defer running.Add(-1)
			for i := range in.Rows {
				if i == in.Break {
					return errExport
				}
				if _, err := fmt.Fprintf(w, "%d,a row of forty characters or so\n", i); err != nil {
					return err
				}
			}
			return ctx.Err()
		}), nil
	})
}

func TestDownloads(t *testing.T) {
	t.Parallel()
	l, log := logged(-4)
	api := webtest.New(t, "catalog", exports, log)
	answer := api.Do(t, http.MethodGet, "/export", nil, "X-Request-Id", "small")
	require.Equal(t, 200, answer.Status)
	require.Equal(t, "text/csv", answer.Header.Get("Content-Type"))
	require.Equal(t, `attachment; filename*=utf-8''products%20%22%C3%A9%22.csv`, answer.Header.Get("Content-Disposition"))
	require.Equal(t, "0,a row of forty characters or so\n1,a row of forty characters or so\n2,a row of forty characters or so\n", string(answer.Body))

	large := api.Do(t, http.MethodGet, "/export?rows=100000", nil, "X-Request-Id", "large")
	require.Equal(t, 100_000, bytes.Count(large.Body, []byte("\n")))
	empty := api.Do(t, http.MethodGet, "/export?rows=0", nil)
	require.Equal(t, 200, empty.Status)
	require.Empty(t, empty.Body)
	head := api.Do(t, http.MethodHead, "/export", nil)
	require.Equal(t, 200, head.Status)
	require.Equal(t, "text/csv", head.Header.Get("Content-Type"))

	refused := api.Do(t, http.MethodGet, "/export?break=0", nil)
	require.Equal(t, 503, refused.Status)
	require.Equal(t, "catalog.export_unavailable", refused.Problem(t).Code)
	require.Empty(t, refused.Header.Get("Content-Disposition"))
	require.Len(t, l.lines(t), 5, "a line for each, at its end")
}

// TestBrokenDownloads holds that nobody can take a part for the whole.
func TestBrokenDownloads(t *testing.T) {
	t.Parallel()
	l, log := logged(8)
	api := webtest.New(t, "catalog", exports, log)
	response, err := http.Get("http://" + api.Addr + "/api/v1/export?rows=100000&break=90000")
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
	_, err = io.Copy(io.Discard, response.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, response.Body.Close())
	line := l.await()
	require.Equal(t, "stream an answer: catalog.export_unavailable: there is no export right now", line["error"])
}

// TestGoneClientsEndTheirDownloads leaves in the middle.
func TestGoneClientsEndTheirDownloads(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	api := webtest.New(t, "catalog", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "export", Method: http.MethodGet, Path: "/export", Summary: "Export", Download: []string{"text/csv"}, Timeout: time.Minute},
			func(context.Context, *struct{}) (*web.Download, error) {
				return web.Stream("text/csv", "a.csv", func(ctx context.Context, w io.Writer) error {
					for {
						if _, err := w.Write(make([]byte, 4096)); err != nil {
							<-ctx.Done()
							ended <- errors.Join(err, ctx.Err())
							return err
						}
					}
				}), nil
			})
	})
	c, err := net.Dial("tcp", api.Addr)
	require.NoError(t, err)
	_, err = io.WriteString(c, "GET /api/v1/export HTTP/1.1\r\nHost: shop\r\n\r\n")
	require.NoError(t, err)
	_, err = bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-ended, context.Canceled)
}

// TestLongDownloadsAreNotCutOff takes several times http.write_timeout for a
// download that goes on all the time.
func TestLongDownloadsAreNotCutOff(t *testing.T) {
	t.Parallel()
	const chunk, chunks, pause = 64 << 10, 12, 100 * time.Millisecond
	api := webtest.New(t, "catalog", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "export", Method: http.MethodGet, Path: "/export", Summary: "Export", Download: []string{"text/csv"}, Timeout: time.Minute},
			func(context.Context, *struct{}) (*web.Download, error) {
				return web.Stream("text/csv", "a.csv", func(ctx context.Context, w io.Writer) error {
					for range chunks {
						if _, err := w.Write(make([]byte, chunk)); err != nil {
							return err
						}
						if err := clock.Sleep(ctx, clock.System(), pause); err != nil {
							return err
						}
					}
					return nil
				}), nil
			})
	}, func(o *webtest.Options) { o.Config.WriteTimeout = 4 * pause })
	answer := api.Do(t, http.MethodGet, "/export", nil)
	require.Len(t, answer.Body, chunk*chunks)
}

// TestSlowReadersAreCutOff reads nothing of a long answer.
func TestSlowReadersAreCutOff(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	api := webtest.New(t, "catalog", func(r *web.Router) {
		web.Register(r, web.Operation{ID: "export", Method: http.MethodGet, Path: "/export", Summary: "Export", Download: []string{"text/csv"}, Timeout: time.Minute},
			func(context.Context, *struct{}) (*web.Download, error) {
				return web.Stream("text/csv", "a.csv", func(_ context.Context, w io.Writer) error {
					defer close(ended)
					for {
						if _, err := w.Write(make([]byte, 64<<10)); err != nil {
							return err
						}
					}
				}), nil
			})
	}, func(o *webtest.Options) { o.Config.WriteTimeout = 200 * time.Millisecond })
	c, err := net.Dial("tcp", api.Addr)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	_, err = io.WriteString(c, "GET /api/v1/export HTTP/1.1\r\nHost: shop\r\n\r\n")
	require.NoError(t, err)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
}

// A client that has connected ahead and asks at the moment when it is closed must
// not take a 408 for its answer.
func TestWhoAsksNothingIsToldNothing(t *testing.T) {
	t.Parallel()
	api := webtest.New(t, "things", routes, func(o *webtest.Options) { o.Config.ReadTimeout = 100 * time.Millisecond })
	for begin, told := range map[string]bool{"": false, "GET": true} {
		c, err := net.Dial("tcp", api.Addr)
		require.NoError(t, err)
		_, err = io.WriteString(c, begin)
		require.NoError(t, err)
		require.NoError(t, c.SetDeadline(clock.System().Now().Add(10*time.Second)))
		answer, err := io.ReadAll(c)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.Equal(t, told, len(answer) > 0, "%q: %s", begin, answer)
	}
}

// TestSlowConnections has hundreds of connections send slowly, or not at all:
// they are closed in time, and nobody else waits for them.
func TestSlowConnections(t *testing.T) {
	t.Parallel()
	const each = 170
	started := clock.System().Now()
	api := webtest.New(t, "things", routes, func(o *webtest.Options) { o.Config.ReadTimeout = time.Second })
	closed := make(chan string, 3*each)
	for i := range 3 * each {
		c, err := net.Dial("tcp", api.Addr)
		require.NoError(t, err)
		var begin, drop string
		switch i % 3 {
		case 0: // says nothing
		case 1: // sends a header for ever
			begin, drop = "GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\n", "X-A: b\r\n"
		case 2: // sends a body for ever
			begin, drop = "POST /api/v1/things HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n", " "
		}
		go func() {
			defer func() { _ = c.Close() }()
			_, _ = io.WriteString(c, begin)
			done := make(chan struct{})
			go func() {
				defer close(done)
				answer, _ := io.ReadAll(c)
				closed <- string(answer)
			}()
			ticker := time.NewTicker(50 * time.Millisecond)
			defer ticker.Stop()
			for {
				select {
				case <-done:
					return
				case <-ticker.C:
					_, _ = io.WriteString(c, drop)
				}
			}
		}()
	}
	var slowest time.Duration
	answered := 0
	for len(closed) < 3*each {
		begin := clock.System().Now()
		require.Equal(t, 200, api.Do(t, http.MethodGet, "/things/x", nil).Status)
		slowest = max(slowest, clock.System().Now().Sub(begin))
		answered++
		require.Less(t, clock.System().Now().Sub(started), 20*time.Second, "%d of them are open", 3*each-len(closed))
	}
	t.Logf("%d requests beside them, the slowest took %v", answered, slowest)
	for range 3 * each {
		if answer := <-closed; answer != "" {
			require.Contains(t, answer, "HTTP/1.1 408 ")
			require.Contains(t, answer, `"code":"request_timeout"`)
		}
	}
}
