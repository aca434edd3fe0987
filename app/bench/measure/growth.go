package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"time"

	"stoa/app/bench/load"
	"stoa/app/bench/report"
	"stoa/app/bench/rig"
)

// sized is a shop of some size, and what is asked of it there.
type sized struct {
	size int
	shop *rig.Shop
	asks []question
}

// question is one kind of request.
type question struct {
	name, what string
	asked      *asked
}

// growth measures how what things cost grows with products and with orders.
func growth(ctx context.Context, b *Bench, g *report.Group) error {
	if err := b.growProducts(ctx, g); err != nil {
		return err
	}
	if err := b.growOrders(ctx, g); err != nil {
		return err
	}
	return b.growRelay(ctx, g)
}

// eventsOfOrder is how many events an order leaves in the outbox of orders.
const eventsOfOrder = 2

// growRelay measures what handing over an event costs, in process, behind the
// events that so many orders have left, all of them sent.
func (b *Bench) growRelay(ctx context.Context, g *report.Group) error {
	program, err := b.busTest(ctx)
	if err != nil {
		return err
	}
	pile := max(256, int(b.Round.Seconds()*20_000))
	var sides []side
	line := report.Line{Name: "event handed to the bus"}
	for _, orders := range b.Sizes.Orders {
		sent := fmt.Sprintf("BENCH_SENT=%d", eventsOfOrder*orders)
		sides = append(sides, side{fmt.Sprintf("relay, %d orders", orders), "1/s", func(ctx context.Context) (float64, error) {
			found, err := benchmark(ctx, program, []string{sent}, "BenchmarkRelayAmongSent", pile, "events/s")
			if err != nil {
				return 0, err
			}
			return found[0], nil
		}})
		line.X = append(line.X, float64(orders))
	}
	series, err := b.alternate(ctx, sides...)
	if err != nil {
		return err
	}
	for _, s := range series {
		line.Y = append(line.Y, 1000/math.Max(report.Median(s.Values), 1e-9))
	}
	smallest, largest := b.Sizes.Orders[0], b.Sizes.Orders[len(b.Sizes.Orders)-1]
	row := report.Ratio("growth.relay", fmt.Sprintf("relay: cost of an event behind those of %d orders ÷ of %d", largest, smallest), nil, series[0], series[len(series)-1])
	row.Series = series
	g.Rows = append(g.Rows, row)
	g.Charts = append(g.Charts, report.Chart{
		Name: "cost_of_relay", Title: "Time an event that is handed over by how many orders there are",
		X: "orders", Y: "time an event, ms", Lines: []report.Line{line},
	})
	return nil
}

func (b *Bench) growProducts(ctx context.Context, g *report.Group) (err error) {
	var shops []sized
	defer func() { stopAll(&err, shops) }()
	for _, n := range b.Sizes.Grown {
		data, err := b.FromTemplate(ctx, n)
		if err != nil {
			return err
		}
		shop, err := b.Serve(ctx, data)
		if err != nil {
			return err
		}
		shops = append(shops, sized{size: n, shop: shop})
		s := &shops[len(shops)-1]
		listed, err := shop.Products(ctx, n)
		if err != nil {
			return err
		}
		buyers, err := shop.Buyers(ctx, b.growers())
		if err != nil {
			return err
		}
		var one [][]byte // searches that find one product
		for _, i := range rig.Any(1000, n) {
			one = append(one, rig.Get(fmt.Sprintf("/products?q=%d", i)))
		}
		s.ask(b, "product", "any product by id", through(gets("/products/", listed.IDs, rig.Any(drawn, n))), rig.Found)
		s.ask(b, "page", "first page of the list", repeat(rig.Get("/products")), rig.Found)
		if listed.Deep == "" {
			return fmt.Errorf("a list of %d products has no page nine tenths down", n)
		}
		s.ask(b, "deep", "a page nine tenths down, by cursor", repeat(rig.Get("/products?cursor="+url.QueryEscape(listed.Deep))), rig.Found)
		s.ask(b, "search", "search for a word of many products", through(searches()), rig.Found)
		s.ask(b, "find", "search for one product", through(one), rig.Found)
		s.ask(b, "order", "order placed → confirmed", own(ordersOf(buyers, false)), rig.Confirmed)
	}
	return b.grow(ctx, g, "products", "products", shops)
}

