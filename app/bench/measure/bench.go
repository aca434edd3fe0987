// Package measure holds the benchmarks. Each is a figure of one run: the shop
// beside a limit or a peer, in turns, so that both see the same machine; of the
// rounds the median counts.
//
// Only app/bench imports it.
package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stoa/app/bench/load"
	"stoa/app/bench/report"
	"stoa/app/bench/rig"
)

// Bench is a run.
type Bench struct {
	*rig.Rig
	Rounds   int
	Round    time.Duration
	Sizes    Sizes
	Profiles string // directory for processor profiles of the shop; empty takes none
	Commit   string
	Log      io.Writer // what is being done, for people
}

// Sizes is how much there is of everything.
type Sizes struct {
	Products    int   // of the catalogue
	Grown       []int // of catalogues, where cost over size is measured
	Orders      []int // of order histories, likewise
	Imports     []int // of files
	Buyers      int
	Connections int // that read
	Idle        int // that say nothing
}

// Full is what goals are stated for.
var Full = Sizes{
	Products: 20_000, Grown: []int{1_000, 20_000, 200_000}, Orders: []int{10_000, 100_000, 1_000_000},
	Imports: []int{20_000, 200_000}, Buyers: 64, Connections: 32, Idle: 1_000,
}

// Quick is enough to see that everything runs; its figures say little.
var Quick = Sizes{
	Products: 500, Grown: []int{100, 500}, Orders: []int{100, 500}, Imports: []int{500, 2_000},
	Buyers: 8, Connections: 8, Idle: 50,
}

// Group is benchmarks that share what they run on.
type Group struct {
	Name    string
	Title   string
	measure func(ctx context.Context, b *Bench, g *report.Group) error
}

// Groups are all there are, in the order in which they are run.
func Groups() []Group {
	return []Group{
		{"products", "Reading products", products},
		{"orders", "Placing orders on SQLite", orders},
		{"postgres", "Placing orders on PostgreSQL", postgres},
		{"events", "Events", events},
		{"import", "Importing products", imports},
		{"start", "Starting, memory, size", starts},
		{"telemetry", "Telemetry", telemetry},
		{"split", "Split into processes", split},
		{"growth", "Cost over size", growth},
		{"connections", "Many connections", connections},
	}
}

// Measure runs a group.
func (b *Bench) Measure(ctx context.Context, g Group) (report.Group, error) {
	began := b.Clock.Now()
	made := report.Group{Name: g.Name, Title: g.Title, Commit: b.Commit, Date: began.Truncate(time.Second), Rounds: b.Rounds, Round: b.Round, Busy: report.LoadAverage()}
	if err := errors.Join(g.measure(ctx, b, &made), b.Tidy()); err != nil {
		return made, fmt.Errorf("%s: %w", g.Name, err)
	}
	made.Took = b.Clock.Now().Sub(began).Round(time.Second)
	return made, nil
}

func (b *Bench) say(format string, args ...any) { _, _ = fmt.Fprintf(b.Log, "  "+format+"\n", args...) }

// side is one of those that take turns.
type side struct {
	name string
	unit string
	do   func(ctx context.Context) (float64, error)
}

// alternate has each side do a round in turn, A B A B …, and gives what each
// measured.
func (b *Bench) alternate(ctx context.Context, sides ...side) ([]report.Series, error) {
	series := make([]report.Series, len(sides))
	for i, s := range sides {
		series[i] = report.Series{Name: s.name, Unit: s.unit}
	}
	for range b.Rounds {
		for i, s := range sides {
			v, err := s.do(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			series[i].Values = append(series[i].Values, v)
		}
	}
	for _, s := range series {
		b.say("%s: %.4g %s", s.Name, report.Median(s.Values), s.Unit)
	}
	return series, nil
}

// asked is a load and what its rounds came to besides their rates.
type asked struct {
	b    *Bench
	load load.Load
	seen []*load.Result
}

func (b *Bench) asks(addr string, connections int, next func(connection, n int) []byte, check func(int, []byte) error) *asked {
	return &asked{b: b, load: load.Load{
		Addr: addr, Connections: connections, Warm: b.Round / 5, For: b.Round, Next: next, Check: check,
	}}
}

// rate is a round.
func (a *asked) rate(ctx context.Context) (float64, error) {
	r, err := load.Run(ctx, a.b.Clock, a.load)
	if err != nil {
		return 0, err
	}
	a.seen = append(a.seen, r)
	return r.Rate(), nil
}

// p50 is a round whose figure is the median of its latencies, in milliseconds.
func (a *asked) p50(ctx context.Context) (float64, error) {
	if _, err := a.rate(ctx); err != nil {
		return 0, err
	}
	return milliseconds(a.seen[len(a.seen)-1].Latency.Quantile(0.5)), nil
}

// quantiles gives that quantile of each round, in milliseconds.
func (a *asked) quantiles(name string, q float64) report.Series {
	s := report.Series{Name: name, Unit: "ms"}
	for _, r := range a.seen {
		s.Values = append(s.Values, milliseconds(r.Latency.Quantile(q)))
	}
	return s
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }

// repeat asks for the same again and again.
func repeat(request []byte) func(int, int) []byte { return func(int, int) []byte { return request } }

// through asks for one after the other, each connection from another place.
func through(requests [][]byte) func(int, int) []byte {
	return func(connection, n int) []byte { return requests[(connection*len(requests)/61+n)%len(requests)] }
}

// profile takes a processor profile of a shop under a load, where profiles are wanted.
func (b *Bench) profile(ctx context.Context, name string, s *rig.Shop, l load.Load) error {
	if b.Profiles == "" {
		return nil
	}
	if err := os.MkdirAll(b.Profiles, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(b.Profiles, name+".pprof"))
	if err != nil {
		return err
	}
	const seconds = 10
	l.For = (seconds + 1) * time.Second
	loaded := make(chan error, 1)
	go func() {
		_, err := load.Run(ctx, b.Clock, l)
		loaded <- err
	}()
	err = s.Profile(ctx, file, seconds)
	return errors.Join(err, <-loaded, file.Close())
}

// Find gives the groups of these names, separated by commas; all for none.
func Find(names string) ([]Group, error) {
	all := Groups()
	if names == "" {
		return all, nil
	}
	var known []string
	for _, g := range all {
		known = append(known, g.Name)
	}
	var found []Group
	for name := range strings.SplitSeq(names, ",") {
		i := slices.Index(known, strings.TrimSpace(name))
		if i < 0 {
			return nil, fmt.Errorf("no benchmarks are called %q; there are %s", name, strings.Join(known, ", "))
		}
		found = append(found, all[i])
	}
	return found, nil
}
