package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/fasthttp"

	"stoa/platform/errs"
)

// Problem is how every failure is answered (RFC 9457). Type is "about:blank",
// so Title is that of the status; Code tells problems apart.
type Problem struct {
	_         struct{}     `additionalProperties:"true"`
	Type      string       `json:"type" format:"uri-reference" example:"about:blank" doc:"What Code stands for says more."`
	Title     string       `json:"title" example:"Unprocessable Entity" doc:"What the status is called."`
	Status    int          `json:"status" example:"422" doc:"The HTTP status."`
	Detail    string       `json:"detail" example:"some values of the request will not do" doc:"What went wrong this time, for people."`
	Instance  string       `json:"instance" format:"uri-reference" example:"/api/v1/orders" doc:"The address that was asked."`
	Code      string       `json:"code" example:"invalid" doc:"What went wrong, for programs; never changes."`
	RequestID string       `json:"request_id" example:"889a7a00b5a182b5-2s" doc:"Names this request in the log."`
	Errors    []errs.Field `json:"errors,omitempty" doc:"The fields that will not do."`

	// Details are further members, such as the total that is right now.
	Details map[string]any `json:"-"`
}

// members is what Problem has of its own; Details never stand for one of them.
var members = []string{"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}

// MarshalJSONTo writes the details after the members, sorted.
func (p *Problem) MarshalJSONTo(e *jsontext.Encoder) error {
	tokens := []jsontext.Token{
		jsontext.BeginObject,
		jsontext.String("type"), jsontext.String(p.Type),
		jsontext.String("title"), jsontext.String(p.Title),
		jsontext.String("status"), jsontext.Int(int64(p.Status)),
		jsontext.String("detail"), jsontext.String(p.Detail),
		jsontext.String("instance"), jsontext.String(p.Instance),
		jsontext.String("code"), jsontext.String(p.Code),
		jsontext.String("request_id"), jsontext.String(p.RequestID),
	}
	for _, t := range tokens {
		if err := e.WriteToken(t); err != nil {
			return err
		}
	}
	write := func(name string, value any) error {
		if err := e.WriteToken(jsontext.String(name)); err != nil {
			return err
		}
		return json.MarshalEncode(e, value, encoding)
	}
	if len(p.Errors) > 0 {
		if err := write("errors", p.Errors); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Details)) {
		if slices.Contains(members, name) {
			continue
		}
		if err := write(name, p.Details[name]); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}

// GetStatus and Error make a Problem what Huma takes for an error.
func (p *Problem) GetStatus() int { return p.Status }

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// public gives what may be told of an error outside.
func public(err error) *errs.Error {
	e, ok := errs.As(err)
	switch {
	case ok && status(e) != http.StatusInternalServerError:
		return e
	case !ok && errors.Is(err, context.DeadlineExceeded):
		return errs.ErrTimeout
	default:
		return errs.ErrInternal
	}
}

// fail answers with a problem. What comes after it on the same request is not
// written any more.
func (r *request) fail(err error) {
	e := public(err)
	status := status(e)
	r.answered, r.err = true, err
	resp := &r.http.Response
	resp.ResetBody()
	// What an answer that did not come about had in its header is of no use.
	for _, name := range []string{fasthttp.HeaderETag, fasthttp.HeaderLocation, fasthttp.HeaderContentDisposition, fasthttp.HeaderCacheControl} {
		resp.Header.Del(name)
	}
	r.version, r.caching = "", false

	fields := e.Fields
	if len(fields) > maxFields {
		fields = fields[:maxFields]
	}
	p := &Problem{
		Type:      "about:blank",
		Title:     http.StatusText(status),
		Status:    status,
		Detail:    e.Message,
		Instance:  instance(r.http),
		Code:      e.Code,
		RequestID: r.id,
		Errors:    fields,
		Details:   e.Details,
	}
	var body bytes.Buffer
	if encodeErr := encode(&body, p); encodeErr != nil {
		// Only a detail can be at fault.
		r.err = errors.Join(err, encodeErr)
		p.Details = nil
		body.Reset()
		_ = encode(&body, p)
	}
	resp.SetStatusCode(status)
	resp.Header.SetContentType(problemJSONType)
	resp.SetBodyRaw(body.Bytes())
	if e.RetryAfter > 0 {
		resp.Header.Set(fasthttp.HeaderRetryAfter, seconds(e.RetryAfter))
		if e.Kind == errs.TooMany && len(resp.Header.Peek(headerRateLimit)) == 0 {
			// A limit that a module keeps itself: one try after each wait.
			_, name, _ := strings.Cut(e.Code, ".")
			resp.Header.Set(headerRateLimit, fmt.Sprintf("%q;r=0;t=%s", name, seconds(e.RetryAfter)))
			resp.Header.Set(headerRateLimitPolicy, fmt.Sprintf("%q;q=1;w=%s", name, seconds(e.RetryAfter)))
		}
	}
	if status == http.StatusUnauthorized && len(resp.Header.Peek(fasthttp.HeaderWWWAuthenticate)) == 0 {
		resp.Header.Set(fasthttp.HeaderWWWAuthenticate, challenge)
	}
}

// challenge asks for a bearer token (RFC 6750 §3).
const challenge = `Bearer realm="stoa"`

// seconds writes a delay as Retry-After has it, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64(math.Ceil(d.Seconds())), 10)
}

// maxInstance is how much of an address a problem repeats.
const maxInstance = 512

// instance gives the address that was asked, as far as it is one.
func instance(c *fasthttp.RequestCtx) string {
	path := c.URI().PathOriginal()
	for i, b := range path {
		if b <= ' ' || b >= 0x7f || b == '"' || b == '<' || b == '>' || i == maxInstance {
			return string(path[:i])
		}
	}
	return string(path)
}

// setUpHuma sets how Huma makes errors and how strict it is, which it keeps in
// variables. This package is the only one that runs Huma.
var setUpHuma = sync.OnceFunc(func() {
	huma.NewErrorWithContext = func(c huma.Context, status int, message string, list ...error) huma.StatusError {
		if x, ok := c.(*exchange); ok {
			x.request().failHuma(status, message, list)
		}
		return &Problem{Status: status}
	}
	huma.NewError = func(status int, message string, list ...error) huma.StatusError {
		return &Problem{Status: status, Detail: message}
	}
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false // nil is written []
})

// errInvalidBody is what a body is refused with that can be read.
var errInvalidBody = errs.ErrInvalid

// failHuma answers with what Huma itself has found wrong.
func (r *request) failHuma(status int, message string, list []error) {
	switch status {
	case http.StatusUnprocessableEntity:
		r.fail(invalid(list))
	case http.StatusBadRequest:
		r.fail(ErrBadRequest.With("%s", message))
	default:
		r.fail(errors.Join(append([]error{errors.New(message)}, list...)...))
	}
}

// invalid gathers what Huma has found wrong with the values of a request.
func invalid(list []error) *errs.Error {
	e := errs.ErrInvalid
	for i, err := range list {
		if i == maxFields {
			break
		}
		d, ok := err.(huma.ErrorDetailer)
		if !ok {
			e = e.Field("body", "%s", err)
			continue
		}
		// The detail's own text would quote the whole value.
		detail := d.ErrorDetail()
		location, message := putBack(detail.Location), detail.Message
		if at, what, ok := splitLocation(message); ok && location == "body" {
			location, message = at, what
		}
		e = e.Field(location, "%s", message)
	}
	return e
}
