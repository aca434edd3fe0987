package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"stoa/platform/clock"
)

const (
	// requestTimeout is longer than the longest wait that an order may prefer.
	requestTimeout = 60 * time.Second
	// grace is how long requests under way may go on once the run is stopped.
	grace = 5 * time.Second
	// The pauses when the shop does not answer, doubling, and how many there are.
	firstPause, longestPause, mostPauses = 100 * time.Millisecond, 5 * time.Second, 15
	// mostRenewals is how often a token is renewed for one request.
	mostRenewals = 5
	// mostBody is the largest answer that is read, in bytes.
	mostBody = 64 << 20

	codeInProgress = "idempotency.in_progress"
	codeKeyReused  = "idempotency.key_reused"
)

// client speaks to the shop. A request that comes to nothing for now is made
// again, as it was and under the same key: where the shop says so, after the
// time it says; where it fails or does not answer, after growing pauses.
type client struct {
	base  string // without a slash at its end
	http  *http.Client
	clock clock.Clock

	requests  atomic.Int64
	throttled atomic.Int64 // answers of 429
	repeated  atomic.Int64 // requests that were made again because the shop failed
}

func newClient(base string, concurrency int, c clock.Clock) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 2*concurrency, 2*concurrency
	return &client{base: base, clock: c, http: &http.Client{Transport: transport, Timeout: requestTimeout}}
}

// call is a request.
type call struct {
	method string
	path   string // below /api/v1
	body   any    // nil: none
	key    string // Idempotency-Key
	prefer string
	as     *session // nil: nobody
}

// answer is what is to be known of an answer of success besides its body.
type answer struct {
	status   int
	replayed bool // it is that of an earlier request with the same key
}

// problem is an answer that refuses (RFC 9457).
type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

func (p *problem) Error() string {
	text := fmt.Sprintf("%d %s", p.Status, p.Code)
	if p.Detail != "" {
		text += ": " + p.Detail
	} else if p.Title != "" {
		text += ": " + p.Title
	}
	for _, e := range p.Errors {
		text += "; " + e.Location + " " + e.Message
	}
	return text
}

// refusal gives the answer with which the shop refused; nil where err is
// something else.
func refusal(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}

// refused tells whether the shop refused with one of these codes.
func refused(err error, codes ...string) bool {
	p := refusal(err)
	for _, code := range codes {
		if p != nil && p.Code == code {
			return true
		}
	}
	return false
}

// errAway says that the shop does not answer, or only with failures.
var errAway = errors.New("the shop does not answer")

// do makes a request until it has an answer and reads that into out, if it is
// not nil. Errors: a *problem; errAway; that of ctx.
func (c *client) do(ctx context.Context, r call, out any) (answer, error) {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return answer{}, err
		}
	}
	renewals := 0
	pause := firstPause
	for pauses := 0; ; {
		if err := ctx.Err(); err != nil {
			return answer{}, err
		}
		token, err := r.as.token(ctx)
		if err != nil {
			return answer{}, err
		}
		response, text, err := c.send(ctx, r, body, token)
		var wait time.Duration
		switch status := statusOf(response, err); {
		case status >= 200 && status < 300:
			if out != nil {
				if err := json.Unmarshal(text, out); err != nil {
					return answer{}, fmt.Errorf("%s %s: %w", r.method, r.path, err)
				}
			}
			return answer{status, response.Header.Get("Idempotent-Replayed") == "true"}, nil
		case status == http.StatusUnauthorized && r.as != nil && renewals < mostRenewals:
			renewals++
			r.as.forget(token)
			continue
		case status == http.StatusTooManyRequests:
			c.throttled.Add(1)
			wait = retryAfter(response, time.Second)
		case status == 0 || status >= 500:
			if pauses++; pauses > mostPauses {
				return answer{}, fmt.Errorf("%s %s: %w: %w", r.method, r.path, errAway, cause(response, err))
			}
			c.repeated.Add(1)
			wait = max(pause, retryAfter(response, 0))
			pause = min(2*pause, longestPause)
		default:
			p := problemOf(status, text)
			if p.Code != codeInProgress {
				return answer{}, p
			}
			wait = retryAfter(response, time.Second)
		}
		if err := clock.Sleep(ctx, c.clock, wait); err != nil {
			return answer{}, err
		}
	}
}

// knock tells whether there is a shop at all: whoever has mistyped its address
// is not to wait until do gives up.
func (c *client) knock(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/livez", nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("%w: %w", errAway, err)
	}
	return response.Body.Close()
}

// send makes a request once. It is not cut short at once when the run is
// stopped, so that its answer can still be taken.
func (c *client) send(ctx context.Context, r call, body []byte, token string) (*http.Response, []byte, error) {
	ctx, cancel := linger(ctx, c.clock, grace)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.method, c.base+"/api/v1"+r.path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if r.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range map[string]string{"Idempotency-Key": r.key, "Prefer": r.prefer} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	c.requests.Add(1)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, mostBody))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, nil, err
	}
	return response, text, nil
}

// linger gives a context that ends a while after ctx does.
func linger(ctx context.Context, c clock.Clock, d time.Duration) (context.Context, context.CancelFunc) {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_ = clock.Sleep(inner, c, d) // it ends early where there is nothing left to wait for
		cancel()
	})
	return inner, func() {
		stop()
		cancel()
	}
}

// statusOf gives the status of an answer, 0 where there is none.
func statusOf(response *http.Response, err error) int {
	if err != nil {
		return 0
	}
	return response.StatusCode
}

func cause(response *http.Response, err error) error {
	if err != nil {
		return err
	}
	return errors.New(response.Status)
}

// retryAfter gives how long the shop asks to wait.
func retryAfter(response *http.Response, otherwise time.Duration) time.Duration {
	if response == nil {
		return otherwise
	}
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return otherwise
	}
	return max(time.Duration(seconds)*time.Second, otherwise)
}

func problemOf(status int, text []byte) *problem {
	p := &problem{}
	if json.Unmarshal(text, p) != nil || p.Code == "" {
		p.Code = "unknown" // somebody else than the shop has answered
	}
	p.Status = status
	return p
}
