package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/valyala/fasthttp"

	"stoa/platform/errs"
	"stoa/platform/idempotency"
)

// Idempotency remembers what requests with a key were answered:
// *idempotency.Store.
type Idempotency interface {
	Do(ctx context.Context, r idempotency.Request, run func(ctx context.Context) (idempotency.Response, error)) (resp idempotency.Response, replayed bool, err error)
}

const (
	headerReplayed    = "Idempotent-Replayed"
	maxIdempotencyKey = 255
)

// kept are the fields of a header that belong to a stored answer.
var kept = []string{fasthttp.HeaderContentType, fasthttp.HeaderLocation, fasthttp.HeaderETag, fasthttp.HeaderRetryAfter}

var errIdempotencyKey = errs.ErrInvalid.Field("header."+headerIdempotencyKey, "must be one key of 1 to %d printable ASCII characters", maxIdempotencyKey)

// idempotencyKey gives the request's key, empty where it has none.
func (r *request) idempotencyKey() (string, error) {
	key, times := r.sent.idempotencyKey.value, r.sent.idempotencyKey.times
	if times == 0 {
		return "", nil
	}
	if times > 1 || len(key) == 0 || len(key) > maxIdempotencyKey {
		return "", errIdempotencyKey
	}
	for _, c := range key {
		if c < ' ' || c > '~' {
			return "", errIdempotencyKey
		}
	}
	return string(key), nil
}

// errNotRun tells the store to forget a key whose request did not reach the
// handler, because it was not valid: it may be put right and sent again.
var errNotRun = errors.New("the request was not valid")

// once answers a request with a key: by running it, or as it was answered before.
func (r *request) once(key string) {
	path := string(r.http.URI().PathOriginal())
	if query := r.http.URI().QueryString(); len(query) > 0 {
		path += "?" + string(query)
	}
	caller := r.identity.UserID
	if caller == "" {
		caller = "address " + r.client.String()
	}
	ctx := r.ctx
	resp, replayed, err := r.router().idem.Do(ctx, idempotency.Request{
		Caller: caller, Method: string(r.http.Method()), Path: path, Key: key, Body: r.body.sent,
	}, func(ctx context.Context) (idempotency.Response, error) {
		r.ctx = ctx
		r.answer()
		switch {
		case !r.ran:
			return idempotency.Response{}, errNotRun
		case r.http.Response.StatusCode() >= http.StatusInternalServerError && r.err != nil:
			return idempotency.Response{}, r.err
		}
		return r.capture(), nil
	})
	r.ctx = ctx
	switch {
	case err != nil && r.answered && (errors.Is(err, errNotRun) || errors.Is(err, r.err)):
		// It has been answered with that already.
	case err != nil:
		r.fail(err)
	case replayed:
		r.replay(resp)
	}
}

// capture copies the answer.
func (r *request) capture() idempotency.Response {
	resp := &r.http.Response
	header := map[string]string{}
	for _, name := range kept {
		if value := resp.Header.Peek(name); len(value) > 0 {
			header[name] = string(value)
		}
	}
	return idempotency.Response{Status: resp.StatusCode(), Header: header, Body: append([]byte(nil), resp.Body()...)}
}

// replay answers with what was stored.
func (r *request) replay(stored idempotency.Response) {
	resp := &r.http.Response
	resp.SetStatusCode(stored.Status)
	for name, value := range stored.Header {
		resp.Header.Set(name, value)
	}
	resp.SetBodyRaw(stored.Body)
	resp.Header.Set(headerReplayed, "true")
}
