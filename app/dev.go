package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stoa/platform/broker"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/module"
	"stoa/platform/telemetry"
)

func devCommand(modules []module.Module, f *flags) *cobra.Command {
	var (
		split bool
		demo  bool
	)
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run the shop on this machine, with --split as one process a module",
		Long: `Run the shop on this machine with its demo data.

With --split it runs as one process for each module behind the gateway, with a
NATS server of its own: what it would be like as services. A process that dies is
started again, and Ctrl-C stops them all. Where the data is and how the shop is
configured stays the same.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, chosen, err := f.chosen(cmd, modules, nil)
			if err != nil {
				return err
			}
			if !split {
				return serve(cmd.Context(), s, chosen, demo, func(g greeting) { g.print(cmd.OutOrStdout(), "") })
			}
			return devSplit(cmd.Context(), cmd.OutOrStdout(), s, chosen, f, demo)
		},
	}
	cmd.Flags().BoolVar(&split, "split", false, "one process for each module, behind the gateway")
	cmd.Flags().BoolVar(&demo, "demo", true, "fill an empty shop with a demo catalogue and two accounts")
	return cmd
}

// gateway is the module that callers of a split shop reach.
const gateway = "gateway"

// devSplit runs each module in a process of its own, until ctx ends.
func devSplit(ctx context.Context, out io.Writer, s *settings, modules []module.Module, f *flags, demo bool) (err error) {
	if !has(modules, gateway) {
		return fmt.Errorf("a split shop needs the module %q in front, which this binary does not run", gateway)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	log := telemetry.NewLogger(os.Stderr, s.Log)
	addr, err := freeLoopback(ctx)
	if err != nil {
		return err
	}
	nats, err := broker.Open(ctx, broker.Config{Embedded: true, URL: "nats://" + addr}, s.Data.Dir, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, nats.Close()) }()

	names := namesOf(modules)
	file, _ := out.(*os.File)
	printed := newLines(out, file != nil && term.IsTerminal(int(file.Fd())), append(slices.Clone(names), "stoa")...)
	sup := &supervisor{clock: clock.System(), out: printed}
	printed.say("stoa", fmt.Sprintf("%d processes, NATS at %s, data in %s; Ctrl-C stops them all", len(names), nats.URL(), s.Data.Dir))

	front, err := net.ResolveTCPAddr("tcp", s.HTTP.Addr)
	if err != nil {
		return fmt.Errorf("http.addr: %w", err)
	}
	base := []string{"serve"}
	for _, file := range f.files {
		base = append(base, "--config", file)
	}
	for _, set := range f.set {
		base = append(base, "--set", set)
	}
	if demo {
		base = append(base, "--demo")
	}
	start := func(name string) child {
		args := slices.Clone(base)
		if name != gateway {
			args = append(args, "--front", "http://"+reachable(front))
		}
		for _, set := range splitSettings(name, nats.URL(), names) {
			args = append(args, "--set", set)
		}
		return child{name, func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, self, args...) }}
	}

	// The gateway stops first, so that what it has taken is still served.
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBehind()
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		failed error
	)
	run := func(ctx context.Context, name string) {
		if err := sup.keep(ctx, start(name)); err != nil {
			mu.Lock()
			failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
			mu.Unlock()
			giveUp() // without one of them it is no shop
		}
	}
	for _, name := range names {
		if name != gateway {
			all.Go(func() { run(behind, name) })
		}
	}
	run(ctx, gateway)
	stopBehind()
	all.Wait()
	printed.say("stoa", "stopped")
	return failed
}

// splitSettings is what a process of a split shop on one machine is told, over
// all else.
func splitSettings(name, broker string, all []string) []string {
	set := []string{
		"modules=" + name, "bus.driver=" + bus.DriverNATS, "nats.url=" + broker, "nats.embedded=false",
		"directory.driver=nats", "rpc.driver=http", "rpc.addr=127.0.0.1:0",
	}
	behind := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == gateway })
	set = append(set, "gateway.modules="+strings.Join(behind, ","))
	if name != gateway {
		set = append(set, "http.addr=127.0.0.1:0", "ops.addr=127.0.0.1:0", "http.trusted_proxies=127.0.0.1/32")
	}
	return set
}

// freeLoopback finds an address of this machine that nobody listens at.
func freeLoopback(ctx context.Context) (string, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
