package replay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/replay/history"
	"stoa/platform/clock"
	"stoa/platform/money"
)

const (
	// passwordsAtOnce is how many accounts are made or signed in at a time: the
	// shop works some 50 ms on each.
	passwordsAtOnce = 4
	// pageSize is how many items of a list are asked for at once.
	pageSize = 200
)

// options are what a replay is asked for.
type options struct {
	file        string // its name, which tells stock put in for it from other
	url         string
	email       string
	password    string
	concurrency int
	seed        string
}

// replay is one run.
type replay struct {
	options
	plan      *history.Plan
	clock     clock.Clock
	shop      *client
	admin     *session
	passwords chan struct{}
	progress  progress
	began     time.Time

	buyers  []*buyer
	reasons map[*history.Variant]map[string]bool // for which the plan adjusts stock
	earlier earlier
	stock   map[*history.Variant]*stock

	mu     sync.Mutex
	result result
}

// buyer is a customer with the account that is the customer's.
type buyer struct {
	*history.Customer
	session *session
	refused error // why the account cannot be used
}

// stock is what is known of a variant's stock.
type stock struct {
	usable bool
	others int64           // pieces that came and went for other reasons than this replay
	done   map[string]bool // the reasons of adjustments that were made
}

// earlier is what runs before this one have left.
type earlier struct {
	orders map[string][]orders.Order // by the invoice they name
	ids    map[string]bool           // of those of this plan
}

// result is what has come of the plan.
type result struct {
	placed    map[*history.Order]*placed
	refusals  []refusalOf
	checkouts []time.Duration // of orders placed in this run: from asking for one until it was settled
	baskets   []time.Duration // of the same: from the empty cart on
	serving   time.Duration   // how long invoices took
	orders    int             // placed in this run
	found     int             // placed by an earlier run
	cancelled int
	refunded  int
	accounts  int
	products  int
	moved     map[*history.Variant]int64 // pieces: out below zero
	in, out   int64                      // pieces put in and written off in this run
}

// placed is an order of the plan that stands in the shop.
type placed struct {
	id   string
	back money.Money // what was given back of it
}

// refusalOf is something of the plan that the shop refused.
type refusalOf struct {
	what string
	why  error
}

func newReplay(o options, p *history.Plan, c clock.Clock, bar progress) *replay {
	r := &replay{
		options: o, plan: p, clock: c, shop: newClient(o.url, o.concurrency, c), progress: bar, began: c.Now(),
		passwords: make(chan struct{}, passwordsAtOnce),
		earlier:   earlier{orders: map[string][]orders.Order{}, ids: map[string]bool{}},
		stock:     map[*history.Variant]*stock{},
		reasons:   reasons(p),
		result:    result{placed: map[*history.Order]*placed{}, moved: map[*history.Variant]int64{}},
	}
	r.admin = r.session(o.email, o.password)
	for _, customer := range p.Customers {
		address := email(customer)
		r.buyers = append(r.buyers, &buyer{Customer: customer, session: r.session(address, password(o.seed, address))})
	}
	return r
}

// reasons gives the reasons for which a plan adjusts stock once it is put in.
func reasons(p *history.Plan) map[*history.Variant]map[string]bool {
	of := map[*history.Variant]map[string]bool{}
	add := func(v *history.Variant, reason string) {
		if of[v] == nil {
			of[v] = map[string]bool{}
		}
		of[v][reason] = true
	}
	for _, c := range p.Customers {
		for _, s := range c.Steps {
			if s.Return == nil || s.Return.Whole {
				continue
			}
			for _, item := range s.Return.Items {
				add(item.Variant, returnReason(s.Return))
			}
		}
	}
	for _, w := range p.WriteOffs {
		add(w.Variant, writeOffReason(w))
	}
	return of
}

func (r *replay) session(email, password string) *session {
	return &session{client: r.shop, passwords: r.passwords, email: email, password: password}
}

// run carries the plan out. It stops at the first thing that is not a refusal
// of something of the plan: when the shop is away, or ctx has ended.
func (r *replay) run(ctx context.Context) error {
	defer r.shop.http.CloseIdleConnections()
	defer r.progress.end()
	for _, step := range []func(ctx context.Context) error{r.lookBack, r.fillShelves, r.openAccounts, r.serve, r.writeOff} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// each calls fn for 0 to n−1, several at once, and stops at the first error.
func (r *replay) each(ctx context.Context, n int, fn func(ctx context.Context, i int) error) error {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(r.concurrency)
	for i := range n {
		if inner.Err() != nil {
			break
		}
		g.Go(func() error { return fn(inner, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// refuse notes that the shop refused something, and gives any other error.
func (r *replay) refuse(what string, err error) error {
	if refusal(err) == nil && !errors.Is(err, errSkipped) {
		return err
	}
	r.note(func(res *result) { res.refusals = append(res.refusals, refusalOf{what, err}) })
	return nil
}

// note changes what has come of the plan.
func (r *replay) note(fn func(*result)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn(&r.result)
}

// errSkipped says that something was not even tried, because of what it stands on.
var errSkipped = errors.New("not tried")

// page is a list's answer.
type page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// list reads all pages of a list.
func list[T any](ctx context.Context, c *client, as *session, path string, fn func(T)) error {
	query := url.Values{"limit": {fmt.Sprint(pageSize)}}
	for {
		var p page[T]
		if _, err := c.do(ctx, call{method: http.MethodGet, path: path + "?" + query.Encode(), as: as}, &p); err != nil {
			return err
		}
		for _, item := range p.Items {
			fn(item)
		}
		if p.NextCursor == "" {
			return nil
		}
		query.Set("cursor", p.NextCursor)
	}
}

// lookBack finds what earlier runs have placed.
func (r *replay) lookBack(ctx context.Context) error {
	r.progress.begin("orders of earlier runs", 0)
	if err := r.shop.knock(ctx); err != nil {
		return err
	}
	if _, err := r.admin.token(ctx); err != nil {
		return fmt.Errorf("sign in as %s: %w", r.email, err)
	}
	planned := map[string]bool{}
	for _, c := range r.plan.Customers {
		for _, s := range c.Steps {
			if s.Order != nil {
				planned[s.Order.Mark()] = true
			}
		}
	}
	err := list(ctx, r.shop, r.admin, "/orders", func(o orders.Order) {
		if o.ShippingAddress == nil {
			return
		}
		if mark, ours := markOf(o.ShippingAddress.Line2); ours && planned[mark] {
			r.earlier.orders[mark] = append(r.earlier.orders[mark], o)
			r.earlier.ids[o.ID] = true
		}
	})
	if err != nil {
		return fmt.Errorf("list orders: %w", err)
	}
	return nil
}
