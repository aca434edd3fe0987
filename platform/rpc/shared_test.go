package rpc_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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

// What no frame can hold fails alone, not with all that share the connection.
func TestACallThatFitsIntoNoFrameDisturbsNobody(t *testing.T) {
	t.Parallel()
	begun, end := make(chan struct{}), make(chan struct{})
	l := rpctest.New(t, rpc.DriverHTTP).Start(t, func(s *rpc.Server) {
		echo.Handle(s, returns)
		place.Handle(s, func(_ context.Context, a ask) (ask, error) {
			close(begun)
			<-end
			return a, nil
		})
	})
	other := calling(t, l.Client, place, ask{})
	<-begun
	ctx := telemetry.WithRequest(t.Context(), strings.Repeat("r", 5000))
	_, err := echo.Call(ctx, l.Client, ask{Text: strings.Repeat("x", 65000)})
	require.Error(t, err)
	close(end)
	require.NoError(t, <-other)
}
