package rpc

import (
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
