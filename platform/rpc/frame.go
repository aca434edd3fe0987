package rpc

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Calls to an instance share a connection, so that what several send at about
// the same time goes out in one write, and answers come as they are ready. It
// begins as a request of HTTP/1.1 for another protocol (RFC 9110 §7.8), which who
// does not know it answers otherwise; calls then go one to a connection. After
// that both sides send frames:
//
//	length   4 bytes, most significant first, of all that follows
//	kind     1 byte
//	id       of the call, uvarint
//	...      by kind
//
//	call     time left in µs, uvarint; module, method, trace and request id, each
//	         a length as uvarint and its bytes; the request
//	reply    status, uvarint; the answer
//	cancel   nothing: the caller has given up
//	go away  nothing, id 0: the instance is about to stop and is to be sent no
//	         more; what came is answered
const (
	pathShared     = "/shared"
	sharedProtocol = "stoa-calls/1"
)

const (
	frameCall byte = iota + 1
	frameReply
	frameCancel
	frameGoAway
)

const (
	// maxShared is the largest request that shares a connection; those behind a
	// larger one would wait for it.
	maxShared = 64 << 10
	// frameMargin is more than what a frame has beside its body.
	frameMargin = 4 << 10
)

// sharable tells whether a call fits into a frame.
func sharable(c *Call) bool {
	return len(c.Body) <= maxShared && len(c.Module)+len(c.Method)+len(c.TraceParent)+len(c.RequestID) <= frameMargin/2
}

var errFrame = errors.New("what came is no frame of a call")

// beginFrame begins a frame; endFrame, with where it began, completes it.
func beginFrame(b []byte, kind byte, id uint64) (_ []byte, at int) {
	at = len(b)
	b = append(b, 0, 0, 0, 0, kind)
	return binary.AppendUvarint(b, id), at
}

func endFrame(b []byte, at int) []byte {
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendCall(b []byte, id uint64, left time.Duration, c *Call) []byte {
	b, at := beginFrame(b, frameCall, id)
	b = binary.AppendUvarint(b, uint64(left.Microseconds()))
	for _, text := range [...]string{c.Module, c.Method, c.TraceParent, c.RequestID} {
		b = appendText(b, text)
	}
	return endFrame(append(b, c.Body...), at)
}

func appendReply(b []byte, id uint64, r Reply) []byte {
	b, at := beginFrame(b, frameReply, id)
	b = binary.AppendUvarint(b, uint64(r.Status))
	return endFrame(append(b, r.Body...), at)
}

// appendBare adds a frame that has nothing but its kind and id.
func appendBare(b []byte, kind byte, id uint64) []byte {
	b, at := beginFrame(b, kind, id)
	return endFrame(b, at)
}

// frame is one that came. rest is its own.
type frame struct {
	kind byte
	id   uint64
	rest []byte
}

// readFrame reads a frame of at most so many bytes.
func readFrame(r *bufio.Reader, most int) (frame, error) {
	head, err := r.Peek(4)
	if err != nil {
		return frame{}, err
	}
	length := int(binary.BigEndian.Uint32(head))
	if length < 2 || length > most {
		return frame{}, fmt.Errorf("%w: %d bytes", errFrame, length)
	}
	_, _ = r.Discard(4) // was seen
	b := make([]byte, length)
	if _, err := io.ReadFull(r, b); err != nil {
		return frame{}, err
	}
	f := frame{kind: b[0], rest: b[1:]}
	f.id, err = f.number()
	return f, err
}

// number takes a number off what is left of a frame.
func (f *frame) number() (uint64, error) {
	v, n := binary.Uvarint(f.rest)
	if n <= 0 {
		return 0, errFrame
	}
	f.rest = f.rest[n:]
	return v, nil
}

// text takes a text off what is left of a frame.
func (f *frame) text() (string, error) {
	n, err := f.number()
	if err != nil || n > uint64(len(f.rest)) {
		return "", errFrame
	}
	text := string(f.rest[:n])
	f.rest = f.rest[n:]
	return text, nil
}

// call reads a call, and how much time it has.
func (f *frame) call() (c Call, left time.Duration, err error) {
	us, err := f.number()
	if err != nil {
		return Call{}, 0, err
	}
	for _, text := range [...]*string{&c.Module, &c.Method, &c.TraceParent, &c.RequestID} {
		if *text, err = f.text(); err != nil {
			return Call{}, 0, err
		}
	}
	if us < 1 || us > uint64(longest.Microseconds()) {
		return Call{}, 0, errFrame
	}
	c.Body = f.rest
	return c, time.Duration(us) * time.Microsecond, nil
}

// reply reads an answer.
func (f *frame) reply() (Reply, error) {
	status, err := f.number()
	if err != nil || status > 999 {
		return Reply{}, errFrame
	}
	return Reply{int(status), f.rest}, nil
}
