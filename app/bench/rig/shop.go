package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"stoa/app/bench/load"
	"stoa/platform/clock"
)

const (
	readyWithin = 60 * time.Second
	readyPoll   = time.Millisecond
	// unlimited has the limiter count, as it does for customers, and never refuse:
	// all load comes from one address.
	unlimited = "1000000000/1m"
)

// Shop is a shop that runs.
type Shop struct {
	Addr    string // host:port of the public listener
	Ops     string // of the operations listener that its front has
	Started time.Duration

	rig       *Rig
	client    *http.Client
	processes []*Process // the front last
}

// Topology starts a shop on a data directory, with what set configures besides.
type Topology func(ctx context.Context, data string, set ...string) (*Shop, error)

// given is what every shop here is configured with besides its addresses.
func given(data string) []string {
	return []string{
		"data.dir=" + data, "auth.access_ttl=12h", "http.drain_delay=0s",
		"ratelimit.default=" + unlimited, "ratelimit.register=" + unlimited, "ratelimit.signin=" + unlimited,
	}
}

// Serve runs the whole shop in one process. A set that begins with "--" is a
// flag of `stoa serve`.
func (r *Rig) Serve(ctx context.Context, data string, set ...string) (*Shop, error) {
	return r.begin(ctx, [][]string{slices.Concat(given(data), set)})
}

// Split runs a gateway and a process a module, which meet over a NATS server
// within the first of them.
func (r *Rig) Split(ctx context.Context, data string, set ...string) (*Shop, error) {
	broker, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	common := slices.Concat(given(data), SplitSettings, []string{"nats.url=nats://" + broker}, set)
	var members [][]string
	for i, module := range []string{"users", "catalog", "payments", "orders", "gateway"} {
		own := append(slices.Clone(common), "modules="+module)
		if i == 0 {
			own = append(own, "nats.embedded=true")
		}
		members = append(members, own)
	}
	return r.begin(ctx, members)
}

// SplitSettings are what a split shop needs of the configuration.
var SplitSettings = []string{"bus.driver=nats", "rpc.addr=127.0.0.1:0", "http.trusted_proxies=127.0.0.1/32"}

func (r *Rig) begin(ctx context.Context, members [][]string) (_ *Shop, err error) {
	s := &Shop{rig: r, client: &http.Client{Timeout: time.Minute}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	logs, err := r.Fresh("logs")
	if err != nil {
		return nil, err
	}
	began := r.Clock.Now()
	addrs := make([]string, len(members))
	for i, set := range members {
		if addrs[i], err = freeAddress(ctx); err != nil {
			return nil, err
		}
		if s.Ops, err = freeAddress(ctx); err != nil {
			return nil, err
		}
		args := []string{"serve", "--set", "http.addr=" + addrs[i], "--set", "ops.addr=" + s.Ops}
		for _, one := range set {
			if len(one) > 2 && one[:2] == "--" {
				args = append(args, one)
			} else {
				args = append(args, "--set", one)
			}
		}
		p, err := start(r.Clock, filepath.Join(logs, fmt.Sprintf("%d.log", i)), nil, attributes(), r.Binary, args...)
		if err != nil {
			return nil, err
		}
		s.processes = append(s.processes, p)
		s.Addr = addrs[i]
		if i == 0 { // the others look for the broker within it
			if err := s.ready(ctx, p, addrs[0]); err != nil {
				return nil, err
			}
		}
	}
	for i, p := range s.processes {
		if err := s.ready(ctx, p, addrs[i]); err != nil {
			return nil, err
		}
	}
	s.Started = r.Clock.Now().Sub(began)
	return s, nil
}

// ready waits until a process says that it is.
func (s *Shop) ready(ctx context.Context, p *Process, addr string) error {
	ctx, cancel := clock.WithDeadline(ctx, s.rig.Clock, s.rig.Clock.Now().Add(readyWithin))
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
		if err != nil {
			return err
		}
		if answer, err := s.client.Do(request); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.exited:
			return p.ended()
		default:
		}
		if err := clock.Sleep(ctx, s.rig.Clock, readyPoll); err != nil {
			return fmt.Errorf("the shop is not ready: %w\n%s", err, p.printed())
		}
	}
}

// Stop ends the shop, its front first.
func (s *Shop) Stop() error {
	s.client.CloseIdleConnections()
	var failed error
	for _, p := range slices.Backward(s.processes) {
		failed = errors.Join(failed, p.Stop())
	}
	return failed
}

// Processes is how many there are.
func (s *Shop) Processes() int { return len(s.processes) }

// Memory is what all processes have in memory, in bytes: now, and at the most.
func (s *Shop) Memory() (now, most int64, err error) {
	for _, p := range s.processes {
		n, m, err := p.Memory()
		if err != nil {
			return 0, 0, err
		}
		now, most = now+n, most+m
	}
	return now, most, nil
}

