package rpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"stoa/platform/directory"
	"stoa/platform/errs"
)

// What a call may come to on its way. Messages, and the detail "module", name
// the module that was called.
var (
	// ErrUnavailable says that a call was not carried out: nobody could be
	// reached, or who was reached could not take it.
	ErrUnavailable = errs.New(errs.Unavailable, "module_unavailable", "a part of the shop is not available right now").After(time.Second)
	// ErrBroken says that a connection broke, so that it is not known whether a
	// call was carried out.
	ErrBroken = errs.New(errs.Timeout, "module_gone", "a part of the shop went away without an answer")
	// ErrTooLarge says that a request or an answer is larger than calls may be.
	ErrTooLarge = errs.New(errs.Internal, "call_too_large", "a call between modules is larger than it may be")
)

// maxBody is the largest request or answer, in bytes.
const maxBody = 8 << 20

// refused is a failure by which a call certainly was not begun.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

func refuse(format string, args ...any) error { return refused{fmt.Errorf(format, args...)} }

func isRefused(err error) bool {
	var r refused
	return errors.As(err, &r)
}

// wireError is an errs.Error on its way.
type wireError struct {
	Kind       errs.Kind                 `json:"kind"`
	Code       string                    `json:"code"`
	Message    string                    `json:"message"`
	Fields     []errs.Field              `json:"fields,omitempty"`
	Details    map[string]jsontext.Value `json:"details,omitempty"`
	RetryAfter int64                     `json:"retry_after,omitempty"` // µs
}

// encodeError gives what of an error crosses the wire.
func encodeError(e *errs.Error) ([]byte, error) {
	w := wireError{Kind: e.Kind, Code: e.Code, Message: e.Message, Fields: e.Fields, RetryAfter: e.RetryAfter.Microseconds()}
	for name, value := range e.Details {
		text, err := json.Marshal(value, codec)
		if err != nil {
			return nil, fmt.Errorf("detail %s of %s: %w", name, e.Code, err)
		}
		if w.Details == nil {
			w.Details = map[string]jsontext.Value{}
		}
		w.Details[name] = text
	}
	return json.Marshal(w, codec)
}

// decodeError gives the error that a module answered with.
func decodeError(module, method string, body []byte) error {
	var w wireError
	if err := json.Unmarshal(body, &w, codec); err != nil || w.Code == "" {
		return errs.ErrInternal.Because(fmt.Errorf("%s.%s answered with an error that cannot be read: %w", module, method, err))
	}
	e := errs.New(w.Kind, w.Code, w.Message)
	e.Fields = w.Fields
	e.RetryAfter = time.Duration(w.RetryAfter) * time.Microsecond
	for name, text := range w.Details {
		e = e.Detail(name, text)
	}
	if e.Kind == errs.Internal {
		return e.Because(fmt.Errorf("%s.%s answered so; its log says why", module, method))
	}
	return e
}

// outcomes of calls, as they are counted.
const (
	outcomeOK          = "ok"
	outcomeRefused     = "error" // an error of the contract
	outcomeInternal    = "internal"
	outcomeUnavailable = "unavailable"
	outcomeTimeout     = "timeout"
	outcomeCanceled    = "canceled"
)

// outcomeOf tells how what a call came to is counted.
func outcomeOf(err error) string {
	switch {
	case err == nil:
		return outcomeOK
	case errors.Is(err, context.Canceled):
		return outcomeCanceled
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrBroken), errors.Is(err, errs.ErrTimeout):
		return outcomeTimeout
	case errors.Is(err, ErrUnavailable), errors.Is(err, directory.ErrNoInstance):
		return outcomeUnavailable
	case errs.KindOf(err) == errs.Internal:
		return outcomeInternal
	}
	return outcomeRefused
}
