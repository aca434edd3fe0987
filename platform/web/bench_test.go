package web_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"stoa/platform/clock"
	"stoa/platform/web"
)

const smallJSON = `{"id":"x","name":"lamp","count":0,"tags":[]}`

// BenchmarkGet compares a GET of a small JSON document with a bare Fiber
// handler that returns the same bytes, over loopback.
func BenchmarkGet(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		app := bare()
		l := listen(b)
		done := make(chan error, 1)
		go func() { done <- app.Listener(l) }()
		load(b, l.Addr().String())
		require.NoError(b, app.Shutdown())
		require.NoError(b, <-done)
	})
	b.Run("web", func(b *testing.B) {
		s := benchServer(b)
		l := listen(b)
		done := make(chan error, 1)
		go func() { done <- s.Serve(l) }()
		load(b, l.Addr().String())
		require.NoError(b, s.Shutdown(context.Background()))
		require.NoError(b, <-done)
	})
}

// BenchmarkHandler is the same without the network.
func BenchmarkHandler(b *testing.B) {
	for name, handler := range map[string]fasthttp.RequestHandler{"bare": bare().Handler(), "web": benchServer(b).Handler()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var c fasthttp.RequestCtx
			c.Init(&fasthttp.Request{}, nil, nil)
			c.Request.SetRequestURI("/api/v1/things/x")
			for b.Loop() {
				c.Response.Reset()
				c.ResetUserValues()
				handler(&c)
			}
			require.Equal(b, smallJSON, string(c.Response.Body()))
		})
	}
}

func bare() *fiber.App {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/api/v1/things/:id", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.SendString(smallJSON)
	})
	return app
}

func benchServer(b *testing.B) *web.Server {
	cfg := web.DefaultConfig()
	cfg.DrainDelay = 0
	s, err := web.New(cfg, web.Deps{Clock: clock.System(), Log: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	routes(s.Router("things", nil))
	return s
}

func listen(t testing.TB) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

// load sends requests on 32 connections, one at a time on each.
func load(b *testing.B, addr string) {
	b.SetParallelism(16)
	b.ResetTimer()
	before := processorTime(b)
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = c.Close() }()
		r := bufio.NewReader(c)
		for pb.Next() {
			if err := exchange(c, r); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

var (
	benchRequest = []byte("GET /api/v1/things/x HTTP/1.1\r\nHost: shop\r\n\r\n")
	statusOK     = []byte("HTTP/1.1 200 OK\r\n")
	lengthField  = []byte("Content-Length: ")
)

// exchange sends a request and takes the answer off the connection, with as
// little ado as can be.
func exchange(c net.Conn, r *bufio.Reader) error {
	if _, err := c.Write(benchRequest); err != nil {
		return err
	}
	if line, err := r.ReadSlice('\n'); err != nil || !bytes.Equal(line, statusOK) {
		return fmt.Errorf("answered with %q: %w", line, err)
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if text, ok := bytes.CutPrefix(line, lengthField); ok {
			if length, err = strconv.Atoi(string(text[:len(text)-2])); err != nil {
				return err
			}
		}
		if len(line) == 2 {
			_, err := r.Discard(length)
			return err
		}
	}
}

// processorTime is what this process has used of the processor, client and
// server together: it tells more than the time that passes, where others use
// the same cores.
func processorTime(b *testing.B) int64 {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage.Utime.Nano() + usage.Stime.Nano()
}
