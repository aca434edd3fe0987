package measure

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"stoa/app/bench/limit"
	"stoa/app/bench/report"
	"stoa/app/bench/rig"
)

// orders places orders of two lines, beside the raw limit of SQLite.
func orders(ctx context.Context, b *Bench, g *report.Group) (err error) {
	data, err := b.FromTemplate(ctx, b.Sizes.Products)
	if err != nil {
		return err
	}
	shop, err := b.Serve(ctx, data)
	if err != nil {
		return err
	}
	defer stop(&err, shop)
	buyers, err := shop.Buyers(ctx, b.Sizes.Buyers)
	if err != nil {
		return err
	}
	raw := side{"raw orders with group commit", "1/s", func(ctx context.Context) (float64, error) {
		placed, err := b.RawOrders(ctx, limit.Orders{Callers: b.Sizes.Buyers, Products: b.Sizes.Products, Warm: b.Round / 5, For: b.Round})
		return placed.PerSecond, err
	}}
	rows, err := b.placing(ctx, "orders", shop, buyers, raw,
		"placed → confirmed on SQLite, distinct products ÷ raw orders with group commit", report.AtLeast(0.1))
	g.Rows = append(g.Rows, rows...)
	if err != nil {
		return err
	}
	if stop(&err, shop); err != nil {
		return err
	}
	return b.rows(ctx, g, "orders.rows", rawRows, raw, whatRows+"raw orders with group commit", func(ctx context.Context) (limit.Placed, error) {
		return b.RawRows(ctx, data, b.Sizes.Buyers, b.Round/5, b.Round)
	})
}

const (
	whatRows  = "the rows that such an order leaves, written raw ÷ "
	whatSteps = "the same in two transactions a database, as its steps are ÷ "

	rawRows  = "the shop's rows, written raw"
	rawSteps = "the shop's rows, written raw in steps"
)

// rows measures what keeping the rows costs that the shop's orders have left,
// beside what theirs cost the limit: so much of it is left to the shop at most.
func (b *Bench) rows(ctx context.Context, g *report.Group, name, written string, raw side, what string, write func(ctx context.Context) (limit.Placed, error)) error {
	series, err := b.alternate(ctx, side{written, "1/s", func(ctx context.Context) (float64, error) {
		placed, err := write(ctx)
		return placed.PerSecond, err
	}}, raw)
	if err == nil {
		g.Rows = append(g.Rows, report.Ratio(name, what, nil, series[0], series[1]))
	}
	return err
}

const (
	whatOneSKU   = "every buyer on one SKU ÷ distinct products"
	whatAloneP50 = "an order at concurrency 1, p50"
	whatAloneP99 = "an order at concurrency 1, p99"
)

var (
	goalOneSKU   = report.AtLeast(0.5)
	goalAloneP50 = report.AtMost(6)
	goalAloneP99 = report.AtMost(20)
)

// placing measures orders of two lines: distinct products beside a limit, all
// of one SKU beside distinct ones, and how long one takes alone.
func (b *Bench) placing(ctx context.Context, name string, shop *rig.Shop, buyers []rig.Buyer, raw side, what string, goal *report.Goal) ([]report.Row, error) {
	distinct := b.asks(shop.Addr, len(buyers), own(ordersOf(buyers, false)), rig.Confirmed)
	hot := b.asks(shop.Addr, len(buyers), own(ordersOf(buyers, true)), rig.Confirmed)
	alone := b.asks(shop.Addr, 1, own(ordersOf(buyers[:1], false)), rig.Confirmed)
	series, err := b.alternate(ctx,
		side{"orders of distinct products", "1/s", distinct.rate}, raw,
		side{"orders of one SKU", "1/s", hot.rate},
		side{"p50 of an order alone", "ms", alone.p50},
	)
	if err != nil {
		return nil, err
	}
	first := report.Ratio(name+".placed", what, goal, series[0], series[1])
	first.Series = append(first.Series, distinct.quantiles("p50", 0.5), distinct.quantiles("p99", 0.99))
	one := report.Ratio(name+".one_sku", whatOneSKU, goalOneSKU, series[2], series[0])
	one.Series = append(one.Series, hot.quantiles("p50", 0.5), hot.quantiles("p99", 0.99))
	p99 := alone.quantiles("p99 of an order alone", 0.99)
	rows := []report.Row{
		first, one,
		report.Of(name+".alone_p50", whatAloneP50, "ms", goalAloneP50, series[3].Values, series[3]),
		report.Of(name+".alone_p99", whatAloneP99, "ms", goalAloneP99, p99.Values, p99),
	}
	if err := b.profile(ctx, name+"_distinct", shop, distinct.load); err != nil {
		return rows, err
	}
	if err := b.profile(ctx, name+"_one_sku", shop, hot.load); err != nil {
		return rows, err
	}
	return rows, b.profile(ctx, name+"_alone", shop, alone.load)
}

