package rpc_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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
)

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
	var before *peer
	for range 3 {
		sent := calling(t, client, place, ask{})
		p := <-peers
		_, id, _ := p.next(t)
		p.say(t, framed(kindReply, id, number(200), []byte(`{}`)))
		require.NoError(t, <-sent)
		if before != nil {
			_, err := before.frame()
			require.ErrorIs(t, err, io.EOF, "it is closed")
			_ = before.Close()
		}
		before = p
		fake.Advance(2 * time.Minute)
	}
	_ = before.Close()
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
