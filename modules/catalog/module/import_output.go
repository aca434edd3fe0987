package module

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"stoa/modules/catalog/internal/service"
	"stoa/platform/module"
)

// progress tells how far an import is: by a bar on a terminal, by a line for
// each tenth elsewhere.
type progress struct {
	out   io.Writer
	bar   *progressbar.ProgressBar // nil until rows are counted, and where out is no terminal
	begun bool
	waits bool
	tenth int64
}

func (p *progress) show(i service.Import) {
	switch {
	case i.Status == "queued" && !p.waits:
		p.waits = true
		fmt.Fprintln(p.out, "waiting for the imports before this one")
		return
	case i.RowsTotal == 0:
		return
	case !p.begun:
		p.begin(i.RowsTotal)
	}
	if p.bar != nil {
		_ = p.bar.Set64(i.RowsDone) // what cannot be shown is not missed
		return
	}
	if tenth := i.RowsDone * 10 / i.RowsTotal; tenth > p.tenth {
		p.tenth = tenth
		fmt.Fprintf(p.out, "%d of %d rows\n", i.RowsDone, i.RowsTotal)
	}
}

func (p *progress) begin(rows int64) {
	p.begun = true
	if f, ok := p.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(rows, progressbar.OptionSetWriter(f), progressbar.OptionShowCount(),
			progressbar.OptionSetDescription("rows"), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish())
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish() // it is only taken off the screen
	}
}

// report tells what an import did. Errors: why it failed, and
// module.ErrReported where rows were refused.
func report(out io.Writer, i service.Import) error {
	if len(i.Errors) > 0 {
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ROW\tCOLUMN\tWHAT IS WRONG")
		for _, e := range i.Errors {
			fmt.Fprintf(table, "%d\t%s\t%s\n", e.Row, printable(e.Column), printable(e.Message))
		}
		if err := table.Flush(); err != nil {
			return err
		}
		if more := i.ErrorsTotal - int64(len(i.Errors)); more > 0 {
			fmt.Fprintf(out, "and %d more\n", more)
		}
		fmt.Fprintln(out)
	}
	if i.Failure != nil {
		return errors.New(*i.Failure)
	}
	var took string
	if i.StartedAt != nil && i.FinishedAt != nil {
		took = " in " + i.FinishedAt.Sub(*i.StartedAt).Round(time.Millisecond).String()
	}
	what := ""
	if i.DryRun {
		what = "dry run, nothing was changed: "
	}
	if _, err := fmt.Fprintf(out, "%s%d rows%s; products: %d created, %d updated, %d unchanged; rows refused: %d\n", what, i.RowsDone, took,
		i.ProductsCreated, i.ProductsUpdated, i.ProductsUnchanged, i.RowsSkipped); err != nil {
		return err
	}
	if i.ErrorsTotal > 0 {
		return module.ErrReported
	}
	return nil
}

// printable gives text from a file as a terminal may show it, on one line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
