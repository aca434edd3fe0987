package rpc

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"stoa/platform/errs"
)

// Method is one method of a contract.
type Method[Req, Res any] struct {
	// Module is the name of the module whose contract it is of.
	Module string
	// Name is the method's own.
	Name string
	// Idempotent says that the method may be carried out twice for one call.
	Idempotent bool
	// Timeout is how long a call may take, unless its caller or the instances say
	// otherwise; zero is rpc.timeout.
	Timeout time.Duration
}

// Empty is the answer of methods that have none.
type Empty struct{}

// Call calls the method where the module runs. Errors: what the method itself
// returns; ErrUnavailable where it certainly was not carried out; errs.Timeout
// kinds where that is not known; ErrTooLarge; the context's own.
func (m Method[Req, Res]) Call(ctx context.Context, c *Client, r Req) (Res, error) {
	var answer Res
	body, err := json.Marshal(r, codec)
	if err != nil {
		return answer, errs.ErrInternal.Because(fmt.Errorf("encode the request of %s.%s: %w", m.Module, m.Name, err))
	}
	body, err = c.call(ctx, &call{Call: Call{Module: m.Module, Method: m.Name, Body: body}, idempotent: m.Idempotent, timeout: m.Timeout})
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(body, &answer, codec); err != nil {
		return answer, errs.ErrInternal.Because(fmt.Errorf("decode the answer of %s.%s: %w", m.Module, m.Name, err))
	}
	return answer, nil
}

// Handle has fn answer calls of the method. It is called before Serve.
func (m Method[Req, Res]) Handle(s *Server, fn func(ctx context.Context, r Req) (Res, error)) {
	s.handle(m.Module, m.Name, m.Timeout, func(ctx context.Context, body []byte) ([]byte, error) {
		var r Req
		if err := json.Unmarshal(body, &r, codec); err != nil {
			return nil, unreadable{err}
		}
		answer, err := fn(ctx, r)
		if err != nil {
			return nil, err
		}
		return json.Marshal(answer, codec)
	})
}

// NoAnswer makes a method that returns only an error one that answers Empty.
func NoAnswer[Req any](fn func(ctx context.Context, r Req) error) func(ctx context.Context, r Req) (Empty, error) {
	return func(ctx context.Context, r Req) (Empty, error) { return Empty{}, fn(ctx, r) }
}

// codec keeps nil lists and maps apart from empty ones. Members that are not
// known are passed over, so that the sides may be of different versions.
var codec = json.JoinOptions(json.FormatNilSliceAsNull(true), json.FormatNilMapAsNull(true))

// unreadable is a request that is none.
type unreadable struct{ error }
