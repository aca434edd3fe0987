package measure

import (
	"context"
	"fmt"
	"net/url"

	"stoa/app/bench/load"
	"stoa/app/bench/report"
	"stoa/app/bench/rig"
)

// drawn is how many requests are drawn beforehand, for loads that vary.
const drawn = 1 << 15

// products reads a product, a list and a search, each beside a bare handler that
// returns the same bytes.
func products(ctx context.Context, b *Bench, g *report.Group) (err error) {
	data, err := b.FromTemplate(ctx, b.Sizes.Products)
	if err != nil {
		return err
	}
	shop, err := b.Serve(ctx, data)
	if err != nil {
		return err
	}
	defer stop(&err, shop)
	listed, err := shop.Products(ctx, b.Sizes.Products)
	if err != nil {
		return err
	}
	one := "/products/" + listed.IDs[0]
	search := "/products?q=" + url.QueryEscape(rig.Words()[0])
	bodies := map[string][]byte{}
	for name, path := range map[string]string{"product": one, "list": "/products", "search": search} {
		if bodies[name], err = shop.Do(ctx, "GET", path, "", nil, nil); err != nil {
			return err
		}
	}
	limit, err := b.Limit(bodies)
	if err != nil {
		return err
	}
	defer stop(&err, limit)

	for _, c := range []struct {
		name, what, limit string
		next              func(int, int) []byte
		goal              *report.Goal
	}{
		{"by_id", "product by id, as customers ask (Zipf) ÷ bare handler", "product", through(gets("/products/", listed.IDs, rig.Popular(drawn, len(listed.IDs)))), report.AtLeast(0.6)},
		{"one", "the same product again and again ÷ bare handler", "product", repeat(rig.Get(one)), nil},
		{"any", "any product as likely as another ÷ bare handler", "product", through(gets("/products/", listed.IDs, rig.Any(drawn, len(listed.IDs)))), nil},
		{"list", "list of 20 ÷ bare handler", "list", repeat(rig.Get("/products")), report.AtLeast(0.12)},
		{"search", fmt.Sprintf("full-text search in %d products, %d words ÷ bare handler", len(listed.IDs), len(rig.Words())), "search", through(searches()), report.AtLeast(0.06)},
	} {
		ours := b.asks(shop.Addr, b.Sizes.Connections, c.next, rig.Found)
		theirs := b.asks(limit.Addr, b.Sizes.Connections, repeat(load.Request("GET", "/"+c.limit, nil)), rig.Found)
		series, err := b.alternate(ctx, side{"stoa: " + c.name, "1/s", ours.rate}, side{"bare handler: " + c.limit, "1/s", theirs.rate})
		if err != nil {
			return err
		}
		row := report.Ratio("products."+c.name, c.what, c.goal, series[0], series[1])
		row.Series = append(row.Series, ours.quantiles("stoa p50", 0.5), ours.quantiles("stoa p99", 0.99))
		row.Note = fmt.Sprintf("%d connections; %d bytes", b.Sizes.Connections, len(bodies[c.limit]))
		g.Rows = append(g.Rows, row)
		if err := b.profile(ctx, "products_"+c.name, shop, ours.load); err != nil {
			return err
		}
	}
	return nil
}

// gets makes requests for what has these ids, in a drawn order.
func gets(path string, ids []string, order []int) [][]byte {
	requests := make([][]byte, len(order))
	made := map[int][]byte{}
	for i, n := range order {
		if made[n] == nil {
			made[n] = rig.Get(path + ids[n])
		}
		requests[i] = made[n]
	}
	return requests
}

// searches makes a search for each word.
func searches() [][]byte {
	var requests [][]byte
	for _, word := range rig.Words() {
		requests = append(requests, rig.Get("/products?q="+url.QueryEscape(word)))
	}
	return requests
}

// stop ends a process and tells where it did not end well.
func stop(err *error, p interface{ Stop() error }) {
	if failed := p.Stop(); failed != nil && *err == nil {
		*err = failed
	}
}
