package measure

import (
	"context"
	"os"
	"time"

	"stoa/app/bench/report"
	"stoa/platform/clock"
)

// settle is how long a shop is left alone before its idle memory is read.
const settle = 3 * time.Second

// starts starts the demo shop, on nothing and again on what it left.
func starts(ctx context.Context, b *Bench, g *report.Group) error {
	first := report.Series{Name: "first start", Unit: "ms"}
	again := report.Series{Name: "second start", Unit: "ms"}
	idle := report.Series{Name: "idle memory", Unit: "MB"}
	for range b.Rounds {
		data, err := b.Fresh("demo")
		if err != nil {
			return err
		}
		for _, s := range []*report.Series{&first, &again} {
			shop, err := b.Serve(ctx, data, "--demo")
			if err != nil {
				return err
			}
			s.Values = append(s.Values, milliseconds(shop.Started))
			if s == &again {
				err := clock.Sleep(ctx, b.Clock, settle)
				if now, _, unknown := shop.Memory(); unknown == nil {
					idle.Values = append(idle.Values, megabytes(now))
				}
				if err != nil {
					stop(&err, shop)
					return err
				}
			}
			if err := shop.Stop(); err != nil {
				return err
			}
		}
		if err := os.RemoveAll(data); err != nil {
			return err
		}
	}
	binary, err := os.Stat(b.Binary)
	if err != nil {
		return err
	}
	b.say("start: %.0f ms, again: %.0f ms", report.Median(first.Values), report.Median(again.Values))
	memory := report.Of("start.memory", "idle memory, demo shop", "MB", report.AtMost(60), idle.Values, idle)
	if len(idle.Values) == 0 {
		memory = report.Skip("start.memory", memory.What, "MB", memory.Goal, "this system does not tell")
	}
	g.Rows = append(g.Rows,
		report.Of("start.first", "first start to ready, demo shop", "ms", report.AtMost(300), first.Values, first),
		report.Of("start.again", "second start to ready", "ms", report.AtMost(300), again.Values, again),
		memory,
		report.Of("start.binary", "size of the binary", "MB", report.AtMost(45), []float64{megabytes(binary.Size())}),
	)
	return nil
}
