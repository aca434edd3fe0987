package proxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkGet compares a GET that its module answers directly with one that
// goes through the gateway, all in this process.
func BenchmarkGet(b *testing.B) {
	w := newTown(b)
	i := w.start("things", "t1", things("t1"))
	require.Equal(b, http.StatusOK, w.Do(b, http.MethodGet, "/things/lamp", nil).Status)
	b.Run("direct", func(b *testing.B) { load(b, i.addr) })
	b.Run("gateway", func(b *testing.B) { load(b, w.Addr) })
}

// load sends requests on 32 connections, one at a time on each.
func load(b *testing.B, addr string) {
	b.SetParallelism(16)
	b.ReportAllocs()
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
	benchRequest = []byte("GET /api/v1/things/lamp HTTP/1.1\r\nHost: shop\r\nUser-Agent: wrk\r\nAccept: */*\r\n\r\n")
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

// processorTime is what this process has used of the processor, client, gateway
// and module together.
func processorTime(b *testing.B) int64 {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage.Utime.Nano() + usage.Stime.Nano()
}
