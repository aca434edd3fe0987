package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"stoa/platform/db"
	"stoa/platform/module"
)

func migrateCommand(modules []module.Module, f *flags) *cobra.Command {
	var names []string
	group := &cobra.Command{Use: "migrate", Short: "Bring schemas up to date, take the last change back, or tell where they are"}
	group.PersistentFlags().StringSliceVar(&names, "modules", nil, "modules whose schema it is about; all where none is named")

	each := func(cmd *cobra.Command, do func(m module.Module, d *db.DB) error) error {
		s, _, err := load(modules, f.files, f.set)
		if err != nil {
			return err
		}
		chosen, err := choose(modules, names)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(s.Data.Dir, 0o700); err != nil {
			return fmt.Errorf("data.dir: %w", err)
		}
		for _, m := range chosen {
			if m.Migrations == nil {
				continue
			}
			d, err := s.Database.Open(cmd.Context(), m.Name, s.Data.Dir, db.Options{})
			if err != nil {
				return err
			}
			if err := errors.Join(do(m, d), d.Close()); err != nil {
				return err
			}
		}
		return nil
	}
	status := func(cmd *cobra.Command) error {
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "MODULE\tSET\tMIGRATION\tAPPLIED")
		err := each(cmd, func(m module.Module, d *db.DB) error {
			list, err := d.Migrations(cmd.Context(), m.Migrations)
			for _, one := range list {
				applied := "no"
				if one.Applied {
					applied = "yes"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", m.Name, one.Set, one.Name, applied)
			}
			return err
		})
		return errors.Join(err, w.Flush())
	}
	step := func(do func(ctx context.Context, m module.Module, d *db.DB) error) func(cmd *cobra.Command, _ []string) error {
		return func(cmd *cobra.Command, _ []string) error {
			if err := each(cmd, func(m module.Module, d *db.DB) error { return do(cmd.Context(), m, d) }); err != nil {
				return err
			}
			return status(cmd)
		}
	}
	group.AddCommand(
		&cobra.Command{
			Use: "up", Short: "Bring schemas up to date", Args: cobra.NoArgs,
			RunE: step(func(ctx context.Context, m module.Module, d *db.DB) error { return d.Migrate(ctx, m.Migrations) }),
		},
		&cobra.Command{
			Use: "down", Short: "Take the last change of each module's schema back; what it held is lost", Args: cobra.NoArgs,
			RunE: step(func(ctx context.Context, m module.Module, d *db.DB) error { return d.MigrateDown(ctx, m.Migrations) }),
		},
		&cobra.Command{
			Use: "status", Short: "Tell which changes are applied", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return status(cmd) },
		},
	)
	return group
}
