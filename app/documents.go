package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"stoa/platform/clock"
	"stoa/platform/config"
	"stoa/platform/module"
	"stoa/platform/web"
)

func openapiCommand(modules []module.Module, f *flags) *cobra.Command {
	var yaml bool
	cmd := &cobra.Command{
		Use:   "openapi",
		Short: "Print the OpenAPI document without running anything",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, _, err := load(modules, f.files, f.set)
			if err != nil {
				return err
			}
			chosen, err := choose(modules, s.Modules.Modules)
			if err != nil {
				return err
			}
			server, err := web.New(s.HTTP, web.Deps{Clock: clock.System(), Title: title, Version: version, Description: description})
			if err != nil {
				return err
			}
			for _, m := range chosen {
				if m.Routes != nil {
					m.Routes(server.Router(m.Name, nil))
				}
			}
			text, err := server.OpenAPI(yaml)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&yaml, "yaml", false, "YAML instead of JSON")
	return cmd
}

func configCommand(modules []module.Module, f *flags) *cobra.Command {
	var onlyDefaults, onlyChanged bool
	group := &cobra.Command{Use: "config", Short: "Show or check the configuration"}
	show := &cobra.Command{
		Use:   "show",
		Short: "Print the whole configuration with the source of each value, secrets masked",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, loaded, err := load(modules, f.files, f.set)
			if err != nil {
				return err
			}
			mode := config.All
			switch {
			case onlyDefaults:
				mode = config.Defaults
			case onlyChanged:
				mode = config.Changed
			}
			return loaded.Show(cmd.OutOrStdout(), mode)
		},
	}
	show.Flags().BoolVar(&onlyDefaults, "defaults", false, "every key with its default and what it means")
	show.Flags().BoolVar(&onlyChanged, "changed", false, "only what is not the default")
	show.MarkFlagsMutuallyExclusive("defaults", "changed")
	check := &cobra.Command{
		Use:   "check",
		Short: "Tell every fault of the configuration, and whether the modules it names can run",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, _, err := load(modules, f.files, f.set)
			if err != nil {
				return err
			}
			chosen, err := choose(modules, s.Modules.Modules)
			if err != nil {
				return err
			}
			if _, err := newPlan(s, chosen); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "the configuration is good")
			return err
		},
	}
	group.AddCommand(show, check)
	return group
}
