package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stoa/platform/db"
	"stoa/platform/module"
)

// copyStatement is how long a single statement of a copy may take: it reads a
// whole table when it compares.
const copyStatement = time.Hour

func dataCommand(modules []module.Module, f *flags) *cobra.Command {
	var (
		names    []string
		from, to string
	)
	group := &cobra.Command{Use: "data", Short: "Move what modules keep"}
	cmd := &cobra.Command{
		Use:   "copy --to postgres://…",
		Short: "Copy a shop from its SQLite files to PostgreSQL",
		Long: `Copy what modules keep in SQLite files below data.dir to PostgreSQL, a schema for
each, and compare the number of rows and the sums of all columns.

Stop the shop first. A module arrives whole or not at all, so a copy that was cut
short can be run again; what has arrived is compared and not written again. A
target that holds other data is refused. The files stay as they are. Afterwards
set database.url, and start the shop.`,
		Example: "  stoa data copy --from sqlite --to postgres://stoa:…@db.internal/shop",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, chosen, err := f.chosen(cmd, modules, names)
			if err != nil {
				return err
			}
			if from != "sqlite" {
				return fmt.Errorf("--from %q: only sqlite can be copied from", from)
			}
			target := db.DefaultConfig()
			target.URL, target.StatementTimeout, target.LockTimeout = to, copyStatement, copyStatement
			if err := target.Validate(); err != nil || to == "sqlite" {
				return errors.New("--to must be postgres://user:password@host:port/database")
			}
			return copyData(cmd.Context(), cmd.OutOrStdout(), s, chosen, &target)
		},
	}
	cmd.Flags().StringVar(&from, "from", "sqlite", "where the data is")
	cmd.Flags().StringVar(&to, "to", "", "where it goes, postgres://user:password@host:port/database")
	modulesFlag(cmd, &names)
	_ = cmd.MarkFlagRequired("to") // fails only for a flag that there is not
	group.AddCommand(cmd)
	return group
}

// copyData copies each module and tells what it did.
func copyData(ctx context.Context, out io.Writer, s *settings, modules []module.Module, target *db.Config) (err error) {
	source := db.DefaultConfig()
	sh := &shop{settings: &settings{Data: s.Data, Database: source}, modules: modules}
	defer func() { err = errors.Join(err, sh.close(context.WithoutCancel(ctx))) }()
	if err := sh.lockData(); err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "MODULE\tTABLE\tROWS\t")
	for _, m := range modules {
		if m.Migrations == nil {
			continue
		}
		if _, err := os.Stat(source.File(m.Name, s.Data.Dir)); err != nil {
			return fmt.Errorf("%s keeps nothing here: %w", m.Name, err)
		}
		copied, err := copyModule(ctx, out, s, m, &source, target)
		if err != nil {
			return errors.Join(table.Flush(), err)
		}
		for _, c := range copied {
			note := ""
			if c.Before {
				note = " there already"
			}
			fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", m.Name, c.Table, c.Rows, note)
		}
	}
	return table.Flush()
}

func copyModule(ctx context.Context, out io.Writer, s *settings, m module.Module, source, target *db.Config) (_ []db.Copied, err error) {
	from, err := source.Open(ctx, m.Name, s.Data.Dir, db.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := target.Open(ctx, m.Name, s.Data.Dir, db.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := errors.Join(from.Migrate(ctx, m.Migrations), to.Migrate(ctx, m.Migrations)); err != nil {
		return nil, err
	}
	show := &copyProgress{out: out, module: m.Name}
	defer show.end()
	return db.Copy(ctx, from, to, show.table)
}

// copyProgress shows how far a table is: a bar on a terminal, nothing elsewhere,
// where the table at the end says it all.
type copyProgress struct {
	out    io.Writer
	module string
	name   string
	bar    *progressbar.ProgressBar
}

func (p *copyProgress) table(name string, done, total int64) {
	f, ok := p.out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || total == 0 {
		return
	}
	if name != p.name {
		p.end()
		p.name = name
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(f), progressbar.OptionShowCount(),
			progressbar.OptionSetDescription(p.module+"."+name), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	_ = p.bar.Set64(done) // what cannot be shown is not missed
}

func (p *copyProgress) end() {
	if p.bar != nil {
		_ = p.bar.Finish() // it is only taken off the screen
	}
}
