package module

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"stoa/modules/orders/internal/replay"
	"stoa/platform/module"
)

// commands are the module's part of the command line.
func (m *wiring) commands(run module.Run) []*cobra.Command {
	return []*cobra.Command{m.rebuild(run), replay.Command()}
}

func (m *wiring) rebuild(run module.Run) *cobra.Command {
	var after string
	cmd := &cobra.Command{
		Use:   "rebuild",
		Short: "Make what is read of orders anew from their events",
		Long: `Make what is read of orders anew from their events.

It may be run while the shop serves, and run again at any time: orders that
change meanwhile are not set back. One that was interrupted can go on where it
stopped, with --after and the id it told last.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), func(ctx context.Context) error {
				total, err := m.service.CountOrders(ctx, after)
				if err != nil {
					return err
				}
				p := newProgress(cmd.ErrOrStderr(), total)
				last := after
				err = m.service.Rebuild(ctx, after, func(orders int, id string) {
					last = id
					p.add(orders, id)
				})
				p.end()
				if err != nil {
					if last != "" {
						return fmt.Errorf("stopped after order %s (go on with --after %s): %w", last, last, err)
					}
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d orders were made anew\n", p.done)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&after, "after", "", "begin after the order with this id")
	return cmd
}

// progress tells how far a command is: by a bar on a terminal, by lines elsewhere.
type progress struct {
	out   io.Writer
	bar   *progressbar.ProgressBar // nil where out is no terminal
	done  int64
	total int64
	told  int64 // tenths of the whole that were told of
}

func newProgress(out io.Writer, total int64) *progress {
	p := &progress{out: out, total: total}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(f), progressbar.OptionShowCount(),
			progressbar.OptionSetDescription("orders"), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish())
	}
	return p
}

// add tells of n more, the last of which has this id. Lines are written for
// each tenth of the whole.
func (p *progress) add(n int, last string) {
	p.done += int64(n)
	if p.bar != nil {
		_ = p.bar.Add(n) // what cannot be shown is not missed
		return
	}
	if tenths := p.done * 10 / max(p.total, 1); tenths > p.told {
		p.told = tenths
		fmt.Fprintf(p.out, "%d of %d orders, the last is %s\n", p.done, p.total, last)
	}
}

// end takes away what is left on the screen.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear() // as above
	}
}
