package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stoa/platform/clock"
	"stoa/platform/module"
)

// lettersAtOnce is how many dead letters are read at a time.
const lettersAtOnce = 200

func eventsCommand(modules []module.Module, f *flags) *cobra.Command {
	group := &cobra.Command{Use: "events", Short: "Look after events: those that a handler could not deal with, and those to publish again"}
	letters := &cobra.Command{Use: "dead-letters", Short: "Events that a handler could not deal with"}
	letters.AddCommand(listLetters(modules, f), replayLetter(modules, f))
	group.AddCommand(letters, replayEvents(modules, f))
	return group
}

func listLetters(modules []module.Module, f *flags) *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the dead letters of all modules that have their data here, or of those named",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withShop(cmd.Context(), modules, names, f, func(ctx context.Context, sh *shop) error {
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tHANDLER\tEVENT\tAGGREGATE\tATTEMPTS\tRECEIVED\tERROR")
				for _, h := range sh.hosts {
					if h.DB == nil {
						continue
					}
					for after := int64(0); ; {
						list, err := h.Inbox.DeadLetters(ctx, after, lettersAtOnce)
						if err != nil {
							return err
						}
						for _, l := range list {
							fmt.Fprintf(w, "%s/%d\t%s\t%s\t%s\t%d\t%s\t%s\n", h.Module, l.ID, l.Handler, l.Event.Type, l.Event.Subject,
								l.Attempts, l.ReceivedAt.Format(time.RFC3339), strconv.QuoteToGraphic(l.Error))
							after = l.ID
						}
						if len(list) < lettersAtOnce {
							break
						}
					}
				}
				return w.Flush()
			})
		},
	}
	modulesFlag(cmd, &names)
	return cmd
}

func replayLetter(modules []module.Module, f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "replay MODULE/ID",
		Short: "Have the handler try a dead letter again, once what stood in its way is gone",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, digits, _ := strings.Cut(args[0], "/")
			id, err := strconv.ParseInt(digits, 10, 64)
			if err != nil {
				return fmt.Errorf("%q is no dead letter; \"stoa events dead-letters list\" names them, such as orders/17", args[0])
			}
			return withShop(cmd.Context(), modules, []string{name}, f, func(ctx context.Context, sh *shop) error {
				for _, h := range sh.hosts {
					if h.Module == name && h.DB != nil {
						return h.Inbox.Replay(ctx, id)
					}
				}
				return fmt.Errorf("module %s has no events", name)
			})
		},
	}
}

func replayEvents(modules []module.Module, f *flags) *cobra.Command {
	var name, since string
	cmd := &cobra.Command{
		Use:   "replay --module M --since T",
		Short: "Publish the events of a module once more that it published since then",
		Long: `Publish the events of a module once more that it published at T or later and that
are still kept (outbox.retention). It is for a broker that lost what it had, and
for a module whose inbox did. Whoever has had an event does nothing. It may be run
while the shop serves, and again where it was cut short.`,
		Example: "  stoa events replay --module orders --since 2026-03-01T00:00:00Z\n  stoa events replay --module orders --since 24h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := instant(since, clock.System().Now())
			if err != nil {
				return err
			}
			return withShop(cmd.Context(), modules, nil, f, func(ctx context.Context, sh *shop) error {
				return sh.republish(ctx, name, from, func(n int64) error {
					_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d events of %s were published again\n", n, name)
					return err
				})
			})
		},
	}
	cmd.Flags().StringVar(&name, "module", "", "module whose events it is about")
	cmd.Flags().StringVar(&since, "since", "", "instant (RFC 3339), or how long ago, such as 24h")
	_, _ = cmd.MarkFlagRequired("module"), cmd.MarkFlagRequired("since") // fail only for flags that there are not
	return cmd
}

// instant reads a point in time: one of RFC 3339, or so long before now.
func instant(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--since %q is neither an instant such as 2026-03-01T00:00:00Z nor a time such as 24h", text)
	}
	return at, nil
}

// republish publishes the events of a module again. In one process what listens
// is told here: its inbox is where the process that serves finds them.
func (sh *shop) republish(ctx context.Context, name string, since time.Time, tell func(n int64) error) error {
	carrier, closeBus, err := sh.network.publisher(ctx, sh)
	if err != nil {
		return err
	}
	for _, h := range sh.hosts {
		if h.Module != name || h.DB == nil {
			continue
		}
		n, err := h.Outbox.Replay(ctx, since, carrier)
		return errors.Join(tell(n), err, closeBus())
	}
	return errors.Join(fmt.Errorf("module %s does not run here or publishes nothing", name), closeBus())
}

// withShop opens the modules that are named, or configured to run here, and
// what those need, as for a command beside a shop that serves.
func withShop(ctx context.Context, modules []module.Module, names []string, f *flags, do func(ctx context.Context, sh *shop) error) error {
	s, _, err := load(modules, f.files, f.set)
	if err != nil {
		return err
	}
	here, err := choose(modules, s.Modules.Modules)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return openFor(ctx, s, here, do)
	}
	var all []module.Module
	for _, name := range names {
		list, err := needed(modules, here, name)
		if err != nil {
			return err
		}
		for _, m := range list {
			if !has(all, m.Name) {
				all = append(all, m)
			}
		}
	}
	return openFor(ctx, s, all, do)
}

// openFor opens a shop for a command, and closes it again.
func openFor(ctx context.Context, s *settings, modules []module.Module, do func(ctx context.Context, sh *shop) error) error {
	p, stop, err := newParts(ctx, s, clock.System())
	if err != nil {
		return err
	}
	sh, err := open(ctx, s, modules, p, false)
	if err != nil {
		return errors.Join(err, stop(context.WithoutCancel(ctx)))
	}
	err = do(ctx, sh)
	return errors.Join(err, sh.close(context.WithoutCancel(ctx)), stop(context.WithoutCancel(ctx)))
}
