package rpc_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/errs"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
	"stoa/platform/telemetry"
)

// Kinds of frames.
const (
	kindCall byte = iota + 1
	kindReply
	kindCancel
	kindGoAway
)

const upgrade = "GET /shared HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: stoa-calls/1\r\n\r\n"

// framed gives a frame: its kind, the id of a call, and all else.
func framed(kind byte, id uint64, rest ...[]byte) []byte {
	b := binary.AppendUvarint([]byte{kind}, id)
	for _, r := range rest {
		b = append(b, r...)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func number(n uint64) []byte { return binary.AppendUvarint(nil, n) }

func text(s string) []byte { return append(number(uint64(len(s))), s...) }

// called gives the frame of a call that has a minute.
func called(id uint64, module, method, body string) []byte {
	return framed(kindCall, id, number(60_000_000), text(module), text(method), text(""), text(""), []byte(body))
}

// peer is an end of a shared connection that a test plays.
type peer struct {
	net.Conn
	r *bufio.Reader
}

// next reads a frame.
func (p *peer) next(t *testing.T) (kind byte, id uint64, rest []byte) {
	t.Helper()
	b, err := p.frame()
	require.NoError(t, err)
	id, n := binary.Uvarint(b[1:])
	require.Positive(t, n)
	return b[0], id, b[1+n:]
}

func (p *peer) frame() ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(p.r, head); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head))
	_, err := io.ReadFull(p.r, b)
	return b, err
}

func (p *peer) say(t *testing.T, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		_, err := p.Write(f)
		require.NoError(t, err)
	}
}

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

// instance plays an instance of shelf. It gives a client that knows only it, and
// the connections that are made.
func instance(t *testing.T, c clock.Clock) (*rpc.Client, <-chan *peer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	peers := make(chan *peer, 16)
	var listening sync.WaitGroup
	listening.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // so that what does not come fails a test
			p := &peer{conn, bufio.NewReader(conn)}
			if _, err := http.ReadRequest(p.r); err != nil {
				t.Errorf("what came is no request: %v", err)
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: stoa-calls/1\r\n\r\n")
			peers <- p
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		listening.Wait()
		close(peers)
		for p := range peers {
			_ = p.Close()
		}
	})
	return knows(t, l.Addr().String(), c), peers
}

