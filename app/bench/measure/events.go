package measure

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
var buses = []struct{ name, latency, relay, raw, what string }{
	{"inproc", "BenchmarkInProcess", "BenchmarkRelayInProcess", "BenchmarkRawRelayInProcess", "in process"},
	{"nats", "BenchmarkJetStream", "BenchmarkRelayJetStream", "BenchmarkRawRelayJetStream", "over JetStream"},
}

// events runs the benchmarks of the buses, which stand beside them: what an event
// takes within cannot be seen over HTTP.
func events(ctx context.Context, b *Bench, g *report.Group) error {
	happen := max(10, int(b.Round.Seconds()*perSecond))
	program, err := b.busTest(ctx)
	if err != nil {
		return err
	}
	p50s, p99s := map[string][]float64{}, map[string][]float64{}
	for range b.Rounds {
		for _, bus := range buses {
			found, err := benchmark(ctx, program, nil, bus.latency, happen, "p50-ms", "p99-ms")
			if err != nil {
				return err
			}
			p50s[bus.name], p99s[bus.name] = append(p50s[bus.name], found[0]), append(p99s[bus.name], found[1])
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
	return relays(ctx, b, g, program)
}

// relays has relays work off what has piled up, beside the least that does the
// same: it reads texts, publishes them and marks them as sent.
func relays(ctx context.Context, b *Bench, g *report.Group, program string) error {
	const perRoundSecond = 20_000
	pile := max(256, int(b.Round.Seconds()*perRoundSecond))
	rate := func(name string) func(ctx context.Context) (float64, error) {
		return func(ctx context.Context) (float64, error) {
			found, err := benchmark(ctx, program, nil, name, pile, "events/s")
			if err != nil {
				return 0, err
			}
			return found[0], nil
		}
	}
	for _, bus := range buses {
		series, err := b.alternate(ctx, side{"relay, " + bus.what, "1/s", rate(bus.relay)}, side{"raw relay, " + bus.what, "1/s", rate(bus.raw)})
		if err != nil {
			return err
		}
		row := report.Ratio("events.relay_"+bus.name, "relay of what has piled up ÷ raw relay, "+bus.what, report.AtLeast(0.5), series[0], series[1])
		row.Note = fmt.Sprintf("%d events a round, four of each aggregate", pile)
		g.Rows = append(g.Rows, row)
	}
	return nil
}

// busTest builds the tests of platform/bus, which its benchmarks are among.
func (b *Bench) busTest(ctx context.Context) (program string, err error) {
	program = filepath.Join(b.Dir, "bus.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "stoa/platform/bus").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go test -c stoa/platform/bus: %w\n%s", err, out)
	}
	return program, nil
}

// benchmark runs a benchmark of a test binary n times and gives its metrics.
func benchmark(ctx context.Context, program string, environ []string, name string, n int, metrics ...string) ([]float64, error) {
	cmd := exec.CommandContext(ctx, program, "-test.run=^$", "-test.bench=^"+name+"$", fmt.Sprintf("-test.benchtime=%dx", n))
	cmd.Env = append(os.Environ(), environ...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	found := make([]float64, len(metrics))
	for i, m := range metrics {
		var ok bool
		if found[i], ok = metricOf(string(out), name, m); !ok {
			return nil, fmt.Errorf("%s does not say its %s:\n%s", name, m, out)
		}
	}
	return found, nil
}

// metricOf reads a metric from what `go test -bench` prints of a benchmark.
func metricOf(printed, benchmark, metric string) (float64, bool) {
	for line := range strings.Lines(printed) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.TrimRight(strings.TrimRight(words[0], "0123456789"), "-") != benchmark {
			continue
		}
		for i, word := range words[1:] {
			if word == metric {
				v, err := strconv.ParseFloat(words[i], 64)
				return v, err == nil
			}
		}
	}
	return 0, false
}
