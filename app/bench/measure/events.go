package measure

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"stoa/app/bench/report"
)

// perSecond is how many events a second the benchmarks of platform/bus have
// happen.
const perSecond = 300

// buses are the benchmarks of platform/bus that tell how long an event takes
// from its commit to its handler in another module, by outbox, bus and inbox.
var buses = []struct{ name, benchmark, what string }{
	{"inproc", "BenchmarkInProcess", "in process"},
	{"nats", "BenchmarkJetStream", "over JetStream"},
}

// events runs the benchmarks of the buses, which stand beside them: what an event
// takes within cannot be seen over HTTP.
func events(ctx context.Context, b *Bench, g *report.Group) error {
	happen := max(10, int(b.Round.Seconds()*perSecond))
	program := filepath.Join(b.Dir, "bus.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "stoa/platform/bus").CombinedOutput(); err != nil {
		return fmt.Errorf("go test -c stoa/platform/bus: %w\n%s", err, out)
	}
	p50s, p99s := map[string][]float64{}, map[string][]float64{}
	for range b.Rounds {
		for _, bus := range buses {
			out, err := exec.CommandContext(ctx, program, "-test.run=^$", "-test.bench=^"+bus.benchmark+"$",
				fmt.Sprintf("-test.benchtime=%dx", happen)).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s: %w\n%s", bus.benchmark, err, out)
			}
			p50, p99, ok := quantilesOf(string(out), bus.benchmark)
			if !ok {
				return fmt.Errorf("%s does not say how long events take:\n%s", bus.benchmark, out)
			}
			p50s[bus.name], p99s[bus.name] = append(p50s[bus.name], p50), append(p99s[bus.name], p99)
		}
	}
	for _, bus := range buses {
		what := fmt.Sprintf("commit → handler at %d/s, %s", perSecond, bus.what)
		for _, q := range []struct {
			name   string
			values []float64
			goal   float64
		}{{"p50", p50s[bus.name], 1.5}, {"p99", p99s[bus.name], 10}} {
			row := report.Of("events."+bus.name+"_"+q.name, what+", "+q.name, "ms", report.AtMost(q.goal), q.values,
				report.Series{Name: bus.what, Unit: "ms", Values: q.values})
			row.Note = fmt.Sprintf("%d events a round, %s", happen, time.Duration(happen)*time.Second/perSecond)
			g.Rows = append(g.Rows, row)
		}
		b.say("%s: p50 %.3g ms, p99 %.3g ms", bus.what, report.Median(p50s[bus.name]), report.Median(p99s[bus.name]))
	}
	return nil
}

var metric = regexp.MustCompile(`([0-9.e+]+) (p50|p99)-ms`)

// quantilesOf reads what `go test -bench` prints of a benchmark, in milliseconds.
func quantilesOf(printed, benchmark string) (p50, p99 float64, ok bool) {
	found := map[string]float64{}
	for line := range strings.Lines(printed) {
		if !strings.HasPrefix(line, benchmark) {
			continue
		}
		for _, m := range metric.FindAllStringSubmatch(line, -1) {
			v, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				return 0, 0, false
			}
			found[m[2]] = v
		}
	}
	return found["p50"], found["p99"], len(found) == 2
}