// knows gives a client that knows an instance of shelf, and tries once.
func knows(t *testing.T, addr string, c clock.Clock) *rpc.Client {
	t.Helper()
	l := rpctest.New(t, rpc.DriverHTTP)
	d, err := directory.NewStatic(map[string][]string{"shelf": {addr}})
	require.NoError(t, err)
	l.ClientDeps.Directory, l.ClientDeps.Clock = d, c
	l.Config.Retries = 0
	client, err := rpc.NewClient(l.Config, l.ClientDeps)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// calling makes a call and gives what it comes to.
func calling(t *testing.T, c *rpc.Client, m rpc.Method[ask, ask], a ask) <-chan error {
	t.Helper()
	came := make(chan error, 1)
	go func() {
		got, err := m.Call(t.Context(), c, a)
		if err == nil && got.Text != a.Text {
			err = fmt.Errorf("%q is another's answer", got.Text)
		}
		came <- err
	}()
	return came
}

func TestCallsShareAConnectionAndAreAnsweredAsTheyAreReady(t *testing.T) {
	t.Parallel()
	client, peers := instance(t, clock.System())
	first := calling(t, client, echo, ask{Text: "first"})
	p := <-peers
	kind, one, body := p.next(t)
	require.Equal(t, kindCall, kind)
	require.Contains(t, string(body), "first")
	second := calling(t, client, echo, ask{Text: "second"})
	_, two, _ := p.next(t)
	require.NotEqual(t, one, two)
	p.say(t, framed(kindReply, two, number(200), []byte(`{"text":"second"}`)))
	require.NoError(t, <-second)
	p.say(t, framed(kindReply, 99, number(200), []byte(`{"text":"nobody's"}`)),
		framed(kindReply, one, number(200), []byte(`{"text":"first"}`)))
	require.NoError(t, <-first)
	require.Empty(t, peers, "there is one connection")
}

func TestACallThatTakesItsTimeHoldsUpNobody(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	l := rpctest.New(t, rpc.DriverHTTP).Start(t, func(s *rpc.Server) {
		echo.Handle(s, returns)
		slow.Handle(s, func(_ context.Context, a ask) (ask, error) {
			<-end
			return a, nil
		})
	})
	var late []<-chan error
	for range 100 {
		late = append(late, calling(t, l.Client, slow, ask{}))
	}
	for n := range 300 {
		require.NoError(t, <-calling(t, l.Client, echo, ask{Text: fmt.Sprint(n)}))
	}
	close(end)
	for _, came := range late {
		require.NoError(t, <-came)
	}
}

func TestWhatIsLargeHasAConnectionForItself(t *testing.T) {
	t.Parallel()
	l := rpctest.New(t, rpc.DriverHTTP).Start(t, func(s *rpc.Server) { echo.Handle(s, returns) })
	for _, size := range []int{60 << 10, 64 << 10, 65 << 10, 2 << 20} {
		require.NoError(t, <-calling(t, l.Client, echo, ask{Text: strings.Repeat("x", size)}), size)
	}
	ctx := telemetry.WithRequest(t.Context(), strings.Repeat("r", 3000))
	_, err := echo.Call(ctx, l.Client, ask{})
	require.NoError(t, err)
}

// An instance that knows nothing of it, such as one of an older version, is asked
// once and then called as it can be.
func TestAnInstanceNeedNotShareAConnection(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now(), 1)
	var asked, answers atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/rpc/shelf/Echo" {
			asked.Add(1)
			http.NotFound(w, r)
			return
		}
		answers.Add(1)
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	defer s.Close()
	client := knows(t, s.Listener.Addr().String(), fake)
	for range 5 {
		require.NoError(t, <-calling(t, client, echo, ask{Text: "a"}))
	}
	require.EqualValues(t, 1, asked.Load())
	require.EqualValues(t, 5, answers.Load())
	fake.Advance(2 * time.Minute)
	require.NoError(t, <-calling(t, client, echo, ask{Text: "a"}))
	require.EqualValues(t, 2, asked.Load(), "it may be of a newer version by now")
}

func TestOfCallsThatWereSentItIsNotKnownWhetherTheyWereBegun(t *testing.T) {
	t.Parallel()
	client, peers := instance(t, clock.System())
	sent := calling(t, client, place, ask{})
	p := <-peers
	_, _, _ = p.next(t)
	require.NoError(t, p.Close())
	require.ErrorIs(t, <-sent, rpc.ErrBroken)
	again := calling(t, client, place, ask{Text: "again"})
	p = <-peers
	_, id, _ := p.next(t)
	p.say(t, framed(kindReply, id, number(200), []byte(`{"text":"again"}`)))
	require.NoError(t, <-again)
	_ = p.Close()
}

func TestWhatIsNoAnswerEndsTheConnectionAndNothingElse(t *testing.T) {
	t.Parallel()
	client, peers := instance(t, clock.System())
	for name, bad := range map[string][]byte{
		"too long":       {0xff, 0xff, 0xff, 0xff, kindReply},
		"nothing":        {0, 0, 0, 0},
		"no id":          {0, 0, 0, 3, kindReply, 0xff, 0xff},
		"no status":      framed(kindReply, 1),
		"a large status": framed(kindReply, 1, number(1<<40)),
		"a call":         called(1, "shelf", "Echo", "{}"),
		"another kind":   framed(77, 1),
	} {
		sent := calling(t, client, place, ask{})
		p := <-peers
		_, _, _ = p.next(t)
		p.say(t, bad)
		require.ErrorIs(t, <-sent, rpc.ErrBroken, name)
		_, err := p.frame()
		require.Error(t, err, "%s: it is closed", name)
		_ = p.Close()
	}
}

