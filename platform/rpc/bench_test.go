package rpc_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

// BenchmarkCall makes calls of some 400 bytes from 32 callers at once, both ends
// in this process, over each driver. "bare" is the least that a call with a
// connection for itself could cost: fasthttp's requests and server and as many
// bytes, without names, deadlines, retries or JSON.
func BenchmarkCall(b *testing.B) {
	asked := ask{Text: fmt.Sprintf("%0300d", 1), Count: 7, List: []string{"a", "b"}}
	for _, driver := range rpctest.Drivers {
		b.Run(driver, func(b *testing.B) {
			l := rpctest.New(b, driver).Start(b, func(s *rpc.Server) { echo.Handle(s, returns) })
			together(b, func() error {
				_, err := echo.Call(b.Context(), l.Client, asked)
				return err
			})
		})
	}
	b.Run("bare", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		s := &fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) { c.SetBody(c.PostBody()) }}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		idle := make(chan *wire, atOnce)
		for range atOnce {
			c, err := net.Dial("tcp", l.Addr().String())
			require.NoError(b, err)
			idle <- &wire{c, bufio.NewReader(c), bufio.NewWriter(c)}
		}
		b.Cleanup(func() {
			for range atOnce {
				require.NoError(b, (<-idle).Close())
			}
			require.NoError(b, s.Shutdown())
			require.NoError(b, <-served)
		})
		body := fmt.Appendf(nil, "%0400d", 1)
		together(b, func() error {
			c := <-idle
			defer func() { idle <- c }()
			return c.exchange(body)
		})
	})
}

// wire is a connection that carries one call at a time.
type wire struct {
	net.Conn
	r *bufio.Reader
	w *bufio.Writer
}

func (c *wire) exchange(body []byte) error {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.Header.SetMethod(http.MethodPost)
	req.SetRequestURI("/rpc/shelf/Echo")
	req.SetHost("shelf")
	req.SetBodyRaw(body)
	if err := errors.Join(req.Write(c.w), c.w.Flush()); err != nil {
		return err
	}
	return resp.Read(c.r)
}

// atOnce is how many call at the same time.
const atOnce = 32

// together has all callers do something over and over, and tells what it takes of
// the processor.
func together(b *testing.B, call func() error) {
	b.Helper()
	b.SetParallelism(atOnce / runtime.GOMAXPROCS(0))
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := call(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// processorTime is what this process has used of the processor, both ends
// together.
func processorTime(b *testing.B) int64 {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage.Utime.Nano() + usage.Stime.Nano()
}
