package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"stoa/platform/clock"
	"stoa/platform/directory"
)

// Call is one call on its way to an instance.
type Call struct {
	Module, Method string
	// ID names the call among those that run.
	ID string
	// TraceParent is the trace that it is part of (W3C Trace Context §3.2); empty
	// where there is none.
	TraceParent string
	// RequestID is the request that it is part of.
	RequestID string
	// Body is the request. Transports do not change it.
	Body []byte
}

// Reply is what came back.
type Reply struct {
	// Status says what Body is: see the constants.
	Status int
	Body   []byte
}

// The statuses of a reply, those of HTTP for both drivers.
const (
	StatusAnswer    = 200 // the answer
	StatusError     = 422 // the error that the method returned
	StatusMalformed = 400 // what came was no call
	StatusUnknown   = 404 // there is no such method here
	StatusTooLarge  = 413 // the request is larger than calls may be
	StatusGivenUp   = 502 // begun, and broken off because the process ends
	StatusBusy      = 503 // not begun: too much to do, or about to stop
)

// Transport carries calls. ctx ends with the call's time, or when its caller
// gives up; the transport then tells the instance. Tests wrap it.
type Transport interface {
	RoundTrip(ctx context.Context, to directory.Instance, c *Call) (Reply, error)
	Close() error
}

// Header fields of both drivers.
const (
	headerCall        = "Stoa-Call"    // id of the call
	headerTimeout     = "Stoa-Timeout" // time left, in µs
	headerStatus      = "Stoa-Status"  // of a reply through the broker
	headerTraceParent = "Traceparent"
	headerRequestID   = "X-Request-Id"
	headerDocument    = "Stoa-Document" // name of a document
	headerContentType = "Content-Type"

	contentType = "application/json"
)

// longest is the most time that a call can be given.
const longest = time.Hour

// timeLeft tells how long a context still runs, as it is sent.
func timeLeft(ctx context.Context) time.Duration {
	left := longest
	if deadline, ok := ctx.Deadline(); ok {
		left = min(deadline.Sub(clock.System().Now()), longest) // deadlines are in real time
	}
	return max(left, time.Microsecond)
}

func formatTimeLeft(ctx context.Context) string {
	return strconv.FormatInt(timeLeft(ctx).Microseconds(), 10)
}

func parseTimeLeft(text string) (time.Duration, error) {
	us, err := strconv.ParseInt(text, 10, 64)
	if err != nil || us < 1 || us > longest.Microseconds() {
		return 0, fmt.Errorf("%s is no number of microseconds up to an hour", headerTimeout)
	}
	return time.Duration(us) * time.Microsecond, nil
}

// isName tells whether a text can be the name of a module or method: both are
// part of paths and subjects.
func isName(text string) bool {
	if text == "" || len(text) > 64 {
		return false
	}
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// errGone is why the context of a call ended whose caller has gone.
var errGone = errors.New("the caller has gone")
