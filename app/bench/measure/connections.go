package measure

import (
	"context"
	"fmt"

	"stoa/app/bench/report"
	"stoa/app/bench/rig"
)

// connections reads products over 64 connections while many others are open and
// say nothing, beside the same without them.
func connections(ctx context.Context, b *Bench, g *report.Group) (err error) {
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
	next := through(gets("/products/", listed.IDs, rig.Popular(drawn, len(listed.IDs))))
	without := b.asks(shop.Addr, b.Sizes.Buyers, next, rig.Found)
	with := b.asks(shop.Addr, b.Sizes.Buyers, next, rig.Found)
	with.load.Idle = b.Sizes.Idle
	memory := report.Series{Name: "memory with idle connections", Unit: "MB"}
	with.load.Loaded = func() {
		if now, _, unknown := shop.Memory(); unknown == nil {
			memory.Values = append(memory.Values, megabytes(now))
		}
	}
	before := report.Series{Name: "memory without", Unit: "MB"}
	without.load.Loaded = func() {
		if now, _, unknown := shop.Memory(); unknown == nil {
			before.Values = append(before.Values, megabytes(now))
		}
	}
	if _, err := b.alternate(ctx, side{"without idle connections", "1/s", without.rate}, side{"with idle connections", "1/s", with.rate}); err != nil {
		return err
	}
	many := fmt.Sprintf("%d busy connections beside %d idle ones", b.Sizes.Buyers, b.Sizes.Idle)
	for _, q := range []struct {
		name string
		q    float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		over, under := with.quantiles("with idle connections, "+q.name, q.q), without.quantiles("without, "+q.name, q.q)
		g.Rows = append(g.Rows,
			report.Of("connections."+q.name, many+", "+q.name, "ms", nil, over.Values, over),
			report.Ratio("connections."+q.name+"_ratio", "the same ÷ without idle ones", nil, over, under))
	}
	if len(memory.Values) > 0 {
		// The first round without is before any idle connection.
		g.Rows = append(g.Rows,
			report.Of("connections.memory_before", fmt.Sprintf("memory with %d busy connections", b.Sizes.Buyers), "MB", nil, before.Values[:1], before),
			report.Of("connections.memory", "memory with both", "MB", nil, memory.Values, memory))
	}
	return nil
}