func (b *Bench) growOrders(ctx context.Context, g *report.Group) (err error) {
	placed, buyers, err := b.placeMany(ctx, b.Sizes.Orders[0])
	if err != nil {
		return err
	}
	var shops []sized
	defer func() { stopAll(&err, shops) }()
	memory := report.Line{Name: "memory"}
	for _, n := range b.Sizes.Orders {
		began := b.Clock.Now()
		history := func(ctx context.Context, times int) (string, error) {
			if times > 1 {
				return b.Multiply(ctx, placed, times)
			}
			return b.Copy(placed)
		}
		data, err := history(ctx, n/b.Sizes.Orders[0])
		if err != nil {
			return err
		}
		b.say("%d orders made of %d in %s", n, b.Sizes.Orders[0], b.Clock.Now().Sub(began).Round(time.Second))
		shop, err := b.Serve(ctx, data)
		if err != nil {
			return err
		}
		shops = append(shops, sized{size: n, shop: shop})
		s := &shops[len(shops)-1]
		var lists, reads [][]byte
		for _, buyer := range buyers {
			var page struct {
				Items []struct {
					ID string `json:"id"`
				} `json:"items"`
			}
			if _, err := shop.Do(ctx, "GET", "/orders", buyer.Token, nil, &page); err != nil {
				return err
			}
			if len(page.Items) == 0 {
				return errors.New("a customer who has ordered has no orders")
			}
			lists = append(lists, buyer.GetAs("/orders"))
			for _, item := range page.Items {
				reads = append(reads, buyer.GetAs("/orders/"+item.ID))
			}
		}
		s.ask(b, "list", "list of a customer's orders", through(lists), rig.Found)
		s.ask(b, "read", "order by id", through(reads), rig.Found)
		s.ask(b, "placed", "order placed → confirmed", own(ordersOf(buyers[:b.growers()], false)), rig.Confirmed)
	}
	if err := b.grow(ctx, g, "orders", "orders", shops); err != nil {
		return err
	}
	for _, s := range shops {
		now, _, unknown := s.shop.Memory()
		if unknown != nil {
			return nil
		}
		memory.X, memory.Y = append(memory.X, float64(s.size)), append(memory.Y, megabytes(now))
		g.Rows = append(g.Rows, report.Of(fmt.Sprintf("growth.memory_%d", s.size), fmt.Sprintf("memory after that, %d orders", s.size), "MB", nil, []float64{megabytes(now)}))
	}
	g.Charts = append(g.Charts, report.Chart{
		Name: "memory_over_orders", Title: "Memory of the shop by how many orders it keeps",
		X: "orders", Y: "memory, MB", Lines: []report.Line{memory},
	})
	return nil
}

// growers is how many connections ask a shop of some size.
func (b *Bench) growers() int { return max(1, b.Sizes.Buyers/4) }

func (s *sized) ask(b *Bench, name, what string, next func(int, int) []byte, check func(int, []byte) error) {
	a := b.asks(s.shop.Addr, b.growers(), next, check)
	a.load.Warm, a.load.For = a.load.Warm/2, a.load.For/2 // there are many of them, and what they tell is coarse
	s.asks = append(s.asks, question{name, what, a})
}

// placeMany gives the data directory of a shop in which n orders were placed by
// the API, and who placed them.
func (b *Bench) placeMany(ctx context.Context, n int) (_ string, _ []rig.Buyer, err error) {
	data, err := b.FromTemplate(ctx, b.Sizes.Grown[0])
	if err != nil {
		return "", nil, err
	}
	shop, err := b.Serve(ctx, data)
	if err != nil {
		return "", nil, err
	}
	defer stop(&err, shop)
	buyers, err := shop.Buyers(ctx, b.Sizes.Buyers)
	if err != nil {
		return "", nil, err
	}
	r, err := load.Run(ctx, b.Clock, load.Load{
		Addr: shop.Addr, Connections: len(buyers), For: time.Hour, Most: n,
		Next: own(ordersOf(buyers, false)), Check: rig.Confirmed,
	})
	if err != nil {
		return "", nil, err
	}
	b.say("%d orders placed in %s", n, r.For.Round(time.Second))
	return data, buyers, nil
}

// grow asks the same of shops of all sizes in turn, and draws what it costs over
// the size.
func (b *Bench) grow(ctx context.Context, g *report.Group, name, unit string, shops []sized) error {
	chart := report.Chart{
		Name: "cost_over_" + name, Title: "Processor time a request by how many " + unit + " there are",
		X: unit, Y: "time of the machine a request, ms",
	}
	smallest, largest := shops[0], shops[len(shops)-1]
	for i := range smallest.asks {
		var sides []side
		var line report.Line
		for _, s := range shops {
			sides = append(sides, side{fmt.Sprintf("%s, %d %s", s.asks[i].what, s.size, unit), "1/s", s.asks[i].asked.rate})
			line.X = append(line.X, float64(s.size))
		}
		series, err := b.alternate(ctx, sides...)
		if err != nil {
			return err
		}
		line.Name = smallest.asks[i].what
		for _, s := range series {
			line.Y = append(line.Y, 1000/math.Max(report.Median(s.Values), 1e-9))
		}
		row := report.Ratio("growth."+name+"_"+smallest.asks[i].name,
			fmt.Sprintf("%s: cost at %d %s ÷ at %d", smallest.asks[i].what, largest.size, unit, smallest.size), nil, series[0], series[len(series)-1])
		row.Series = series
		g.Rows = append(g.Rows, row)
		chart.Lines = append(chart.Lines, line)
	}
	g.Charts = append(g.Charts, chart)
	return nil
}

func stopAll(err *error, shops []sized) {
	for _, s := range shops {
		stop(err, s.shop)
	}
}