// A call whose time is up ends where it runs. If nothing came meanwhile, the
// connection may be dead, and what follows has another.
func TestAConnectionThatIsSilentIsUsedNoMore(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now(), 1)
	client, peers := instance(t, fake)
	var p *peer
	late := func() (id uint64) {
		ctx := due{t.Context(), make(chan struct{})}
		came := make(chan error, 1)
		go func() {
			_, err := place.Call(ctx, client, ask{})
			came <- err
		}()
		if p == nil {
			p = <-peers
		}
		kind, id, _ := p.next(t)
		require.Equal(t, kindCall, kind)
		close(ctx.over)
		require.ErrorIs(t, <-came, errs.ErrTimeout)
		kind, cancelled, _ := p.next(t)
		require.Equal(t, kindCancel, kind)
		require.Equal(t, id, cancelled)
		return id
	}
	// It answers, only too late.
	id := late()
	p.say(t, framed(kindReply, id, number(422), []byte(`{}`)))
	sent := calling(t, client, place, ask{Text: "in time"})
	_, id, _ = p.next(t)
	p.say(t, framed(kindReply, id, number(200), []byte(`{"text":"in time"}`)))
	require.NoError(t, <-sent)
	fake.Advance(time.Second)
	_ = late()
	// From here on it says nothing.
	fake.Advance(time.Second)
	_ = late()
	_, err := p.frame()
	require.ErrorIs(t, err, io.EOF, "it is closed")
	_ = p.Close()
	p = nil
	_ = late()
	_ = p.Close()
}

// due is a context whose time is up when a test says so.
type due struct {
	context.Context
	over chan struct{}
}

func (d due) Done() <-chan struct{} { return d.over }

func (d due) Err() error {
	select {
	case <-d.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestAConnectionThatHasLongBeenIdleIsUsedNoMore(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Now(), 1)
	client, peers := instance(t, fake)
	for range 3 {
		sent := calling(t, client, place, ask{})
		p := <-peers
		_, id, _ := p.next(t)
		p.say(t, framed(kindReply, id, number(200), []byte(`{}`)))
		require.NoError(t, <-sent)
		fake.Advance(2 * time.Minute)
		defer func() {
			_, err := p.frame()
			require.ErrorIs(t, err, io.EOF, "it is closed")
		}()
	}
	require.NoError(t, client.Close())
}

// An instance that is about to stop is sent nothing more, and answers what it was
// sent.
func TestWhoGoesAwayIsSentNothingMore(t *testing.T) {
	t.Parallel()
	client, peers := instance(t, clock.System())
	before := calling(t, client, place, ask{})
	p := <-peers
	_, id, _ := p.next(t)
	quick := calling(t, client, place, ask{})
	_, other, _ := p.next(t)
	p.say(t, framed(kindGoAway, 0), framed(kindReply, other, number(200), []byte(`{}`)))
	require.NoError(t, <-quick, "what comes after it was heard")
	for range 3 {
		after := calling(t, client, place, ask{})
		var q *peer
		select {
		case q = <-peers:
		case <-time.After(10 * time.Second):
			t.Fatal("no other connection was made")
		}
		_, other, _ = q.next(t)
		q.say(t, framed(kindReply, other, number(200), []byte(`{}`)))
		require.NoError(t, <-after)
		q.say(t, framed(kindGoAway, 0))
		_, err := q.frame()
		require.ErrorIs(t, err, io.EOF, "it is closed once all is answered")
		_ = q.Close()
	}
	p.say(t, framed(kindReply, id, number(200), []byte(`{}`)))
	require.NoError(t, <-before)
	_, err := p.frame()
	require.ErrorIs(t, err, io.EOF)
	_ = p.Close()
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

// Callers that give up all at once, time and again, leave nothing behind and
// disturb nobody.
func TestManyThatGiveUpDisturbNobody(t *testing.T) {
	t.Parallel()
	l := rpctest.New(t, rpc.DriverHTTP).Start(t, func(s *rpc.Server) {
		echo.Handle(s, returns)
		slow.Handle(s, func(ctx context.Context, a ask) (ask, error) {
			<-ctx.Done()
			return a, ctx.Err()
		})
	})
	var running sync.WaitGroup
	for n := range 32 {
		running.Go(func() {
			for k := range 50 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n*k%7)*time.Millisecond)
				_, err := slow.Call(ctx, l.Client, ask{})
				cancel()
				if err == nil {
					t.Error("a call that does not end was answered")
				}
				a := ask{Text: fmt.Sprint(n, k)}
				if got, err := echo.Call(t.Context(), l.Client, a); err != nil || got.Text != a.Text {
					t.Error(got.Text, err)
				}
			}
		})
	}
	running.Wait()
}
