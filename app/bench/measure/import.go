package measure

import (
	"context"
	"fmt"
	"os"

	"stoa/app/bench/report"
)

// imports imports files of products into empty shops.
func imports(ctx context.Context, b *Bench, g *report.Group) error {
	empty, err := b.Template(ctx, 0)
	if err != nil {
		return err
	}
	var smallest, largest report.Series
	for i, n := range b.Sizes.Imports {
		file, err := b.CatalogueFile(n)
		if err != nil {
			return err
		}
		rate := report.Series{Name: fmt.Sprintf("import of %d products", n), Unit: "1/s"}
		memory := report.Series{Name: fmt.Sprintf("memory at the most, %d products", n), Unit: "MB"}
		for range b.Rounds {
			data, err := b.Copy(empty)
			if err != nil {
				return err
			}
			done, err := b.Import(ctx, file, "data.dir="+data)
			if err != nil {
				return err
			}
			rate.Values = append(rate.Values, float64(n)/done.Took.Seconds())
			memory.Values = append(memory.Values, megabytes(done.Memory))
			if err := os.RemoveAll(data); err != nil {
				return err
			}
		}
		if err := os.Remove(file); err != nil {
			return err
		}
		b.say("%s: %.0f 1/s, %.0f MB", rate.Name, report.Median(rate.Values), report.Median(memory.Values))
		g.Rows = append(g.Rows,
			report.Of(fmt.Sprintf("import.%d", n), fmt.Sprintf("import of %d products", n), "1/s", report.AtLeast(5000), rate.Values, rate),
			report.Of(fmt.Sprintf("import.%d_memory", n), fmt.Sprintf("memory at the most, %d products", n), "MB", nil, memory.Values, memory))
		if i == 0 {
			smallest = memory
		}
		largest = memory
	}
	flat := report.Median(largest.Values) / report.Median(smallest.Values)
	g.Rows = append(g.Rows, report.Of("import.flat", "memory of the largest import ÷ the smallest", "÷", report.AtMost(1.5), []float64{flat}))
	return nil
}