const whatServer = "the same if nothing but PostgreSQL took time: processors ÷ its time for an order ÷ pgbench"

// server measures what PostgreSQL takes of the processor for the shop's orders: how
// many there could be on this machine if shop and buyers took nothing.
func (b *Bench) server(ctx context.Context, g *report.Group, cluster *rig.Postgres, shop *rig.Shop, buyers []rig.Buyer, raw side) error {
	distinct := b.asks(shop.Addr, len(buyers), own(ordersOf(buyers, false)), rig.Confirmed)
	series, err := b.alternate(ctx, side{"orders that PostgreSQL alone has time for", "1/s", func(ctx context.Context) (float64, error) {
		took, err := cluster.TimeOfOrders(ctx, func() error {
			_, err := distinct.rate(ctx)
			return err
		})
		if err != nil {
			return 0, err
		}
		return float64(runtime.NumCPU()) / took.Seconds(), nil
	}}, raw)
	if errors.Is(err, rig.ErrNoFigure) {
		g.Rows = append(g.Rows, report.Skip("postgres.server", whatServer, "÷", nil, err.Error()))
		return nil
	}
	if err == nil {
		g.Rows = append(g.Rows, report.Ratio("postgres.server", whatServer, nil, series[0], series[1]))
	}
	return err
}

// ordersOf makes the order that each buyer places: two products of their own, or
// one that all want and one of their own.
func ordersOf(buyers []rig.Buyer, hot bool) [][]byte {
	requests := make([][]byte, len(buyers))
	for i, b := range buyers {
		first, second := rig.SKU(2*i+1), rig.SKU(2*i+2)
		if hot {
			first = rig.SKU(0)
		}
		requests[i] = b.Order(first, second)
	}
	return requests
}

// own has each connection send a request of its own again and again.
func own(requests [][]byte) func(int, int) []byte {
	return func(connection, _ int) []byte { return requests[connection%len(requests)] }
}

const whatPostgres = "placed → confirmed on PostgreSQL, distinct products ÷ pgbench's prepared order"

// postgres places orders of two lines on PostgreSQL, beside pgbench on the same
// cluster.
func postgres(ctx context.Context, b *Bench, g *report.Group) (err error) {
	goal := report.AtLeast(0.2)
	skip := func(why string) error {
		g.Rows = append(g.Rows,
			report.Skip("postgres.placed", whatPostgres, "÷", goal, why),
			report.Skip("postgres.one_sku", whatOneSKU, "÷", goalOneSKU, why),
			report.Skip("postgres.alone_p50", whatAloneP50, "ms", goalAloneP50, why),
			report.Skip("postgres.alone_p99", whatAloneP99, "ms", goalAloneP99, why),
			report.Skip("postgres.server", whatServer, "÷", nil, why),
			report.Skip("postgres.rows", whatRows+"pgbench", "÷", nil, why),
			report.Skip("postgres.steps", whatSteps+"pgbench", "÷", nil, why))
		return nil
	}
	if !b.Accepts(ctx, "database.url=postgres://stoa@127.0.0.1:5432/stoa") {
		return skip("this binary takes no postgres:// URL")
	}
	cluster, err := b.Postgres(ctx)
	if errors.Is(err, rig.ErrNoPostgres) {
		return skip(err.Error())
	}
	if err != nil {
		return err
	}
	defer stop(&err, cluster)
	data, err := b.FillPostgres(ctx, cluster, b.Sizes.Products)
	if err != nil {
		return err
	}
	shop, err := b.Serve(ctx, data, "database.url="+cluster.URL)
	if err != nil {
		return err
	}
	defer stop(&err, shop)
	buyers, err := shop.Buyers(ctx, b.Sizes.Buyers)
	if err != nil {
		return err
	}
	raw := side{"pgbench, prepared", "1/s", func(ctx context.Context) (float64, error) { return cluster.RawOrders(ctx, b.Round) }}
	rows, err := b.placing(ctx, "postgres", shop, buyers, raw, whatPostgres, goal)
	if len(rows) > 0 {
		rows[0].Note = fmt.Sprintf("%d buyers; pgbench with %d clients", len(buyers), rig.RawClients)
	}
	g.Rows = append(g.Rows, rows...)
	if err != nil {
		return err
	}
	if err := b.server(ctx, g, cluster, shop, buyers, raw); err != nil {
		return err
	}
	if stop(&err, shop); err != nil {
		return err
	}
	for _, r := range []struct {
		name, written, what string
		steps               int
	}{{"postgres.rows", rawRows, whatRows, 1}, {"postgres.steps", rawSteps, whatSteps, 2}} {
		if err := b.rows(ctx, g, r.name, r.written, raw, r.what+"pgbench", func(ctx context.Context) (limit.Placed, error) {
			return cluster.RawRows(ctx, r.steps, b.Round/5, b.Round)
		}); err != nil {
			return err
		}
	}
	return nil
}
