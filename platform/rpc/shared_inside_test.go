package rpc

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
)

// What has not even been given to a connection when it ends was certainly not
// begun, so that it may be tried elsewhere whatever it is. No test from outside
// can have the connection end at the moment between.
func TestCallsThatWereNotSentWereNotBegun(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	c := &sharedConn{conns: newSharedConns(clock.System()), calls: map[uint64]*waiting{}, used: time.Now()}
	c.init(near, c.ended)
	wait := func() *waiting {
		w := &waiting{done: make(chan struct{}, 1)}
		_, ok := c.send(t.Context(), &Call{Module: "shelf", Method: "Place"}, w)
		require.True(t, ok)
		return w
	}
	given := wait()
	_, over := c.next()
	require.False(t, over)
	queued := wait()
	require.NoError(t, far.Close())
	c.end(io.EOF)
	<-given.done
	require.ErrorIs(t, given.err, io.ErrUnexpectedEOF)
	require.False(t, isRefused(given.err))
	<-queued.done
	require.True(t, isRefused(queued.err))
	_, ok := c.send(t.Context(), &Call{}, &waiting{})
	require.False(t, ok, "nor does it take others")
	c.write() // ends at once
	_, err := near.Write([]byte("x"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

// Whatever comes is a frame or an error, and a frame that is made again says the
// same.
func FuzzFrame(f *testing.F) {
	c := &Call{Module: "shelf", Method: "Echo", TraceParent: "00-1-2-01", RequestID: "r", Body: []byte(`{"text":"a"}`)}
	f.Add(appendCall(nil, 7, time.Second, c))
	f.Add(appendReply(nil, 1<<40, Reply{StatusAnswer, []byte("{}")}))
	f.Add(appendBare(nil, frameGoAway, 0))
	f.Add([]byte{0, 0, 0, 9, frameCall, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		for {
			f, err := readFrame(r, maxShared+frameMargin)
			if err != nil {
				return
			}
			again := func(b []byte) frame {
				got, err := readFrame(bufio.NewReader(bytes.NewReader(b)), maxShared+2*frameMargin)
				require.NoError(t, err)
				require.Equal(t, f.id, got.id)
				return got
			}
			switch f.kind {
			case frameCall:
				had := f
				c, left, err := had.call()
				if err != nil {
					continue
				}
				got := again(appendCall(nil, f.id, left, &c))
				also, alsoLeft, err := got.call()
				require.NoError(t, err)
				require.Equal(t, left, alsoLeft)
				require.Equal(t, c, also)
			case frameReply:
				had := f
				reply, err := had.reply()
				if err != nil {
					continue
				}
				got := again(appendReply(nil, f.id, reply))
				also, err := got.reply()
				require.NoError(t, err)
				require.Equal(t, reply, also)
			}
		}
	})
}
