package web

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"stoa/platform/ratelimit"
)

const (
	headerRateLimit       = "RateLimit"
	headerRateLimitPolicy = "RateLimit-Policy"
)

// Limiter decides whether a request may go on, by the name of a limit (see
// ratelimit) and a key, which here is the client's address.
type Limiter func(ctx context.Context, name, key string) Decision

// Decision is what a Limiter says of one request.
type Decision = ratelimit.Decision

// limitRate holds the request against the operation's limit, by the client's
// address. Whoever is refused is told about the limit, as is everyone where an
// operation has one of its own (draft-ietf-httpapi-ratelimit-headers-10).
func (r *request) limitRate() error {
	if r.server.deps.Limit == nil {
		return nil
	}
	name := r.op.Limit
	if name == "" {
		name = ratelimit.Default
	}
	d := r.server.deps.Limit(r.ctx, name, r.client.String())
	if d.Limit > 0 && (!d.Allowed || r.op.Limit != "") {
		text := strconv.AppendQuote(make([]byte, 0, 64), name)
		text = strconv.AppendInt(append(text, ";r="...), int64(max(d.Remaining, 0)), 10)
		text = append(append(text, ";t="...), seconds(d.Reset)...)
		r.http.Response.Header.SetCanonical(nameRateLimit, text)
		r.http.Response.Header.SetCanonical(nameRateLimitPolicy, []byte(d.Policy))
	}
	if d.Allowed {
		return nil
	}
	return ErrRateLimited.After(max(cmp.Or(d.RetryAfter, d.Reset), time.Second))
}
