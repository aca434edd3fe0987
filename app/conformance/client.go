package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// base is the path below which the API lies.
const base = "/api/v1"

// Caller speaks to a shop as one person, or as nobody. It is safe for
// concurrent use.
type Caller struct {
	User     User
	Email    string
	Password string

	url     string
	token   string
	refresh string
	client  *http.Client
}

// With changes a request before it is sent.
type With func(*http.Request)

func header(name, value string) With {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func contentType(value string) With { return header("Content-Type", value) }

// key makes a request repeatable.
func key(value string) With { return header("Idempotency-Key", value) }

// wait asks for an answer when it has been decided, or after so many seconds.
func wait(seconds int) With { return header("Prefer", fmt.Sprintf("wait=%d", seconds)) }

// Answer is what came back.
type Answer struct {
	Method, Path string
	Status       int
	Header       http.Header
	Body         []byte
	Err          error // it did not come, or not whole
}

// Try sends a request and gives what came back, also where nothing did. A path
// that begins with base, or lies outside of it, is used as it is. A body of
// bytes or text is sent as it is, any other as JSON.
func (c *Caller) Try(ctx context.Context, method, path string, body any, with ...With) *Answer {
	a := &Answer{Method: method, Path: path}
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		reader = bytes.NewReader(b)
	case string:
		reader = strings.NewReader(b)
	case io.Reader:
		reader = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			a.Err = err
			return a
		}
		reader = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, reader)
	if err != nil {
		a.Err = err
		return a
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for _, w := range with {
		w(r)
	}
	response, err := c.client.Do(r)
	if err != nil {
		a.Err = err
		return a
	}
	defer response.Body.Close()
	a.Status, a.Header = response.StatusCode, response.Header
	a.Body, a.Err = io.ReadAll(response.Body)
	return a
}

// Do sends a request below base; an answer has to come.
func (c *Caller) Do(t testing.TB, method, path string, body any, with ...With) *Answer {
	t.Helper()
	a := c.Try(t.Context(), method, base+path, body, with...)
	require.NoError(t, a.Err, "%s %s", method, path)
	return a
}

// Get reads below base.
func (c *Caller) Get(t testing.TB, path string, with ...With) *Answer {
	t.Helper()
	return c.Do(t, http.MethodGet, path, nil, with...)
}

// Post sends JSON below base.
func (c *Caller) Post(t testing.TB, path string, body any, with ...With) *Answer {
	t.Helper()
	return c.Do(t, http.MethodPost, path, body, with...)
}

// Put sends JSON below base.
func (c *Caller) Put(t testing.TB, path string, body any, with ...With) *Answer {
	t.Helper()
	return c.Do(t, http.MethodPut, path, body, with...)
}

// Patch sends a JSON Merge Patch below base.
func (c *Caller) Patch(t testing.TB, path string, body any, with ...With) *Answer {
	t.Helper()
	return c.Do(t, http.MethodPatch, path, body, append([]With{contentType("application/merge-patch+json")}, with...)...)
}

// Delete deletes below base.
func (c *Caller) Delete(t testing.TB, path string, with ...With) *Answer {
	t.Helper()
	return c.Do(t, http.MethodDelete, path, nil, with...)
}

// Fetch reads what lies outside base.
func (c *Caller) Fetch(t testing.TB, path string, with ...With) *Answer {
	t.Helper()
	a := c.Try(t.Context(), http.MethodGet, path, nil, with...)
	require.NoError(t, a.Err, "GET %s", path)
	return a
}

// as gives the same caller with another token.
func (c *Caller) as(token string) *Caller {
	other := *c
	other.token = token
	return &other
}

// String says what was asked and what came back, for failures.
func (a *Answer) String() string {
	if a.Err != nil {
		return fmt.Sprintf("%s %s: %v", a.Method, a.Path, a.Err)
	}
	body := string(a.Body)
	if len(body) > 1500 {
		body = body[:1500] + "…"
	}
	return fmt.Sprintf("%s %s answered %d: %s", a.Method, a.Path, a.Status, body)
}

// Want holds an answer to a status, and to the shape that every answer has.
func (a *Answer) Want(t testing.TB, status int) *Answer {
	t.Helper()
	require.NoError(t, a.Err, "%s %s", a.Method, a.Path)
	require.Equal(t, status, a.Status, "%s", a)
	require.NotEmpty(t, a.Header.Get("X-Request-Id"), "X-Request-Id of %s", a)
	if status >= 400 {
		a.problem(t)
	} else if isJSON(a.Header) && len(a.Body) > 0 && a.Method != http.MethodHead {
		wellFormed(t, a)
	}
	return a
}

// Refused holds an answer to be a problem with one of these statuses.
func (a *Answer) Refused(t testing.TB, statuses ...int) Problem {
	t.Helper()
	require.NoError(t, a.Err, "%s %s", a.Method, a.Path)
	require.Contains(t, statuses, a.Status, "%s", a)
	return a.problem(t)
}

// Problem holds an answer to be a problem with this status and code.
func (a *Answer) Problem(t testing.TB, status int, code string) Problem {
	t.Helper()
	p := a.Refused(t, status)
	require.Equal(t, code, p.Code, "%s", a)
	return p
}

func isJSON(h http.Header) bool { return strings.HasPrefix(h.Get("Content-Type"), "application/json") }

// decode gives the body of an answer as a T.
func decode[T any](t testing.TB, a *Answer) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(a.Body, &v), "%s", a)
	return v
}

// get reads a T.
func get[T any](t testing.TB, c *Caller, path string) T {
	t.Helper()
	return decode[T](t, c.Get(t, path).Want(t, http.StatusOK))
}

// all reads every page of a list.
func all[T any](t testing.TB, c *Caller, path string, query url.Values) []T {
	t.Helper()
	q := url.Values{"limit": {"200"}}
	for name, values := range query {
		q[name] = values
	}
	var items []T
	for range 1000 {
		page := get[List[T]](t, c, path+"?"+q.Encode())
		items = append(items, page.Items...)
		if page.NextCursor == "" {
			return items
		}
		q.Set("cursor", page.NextCursor)
	}
	require.FailNow(t, "the list does not end", "%s", path)
	return nil
}

// newClient makes a client that follows no redirects and undoes no encoding,
// so that what the shop answers is what is seen.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       90 * time.Second,
	}
}
