package measure

import (
	"context"
	"fmt"

	"stoa/app/bench/load"
	"stoa/app/bench/report"
	"stoa/app/bench/rig"
)

// pair is two shops with the same catalogue, of which one is looked at beside
// the other, in how many times the other does what it does.
type pair struct {
	plain, other           *rig.Shop
	plainName, otherName   string
	plainBuyers, newBuyers []rig.Buyer
	ids                    []string
}

// pairOf starts both; close ends them.
func (b *Bench) pairOf(ctx context.Context, plainName string, plain rig.Topology, otherName string, other rig.Topology) (_ *pair, err error) {
	p := &pair{plainName: plainName, otherName: otherName}
	defer func() {
		if err != nil {
			p.close(&err)
		}
	}()
	for _, one := range []struct {
		start  rig.Topology
		shop   **rig.Shop
		buyers *[]rig.Buyer
	}{{plain, &p.plain, &p.plainBuyers}, {other, &p.other, &p.newBuyers}} {
		data, err := b.FromTemplate(ctx, b.Sizes.Products)
		if err != nil {
			return nil, err
		}
		if *one.shop, err = one.start(ctx, data); err != nil {
			return nil, err
		}
		if *one.buyers, err = (*one.shop).Buyers(ctx, b.Sizes.Buyers); err != nil {
			return nil, err
		}
	}
	// Both are copies of one template, so that ids are the same.
	listed, err := p.plain.Products(ctx, b.Sizes.Products)
	p.ids = listed.IDs
	return p, err
}

func (p *pair) close(err *error) {
	for _, s := range []*rig.Shop{p.other, p.plain} {
		if s != nil {
			stop(err, s)
		}
	}
}

// compare measures reading products and placing orders on both: rows of how
// many times dearer the other is, and of what it takes on each.
func (b *Bench) compare(ctx context.Context, name string, p *pair, goal *report.Goal) ([]report.Row, error) {
	var rows []report.Row
	reads := through(gets("/products/", p.ids, rig.Popular(drawn, len(p.ids))))
	for _, c := range []struct {
		name, what   string
		plain, other *asked
	}{
		{
			"reads", "product by id",
			b.asks(p.plain.Addr, b.Sizes.Connections, reads, rig.Found), b.asks(p.other.Addr, b.Sizes.Connections, reads, rig.Found),
		},
		{
			"orders", "order placed → confirmed",
			b.asks(p.plain.Addr, b.Sizes.Buyers, own(ordersOf(p.plainBuyers, false)), rig.Confirmed),
			b.asks(p.other.Addr, b.Sizes.Buyers, own(ordersOf(p.newBuyers, false)), rig.Confirmed),
		},
	} {
		series, err := b.alternate(ctx,
			side{c.what + ", " + p.otherName, "1/s", c.other.rate}, side{c.what + ", " + p.plainName, "1/s", c.plain.rate})
		if err != nil {
			return rows, err
		}
		row := report.Ratio(name+"."+c.name, fmt.Sprintf("%s: cost %s ÷ %s", c.what, p.otherName, p.plainName), goal, series[1], series[0])
		for _, a := range []struct {
			of   string
			seen *asked
		}{{p.otherName, c.other}, {p.plainName, c.plain}} {
			row.Series = append(row.Series, a.seen.quantiles(a.of+" p50", 0.5), a.seen.quantiles(a.of+" p99", 0.99))
		}
		rows = append(rows, row)
		if err := b.profile(ctx, name+"_"+c.name, p.other, c.other.load); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// telemetry compares a shop that traces everything to a collector with one that
// does not.
func telemetry(ctx context.Context, b *Bench, g *report.Group) (err error) {
	sink, err := b.Limit(nil)
	if err != nil {
		return err
	}
	defer stop(&err, sink)
	traced := func(ctx context.Context, data string, set ...string) (*rig.Shop, error) {
		return b.Serve(ctx, data, append(set, "telemetry.otlp_endpoint=http://"+sink.Addr)...)
	}
	p, err := b.pairOf(ctx, "without telemetry", b.Serve, "with telemetry", traced)
	if err != nil {
		return err
	}
	defer p.close(&err)
	g.Rows, err = b.compare(ctx, "telemetry", p, report.AtMost(1.1))
	return err
}

// behind measures what a proxy that does nothing else makes of a handler that does
// nothing else, on the bytes of a product.
func (b *Bench) behind(ctx context.Context, p *pair) (_ report.Row, err error) {
	product, err := p.plain.Do(ctx, "GET", "/products/"+p.ids[0], "", nil, nil)
	if err != nil {
		return report.Row{}, err
	}
	alone, err := b.Limit(map[string][]byte{"product": product})
	if err != nil {
		return report.Row{}, err
	}
	defer stop(&err, alone)
	behind, err := b.Behind(alone)
	if err != nil {
		return report.Row{}, err
	}
	defer stop(&err, behind)
	request := repeat(load.Request("GET", "/product", nil))
	series, err := b.alternate(ctx,
		side{"bare handler behind a bare proxy", "1/s", b.asks(behind.Addr, b.Sizes.Connections, request, rig.Found).rate},
		side{"bare handler", "1/s", b.asks(alone.Addr, b.Sizes.Connections, request, rig.Found).rate})
	if err != nil {
		return report.Row{}, err
	}
	return report.Ratio("split.bare", "the same by a bare handler: cost behind a bare proxy ÷ without", nil, series[1], series[0]), nil
}

// split compares a gateway and a process a module with one process.
func split(ctx context.Context, b *Bench, g *report.Group) (err error) {
	goal := report.AtMost(2)
	if !b.Accepts(ctx, append([]string{"modules=gateway", "nats.embedded=true"}, rig.SplitSettings...)...) {
		why := "this binary has no gateway"
		g.Rows = append(g.Rows,
			report.Skip("split.reads", "product by id: cost split ÷ one process", "÷", goal, why),
			report.Skip("split.orders", "order placed → confirmed: cost split ÷ one process", "÷", goal, why),
			report.Skip("split.memory", "memory split, all processes", "MB", nil, why))
		return nil
	}
	p, err := b.pairOf(ctx, "one process", b.Serve, "split", b.Split)
	if err != nil {
		return err
	}
	defer p.close(&err)
	if g.Rows, err = b.compare(ctx, "split", p, goal); err != nil {
		return err
	}
	bare, err := b.behind(ctx, p)
	if err != nil {
		return err
	}
	g.Rows = append(g.Rows, bare)
	for _, s := range []struct {
		name, what string
		shop       *rig.Shop
	}{{"memory_one", "one process", p.plain}, {"memory", "split", p.other}} {
		what := fmt.Sprintf("memory after that, %s (%d)", s.what, s.shop.Processes())
		now, _, unknown := s.shop.Memory()
		if unknown != nil {
			g.Rows = append(g.Rows, report.Skip("split."+s.name, what, "MB", nil, unknown.Error()))
			continue
		}
		g.Rows = append(g.Rows, report.Of("split."+s.name, what, "MB", nil, []float64{megabytes(now)}))
	}
	return nil
}
