// Command bench measures the shop against what it could be at best on the same
// machine, and says where its goals are met. `make bench` runs all of it:
//
//	go run ./app/bench [-run products,orders] [-rounds 5] [-round 2s]   measure
//	go run ./app/bench plot                                             make docs/performance.md of what was measured
//
// It knows the shop from outside: as a process of its binary, over HTTP. Nothing
// imports it or what is below it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"stoa/app/bench/limit"
	"stoa/app/bench/measure"
	"stoa/app/bench/report"
	"stoa/app/bench/rig"
	"stoa/platform/clock"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == "limit" {
		return runLimit(ctx, args[1:], out)
	}
	if len(args) > 0 && args[0] == "plot" {
		return plot(args[1:], out)
	}
	return bench(ctx, args, out)
}

// measured is where what was measured is kept.
const measured = "bin/bench.json"

// plot makes the page and its plots.
func plot(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench plot", flag.ContinueOnError)
	flags.SetOutput(out)
	from := flags.String("from", measured, "file of what was measured")
	to := flags.String("to", "docs", "directory of performance.md and performance/")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r, err := report.Load(*from)
	if err != nil {
		return err
	}
	if len(r.Groups) == 0 {
		return fmt.Errorf("nothing was measured in %s", *from)
	}
	written, err := r.Publish(*to)
	for _, file := range written {
		_, _ = fmt.Fprintln(out, file)
	}
	return err
}

// runLimit is what the benchmark starts as other processes.
func runLimit(ctx context.Context, args []string, out io.Writer) error {
	switch {
	case len(args) == 2 && args[0] == "http":
		return limit.ServeHTTP(ctx, args[1], out)
	case len(args) == 2 && args[0] == "proxy":
		return limit.ServeProxy(ctx, args[1], out)
	case len(args) == 3 && args[0] == "orders":
		var o limit.Orders
		if err := json.Unmarshal([]byte(args[2]), &o); err != nil {
			return err
		}
		return limit.PlaceOrders(ctx, clock.System(), args[1], o, out)
	case len(args) == 3 && args[0] == "rows":
		var r limit.Rows
		if err := json.Unmarshal([]byte(args[2]), &r); err != nil {
			return err
		}
		if strings.HasPrefix(args[1], "postgres://") {
			return limit.WriteRowsPostgres(ctx, clock.System(), args[1], r, out)
		}
		return limit.WriteRows(ctx, clock.System(), args[1], r, out)
	}
	return fmt.Errorf("there is no such limit: %s", strings.Join(args, " "))
}

func bench(ctx context.Context, args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	only := flags.String("run", "", "benchmarks to run, separated by commas; empty is all")
	rounds := flags.Int("rounds", 5, "rounds of each side")
	round := flags.Duration("round", 2*time.Second, "how long each round is")
	binary := flags.String("binary", "bin/stoa", "the shop's binary")
	quick := flags.Bool("quick", false, "small catalogues and few buyers, to see that everything runs; the figures say little")
	profiles := flags.String("profiles", "", "directory for processor profiles of the shop")
	to := flags.String("to", measured, "file of what was measured; what it holds of other benchmarks stays")
	if err := flags.Parse(args); err != nil {
		return err
	}
	groups, err := measure.Find(*only)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if *binary, err = filepath.Abs(*binary); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(*to), 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "stoa-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &measure.Bench{
		Rig:    &rig.Rig{Binary: *binary, Self: self, Dir: dir, Clock: clock.System()},
		Rounds: *rounds, Round: *round, Sizes: measure.Full, Profiles: *profiles, Commit: commit(ctx), Log: out,
	}
	if *quick {
		b.Sizes = measure.Quick
		if *to == measured { // those figures are no company for full ones
			*to = "bin/bench-quick.json"
		}
	}
	return measureAll(ctx, b, groups, *to, out)
}

// measureAll runs groups, keeps each as soon as it is done, and shows all.
func measureAll(ctx context.Context, b *measure.Bench, groups []measure.Group, to string, out io.Writer) error {
	kept, err := report.Load(to)
	if err != nil {
		return err
	}
	if machine := report.ThisMachine(); kept.Machine != machine {
		*kept = report.Result{Machine: machine} // figures of another machine are no company
	}
	var done []report.Group
	var failed error
	for _, g := range groups {
		_, _ = fmt.Fprintln(out, g.Title)
		made, err := b.Measure(ctx, g)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			_, _ = fmt.Fprintln(out, "  failed:", err)
			failed = errors.Join(failed, err)
			continue
		}
		done = append(done, made)
		kept.Put(made)
		if err := kept.Save(to); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintln(out)
	if err := report.WriteTable(out, done...); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "\n%s; kept in %s\n", report.ThisMachine(), to)
	return failed
}

// commit is what is measured, as far as git knows; "+" where files were changed.
func commit(ctx context.Context) string {
	hash, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(hash))
	if changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output(); err == nil && len(changed) > 0 {
		name += "+"
	}
	return name
}
