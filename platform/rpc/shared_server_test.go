package rpc_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

const upgrade = "GET /shared HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: stoa-calls/1\r\n\r\n"

// share plays a caller.
func share(t *testing.T, s *rpc.Server) *peer {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	p := &peer{c, bufio.NewReader(c)}
	p.say(t, []byte(upgrade))
	resp, err := http.ReadResponse(p.r, nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	return p
}

func TestASharedConnectionRefusesWhatIsNoCall(t *testing.T) {
	t.Parallel()
	l := rpctest.New(t, rpc.DriverHTTP).Start(t, func(s *rpc.Server) { echo.Handle(s, returns) })
	p := share(t, l.Server)
	for n, c := range []struct {
		call   []byte
		status uint64
	}{
		{called(0, "shelf", "Echo", `{"text":"a"}`), 200},
		{called(1, "shelf", "Drop", "{}"), 404},
		{called(2, "attic", "Echo", "{}"), 404},
		{called(3, "", "../..", "{}"), 404},
		{called(4, "shelf", "Echo", "hello"), 400},
		{called(5, "shelf", "Echo", `{"text":`), 400},
		{called(6, "shelf", "Echo", "{\"text\":\"\xff\"}"), 400},
		{called(7, "shelf", "Echo", strings.Repeat("[", 60<<10)), 400},
		{called(8, "shelf", "Echo", ""), 400},
	} {
		p.say(t, c.call)
		kind, id, rest := p.next(t)
		require.Equal(t, kindReply, kind)
		require.EqualValues(t, n, id)
		status, used := binary.Uvarint(rest)
		require.Equal(t, c.status, status, n)
		require.NotContains(t, string(rest[used:]), "goroutine")
	}
	p.say(t, framed(kindCancel, 1<<60)) // nobody's

	call := called(1, "shelf", "Echo", "{}")
	for name, bad := range map[string][]byte{
		"too long":         {0xff, 0xff, 0xff, 0xff, kindCall},
		"more than shared": called(1, "shelf", "Echo", strings.Repeat(" ", 69<<10)),
		"nothing":          {0, 0, 0, 0},
		"HTTP":             []byte(post("/rpc/shelf/Echo", "{}")),
		"no id":            {0, 0, 0, 2, kindCall, 0xff},
		"no time":          framed(kindCall, 1),
		"time of zero":     framed(kindCall, 1, number(0), text("shelf"), text("Echo"), text(""), text("")),
		"too much time":    framed(kindCall, 1, number(1<<63), text("shelf"), text("Echo"), text(""), text("")),
		"half of a name":   framed(kindCall, 1, number(1000), number(1<<40), []byte("shelf")),
		"no method":        framed(kindCall, 1, number(1000), text("shelf")),
		"an answer":        framed(kindReply, 1, number(200)),
		"another kind":     framed(77, 1),
	} {
		p := share(t, l.Server)
		_, err := p.Write(append(bad, call...))
		require.NoError(t, err)
		_, err = p.frame()
		require.Error(t, err, "%s: it is closed", name)
	}
	require.NoError(t, <-calling(t, l.Client, echo, ask{Text: "a"}))
}

// Who sends half a call, nothing at all, or does not take the answers, holds up
// neither others nor the end.
func TestACallerThatIsSlowHoldsUpNobody(t *testing.T) {
	t.Parallel()
	l := rpctest.New(t, rpc.DriverHTTP)
	l.Config.MaxCalls = 64
	var answered atomic.Int64
	l.Start(t, func(s *rpc.Server) {
		echo.Handle(s, func(_ context.Context, a ask) (ask, error) {
			answered.Add(1)
			a.List = []string{strings.Repeat("x", int(a.Count))}
			return a, nil
		})
	})
	_ = share(t, l.Server)
	half := called(1, "shelf", "Echo", "{}")
	share(t, l.Server).say(t, half[:len(half)-1])
	greedy := share(t, l.Server)
	require.NoError(t, greedy.SetWriteDeadline(time.Now().Add(time.Second)))
	var err error
	for id := uint64(0); err == nil; id++ { // until it is read no more
		require.Less(t, id, uint64(1<<20))
		_, err = greedy.Write(called(id, "shelf", "Echo", `{"count":100000}`+strings.Repeat(" ", 4000)))
	}
	require.Less(t, answered.Load(), int64(1000), "what it does not take is not kept for it without end")
	require.NoError(t, <-calling(t, l.Client, echo, ask{Text: "a"}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	_ = l.Server.Shutdown(ctx) // what is not taken may be broken off
	require.Less(t, time.Since(began), 10*time.Second)
}

func TestTheCallsOfACallerThatDiesEnd(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}, 3), make(chan error, 3)
	l := rpctest.New(t, rpc.DriverHTTP).Start(t, func(s *rpc.Server) {
		slow.Handle(s, func(ctx context.Context, a ask) (ask, error) {
			begun <- struct{}{}
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return a, ctx.Err()
		})
	})
	p := share(t, l.Server)
	for id := range uint64(3) {
		p.say(t, called(id, "shelf", "Slow", "{}"))
		<-begun
	}
	require.NoError(t, p.Close())
	for range 3 {
		require.ErrorContains(t, <-ended, "gone")
	}
}

// A caller of another make that goes on sending while the server stops is turned
// away, and gets what it is owed.
func TestCallsThatComeWhileAServerStopsAreTurnedAway(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	l := rpctest.New(t, rpc.DriverHTTP).Start(t, func(s *rpc.Server) {
		slow.Handle(s, func(_ context.Context, a ask) (ask, error) {
			close(begun)
			<-end
			return a, nil
		})
		echo.Handle(s, returns)
	})
	p := share(t, l.Server)
	p.say(t, called(1, "shelf", "Slow", "{}"))
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- l.Server.Shutdown(t.Context()) }()
	kind, _, _ := p.next(t)
	require.Equal(t, kindGoAway, kind)
	for id := uint64(2); ; id++ {
		p.say(t, called(id, "shelf", "Echo", "{}"))
		_, _, rest := p.next(t)
		status, _ := binary.Uvarint(rest)
		if status == 503 {
			break
		}
		require.EqualValues(t, 200, status)
	}
	p.say(t, called(1<<40, "shelf", "Echo", "{}"))
	_, id, _ := p.next(t)
	require.EqualValues(t, 1<<40, id, "it is turned away as well")
	close(end)
	_, id, rest := p.next(t)
	require.EqualValues(t, 1, id)
	status, _ := binary.Uvarint(rest)
	require.EqualValues(t, 200, status)
	_, err := p.frame()
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, <-stopped)
}
