// Package errs is the vocabulary of failure that every module speaks.
//
// An error that a caller may test for is a value with an identity, declared
// once beside the contract it belongs to:
//
//	var ErrProductNotFound = errs.New(errs.NotFound, "catalog.product_not_found", "there is no such product")
//
// Its Kind says what sort of failure it is (and so how HTTP answers), its Code
// names it for programs and never changes, its Message is for people. Details
// are added to a copy, which errors.Is still recognises:
//
//	return ErrProductNotFound.With("no product has the slug %q", slug)
//
// Everything here survives a wire: two Errors are the same when their Codes
// are. Any package may import it; it imports nothing of the project.
package errs

import (
	"errors"
	"fmt"
	"time"
)

// Kind is what sort of failure an error is. It decides the HTTP status, whether
// a caller may try again, and nothing else.
type Kind string

// The kinds, each with the HTTP status it is answered with.
const (
	BadRequest         Kind = "bad_request"         // 400: it could not be read
	Unauthenticated    Kind = "unauthenticated"     // 401: who asks is not known
	Forbidden          Kind = "forbidden"           // 403: who asks may not
	NotFound           Kind = "not_found"           // 404: it is not there, or not for this caller
	MethodNotAllowed   Kind = "method_not_allowed"  // 405
	Conflict           Kind = "conflict"            // 409: not as things stand now
	PreconditionFailed Kind = "precondition_failed" // 412: If-Match names an older version
	TooLarge           Kind = "too_large"           // 413
	URITooLong         Kind = "uri_too_long"        // 414
	UnsupportedMedia   Kind = "unsupported_media"   // 415
	Invalid            Kind = "invalid"             // 422: it was read, and a value will not do
	TooMany            Kind = "too_many"            // 429: later, see RetryAfter
	HeaderTooLarge     Kind = "header_too_large"    // 431
	Internal           Kind = "internal"            // 500: our fault, told only to the log
	Unavailable        Kind = "unavailable"         // 503: not now, see RetryAfter
	Timeout            Kind = "timeout"             // 504: it did not answer in time; the outcome is not known
)

// Temporary tells whether the same call may succeed later without anybody
// changing anything.
func (k Kind) Temporary() bool { return k == Unavailable || k == Timeout || k == TooMany }

// Field is one thing that is wrong with a request.
type Field struct {
	// Location is where it stands, such as "body.items[0].quantity" or "query.limit".
	Location string `json:"location"`
	// Message says what is wrong with it, for people.
	Message string `json:"message"`
}

// Error is a failure with an identity. Errors are values: the methods that add
// to one return a copy.
type Error struct {
	Kind    Kind
	Code    string
	Message string
	// Fields are the bad fields of a request, where the kind is Invalid or BadRequest.
	Fields []Field
	// Details are further members for the answer, such as the total that is
	// right now. Keys are stable, values are encoded as JSON.
	Details map[string]any
	// RetryAfter is how long to wait before the next try; zero says nothing.
	RetryAfter time.Duration

	cause error
}

// New declares an error. Code is "<module>.<what>" in lower snake case and
// stays the same for ever; message is one plain sentence without a full stop.
func New(kind Kind, code, message string) *Error {
	return &Error{Kind: kind, Code: code, Message: message}
}

// Error gives the code, the message and what caused it.
func (e *Error) Error() string {
	text := e.Code + ": " + e.Message
	for _, f := range e.Fields {
		text += "; " + f.Location + " " + f.Message
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap gives what caused the error. It goes to the log, never to a caller.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the same error: one with the same Code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// With gives a copy with a message for this one occurrence.
func (e *Error) With(format string, args ...any) *Error {
	c := *e
	c.Message = fmt.Sprintf(format, args...)
	return &c
}

// Field gives a copy that also names a bad field.
func (e *Error) Field(location, format string, args ...any) *Error {
	c := *e
	c.Fields = append(append([]Field(nil), e.Fields...), Field{location, fmt.Sprintf(format, args...)})
	return &c
}

// Detail gives a copy with a further member for the answer.
func (e *Error) Detail(key string, value any) *Error {
	c := *e
	c.Details = make(map[string]any, len(e.Details)+1)
	for k, v := range e.Details {
		c.Details[k] = v
	}
	c.Details[key] = value
	return &c
}

// After gives a copy that says when to try again.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Because gives a copy that remembers what caused it, for the log.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Errors that belong to no module.
var (
	ErrInternal    = New(Internal, "internal", "something went wrong on our side")
	ErrUnavailable = New(Unavailable, "unavailable", "this is not available right now")
	ErrTimeout     = New(Timeout, "timeout", "there was no answer in time")
	ErrInvalid     = New(Invalid, "invalid", "some values of the request will not do")
)

// As gives the nearest Error in err's chain, and whether there is one.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// KindOf gives the kind of the nearest Error in err's chain: Internal for any
// other error, and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := As(err); ok {
		return e.Kind
	}
	return Internal
}
