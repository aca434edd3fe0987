package web

import (
	"context"
	"strconv"
	"time"
)

// DefaultLimit is the rate limit of operations that name none.
const DefaultLimit = "default"

// Limiter decides whether a request may go on, by the name of a limit and a
// key, which here is the client's address. It must be quick and not fail.
type Limiter func(ctx context.Context, name, key string) Decision

// Decision is what a Limiter says of one request.
type Decision struct {
	// Allowed tells whether the request may go on.
	Allowed bool
	// Limit is how many requests are allowed in a window; zero says that there
	// is no limit, and nothing is told to the caller.
	Limit int
	// Remaining is how many more are allowed now.
	Remaining int
	// Reset is when there will be more again.
	Reset time.Duration
	// Policy describes the limit as RateLimit-Policy does: "default";q=100;w=60.
	Policy string
}

const (
	headerRateLimit       = "RateLimit"
	headerRateLimitPolicy = "RateLimit-Policy"
)

// limitRate holds the request against the operation's limit, and tells the
// caller what is left of it (draft-ietf-httpapi-ratelimit-headers-10).
func (r *request) limitRate() error {
	if r.server.deps.Limit == nil {
		return nil
	}
	name := r.op.Limit
	if name == "" {
		name = DefaultLimit
	}
	d := r.server.deps.Limit(r.ctx, name, r.client.String())
	if d.Limit > 0 {
		h := &r.http.Response.Header
		text := make([]byte, 0, 64)
		text = strconv.AppendQuote(text, name)
		text = strconv.AppendInt(append(text, ";r="...), int64(max(d.Remaining, 0)), 10)
		text = append(append(text, ";t="...), seconds(d.Reset)...)
		h.SetBytesV(headerRateLimit, text)
		if d.Policy != "" {
			h.Set(headerRateLimitPolicy, d.Policy)
		}
	}
	if d.Allowed {
		return nil
	}
	return ErrRateLimited.After(max(d.Reset, time.Second))
}
