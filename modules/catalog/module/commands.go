package module

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"stoa/modules/catalog/internal/service"
	"stoa/platform/errs"
	"stoa/platform/module"
)

// commands are the module's part of the command line.
func (m *wiring) commands(run module.Run) []*cobra.Command {
	return []*cobra.Command{m.importFile(run), m.exportFile(run)}
}

// standardFile stands for standard input or output.
const standardFile = "-"

func (m *wiring) importFile(run module.Run) *cobra.Command {
	var o service.ImportOptions
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import a file of products",
		Long: `Import a file of products; - is standard input. It may be run while the shop
serves.

Formats are the product CSV of Shopify (shopify), a table with a row for each
variant (csv) and JSON (json); without --format the file tells. Products are
known by their slugs, variants by their SKUs. What the file says nothing of
stays: columns that are missing, variants and products that are not named. A
quantity sets what is on hand. A product with a bad cell is refused as a whole
and the others are imported; the refused rows are listed at the end, and the
exit status is 1. The same file again changes nothing.

Files are imported one after the other, in the order in which they came.
Ctrl-C ends an import; what it has done stays. One that was killed is not lost:
the shop goes on with it where it stopped when it serves, within seconds, and
so does the next import, before its own file.`,
		Example: "  stoa catalog import products.csv --dry-run\n  stoa catalog import products_export.csv --format shopify --currency EUR\n  zcat products.json.gz | stoa catalog import - --format json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, in := args[0], cmd.InOrStdin()
			if name != standardFile {
				file, err := os.Open(name)
				if err != nil {
					return err
				}
				defer func() { _ = file.Close() }() // it was only read
				in = file
			}
			return run(cmd.Context(), func(ctx context.Context) error {
				p := &progress{out: cmd.ErrOrStderr()}
				done, err := m.service.ImportFile(ctx, in, name, o, p.show)
				p.end()
				switch {
				case errors.Is(err, context.Canceled):
					return errors.New("the import was stopped; what was imported until then stays")
				case err != nil:
					return plain(name, err)
				}
				return report(cmd.OutOrStdout(), done)
			})
		},
	}
	cmd.Flags().StringVar(&o.Format, "format", "", "shopify, json or csv; told by the file where it is left out")
	cmd.Flags().StringVar(&o.Mode, "mode", service.ImportUpsert, "upsert makes products and changes those that are there; create refuses those that are there")
	cmd.Flags().StringVar(&o.Currency, "currency", "", "ISO 4217, of prices that name none (default shop.currency)")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "tell what would happen, and change nothing")
	return cmd
}

// plain says what is wrong with a request in the words of the command line.
func plain(name string, err error) error {
	e, ok := errs.As(err)
	if !ok || !errors.Is(err, errs.ErrInvalid) {
		return err
	}
	var list []string
	for _, f := range e.Fields {
		where := name
		if flag, ok := strings.CutPrefix(f.Location, "query."); ok {
			where = "--" + flag
		}
		list = append(list, printable(where+" "+f.Message))
	}
	return errors.New(strings.Join(list, "; "))
}

func (m *wiring) exportFile(run module.Run) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Export all products as a file",
		Long: `Export all products of all states, ordered by slug, to a file or to standard
output. An import reads it back to the same catalogue. A file is there whole or
not at all. It may be run while the shop serves.`,
		Example: "  stoa catalog export products.csv\n  stoa catalog export --format shopify > products_export.csv",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			to := standardFile
			if len(args) > 0 {
				to = args[0]
			}
			if format == "" {
				if format = "json"; strings.EqualFold(filepath.Ext(to), ".csv") {
					format = "csv"
				}
			}
			if _, _, err := service.ExportFile(format); err != nil {
				return plain(to, err)
			}
			return run(cmd.Context(), func(ctx context.Context) error {
				if to == standardFile {
					return m.service.Export(ctx, format, cmd.OutOrStdout())
				}
				return writeFile(to, func(w io.Writer) error { return m.service.Export(ctx, format, w) })
			})
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "shopify, json or csv (default: csv for a FILE that ends so, else json)")
	return cmd
}

// writeFile writes a file that takes its name only when it is whole and on disk.
func writeFile(path string, write func(w io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(file.Name(), path)
}
