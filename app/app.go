// Package app is the composition root: it reads the configuration, chooses
// which of the modules that it was handed run here, brings their databases up
// to date, starts them after those they need, serves until it is told to stop,
// and drains.
//
// Only commands under cmd import it. It never imports a module.
package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"stoa/platform/config"
	"stoa/platform/module"
)

// What the build sets, by -ldflags -X.
var (
	version = "dev"
	commit  = ""
)

// Main runs the command line of a binary that links these modules, and exits.
func Main(modules ...module.Module) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := Command(modules...).ExecuteContext(ctx)
	stop()
	if err != nil {
		var faults *config.Error
		switch {
		case errors.Is(err, module.ErrReported):
		case errors.As(err, &faults):
			fmt.Fprintln(os.Stderr, faults)
		default:
			fmt.Fprintln(os.Stderr, "stoa:", err)
		}
		os.Exit(1)
	}
}

// flags are what every command takes.
type flags struct {
	files []string
	set   []string
}

// modulesFlag adds the flag that names the modules of a process.
func modulesFlag(cmd *cobra.Command, names *[]string) {
	cmd.Flags().StringSliceVar(names, "modules", nil, "modules that run here; all where none is named")
}

// chosen gives the settings, and the modules that they or the flag --modules
// name.
func (f *flags) chosen(cmd *cobra.Command, modules []module.Module, names []string) (*settings, []module.Module, error) {
	set := f.set
	if cmd.Flags().Changed("modules") {
		set = append(set, "modules="+strings.Join(names, ","))
	}
	s, _, err := load(modules, f.files, set)
	if err != nil {
		return nil, nil, err
	}
	chosen, err := choose(modules, s.Modules.Modules)
	return s, chosen, err
}

// Command gives the command line of a binary that links these modules.
func Command(modules ...module.Module) *cobra.Command {
	var f flags
	root := &cobra.Command{
		Use:           "stoa",
		Short:         "A shop backend: users, catalog, orders, payments, under one roof or split",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringArrayVar(&f.files, "config", nil, "configuration file (YAML); may be given more than once, later ones win")
	root.PersistentFlags().StringArrayVar(&f.set, "set", nil, "key=value, above files and environment; may be given more than once")
	root.AddCommand(
		serveCommand(modules, &f),
		devCommand(modules, &f),
		topologyCommand(modules, &f),
		eventsCommand(modules, &f),
		migrateCommand(modules, &f),
		dataCommand(modules, &f),
		configCommand(modules, &f),
		openapiCommand(modules, &f),
		versionCommand(),
	)
	for _, m := range modules {
		if m.Commands == nil {
			continue
		}
		group := &cobra.Command{Use: m.Name, Short: "Commands of the " + m.Name + " module"}
		group.AddCommand(m.Commands(runner(modules, m.Name, &f))...)
		root.AddCommand(group)
	}
	return root
}

// runner starts one module and what it needs for a command.
func runner(modules []module.Module, name string, f *flags) module.Run {
	return func(ctx context.Context, fn func(ctx context.Context) error) error {
		return withShop(ctx, modules, []string{name}, f, func(ctx context.Context, _ *shop) error { return fn(ctx) })
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "stoa %s, commit %s, %s %s/%s\n", version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// revision is the commit that was built: as the build said, or as Go found it.
func revision() string {
	if commit != "" {
		return commit
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}