// Profile takes a processor profile of the front for a while.
func (s *Shop) Profile(ctx context.Context, to io.Writer, seconds int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.Ops, seconds), nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s", answer.Status)
	}
	_, err = io.Copy(to, answer.Body)
	return err
}

// Do makes a request and reads the answer into out where that is not nil. It
// gives the answer's bytes.
func (s *Shop) Do(ctx context.Context, method, path, token string, body, out any) ([]byte, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.Addr+"/api/v1"+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, got)
	}
	if out == nil {
		return got, nil
	}
	return got, json.Unmarshal(got, out)
}

// page is a page of a list.
type page struct {
	Items []struct {
		ID   string `json:"id"`
		Slug string `json:"slug"`
	} `json:"items"`
	Next string `json:"next_cursor"`
}

// longestPage is the longest that the API gives; a list is walked in at least so
// many pages, so that there is a page nine tenths down.
const longestPage, fewestPages = 200, 20

// Listed is what walking a whole list finds.
type Listed struct {
	IDs  []string
	Deep string // a cursor nine tenths down the list; empty in a very short one
}

// Products walks the list of n products by its pages.
func (s *Shop) Products(ctx context.Context, n int) (Listed, error) {
	var found Listed
	for cursor := ""; ; {
		var p page
		path := fmt.Sprintf("/products?limit=%d", min(longestPage, max(1, n/fewestPages)))
		if cursor != "" {
			path += "&cursor=" + url.QueryEscape(cursor)
		}
		if _, err := s.Do(ctx, http.MethodGet, path, "", nil, &p); err != nil {
			return found, err
		}
		for _, item := range p.Items {
			found.IDs = append(found.IDs, item.ID)
		}
		if cursor = p.Next; cursor == "" {
			break
		}
		if found.Deep == "" && len(found.IDs) >= n*9/10 {
			found.Deep = cursor
		}
	}
	if len(found.IDs) != n {
		return found, fmt.Errorf("the shop lists %d products, not %d", len(found.IDs), n)
	}
	return found, nil
}

// Buyer is a customer who is signed in.
type Buyer struct {
	ID    string
	Token string
}

type session struct {
	AccessToken string `json:"access_token"`
	User        struct {
		ID string `json:"id"`
	} `json:"user"`
}

func (s *Shop) signIn(ctx context.Context, email string) (Buyer, error) {
	var opened session
	_, err := s.Do(ctx, http.MethodPost, "/sessions", "", map[string]string{"email": email, "password": password}, &opened)
	return Buyer{opened.User.ID, opened.AccessToken}, err
}

// Admin signs the admin in.
func (s *Shop) Admin(ctx context.Context) (Buyer, error) { return s.signIn(ctx, adminEmail) }

// Buyers registers customers and signs them in.
func (s *Shop) Buyers(ctx context.Context, n int) ([]Buyer, error) {
	buyers := make([]Buyer, n)
	failed := make([]error, n)
	turn := make(chan struct{}, 4) // passwords take a processor each
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			email := s.rig.Clock.ID() + "@example.com"
			if _, failed[i] = s.Do(ctx, http.MethodPost, "/users", "", map[string]string{"email": email, "password": password, "name": "A Buyer"}, nil); failed[i] != nil {
				return
			}
			buyers[i], failed[i] = s.signIn(ctx, email)
		})
	}
	all.Wait()
	return buyers, errors.Join(failed...)
}

// Get is the request of a path below /api/v1 by anybody.
func Get(path string) []byte { return load.Request(http.MethodGet, "/api/v1"+path, nil) }

// GetAs is that of somebody.
func (b Buyer) GetAs(path string) []byte {
	return load.Request(http.MethodGet, "/api/v1"+path, nil, "Authorization", "Bearer "+b.Token)
}

// Order is the request that orders one of each SKU and waits until it is
// confirmed.
func (b Buyer) Order(skus ...string) []byte {
	type line struct {
		SKU      string `json:"sku"`
		Quantity int    `json:"quantity"`
	}
	lines := make([]line, len(skus))
	for i, sku := range skus {
		lines[i] = line{sku, 1}
	}
	body, err := json.Marshal(map[string]any{
		"items": lines,
		"shipping_address": map[string]string{
			"name": "A Buyer", "line1": "1 High Street", "line2": "", "city": "Springfield", "region": "OR",
			"postal_code": "97477", "country": "US", "phone": "+1 555 0100",
		},
		"payment": map[string]string{"method": "card", "token": "tok_approve"},
	})
	if err != nil {
		panic(err) // texts and numbers alone
	}
	return load.Request(http.MethodPost, "/api/v1/orders", body, "Authorization", "Bearer "+b.Token, "Prefer", "wait=30")
}

// Confirmed takes the answers that say that an order is confirmed.
var Confirmed = load.Want(http.StatusCreated, `"status":"confirmed"`)

// Found takes any answer of 200.
var Found = load.Want(http.StatusOK, "")
