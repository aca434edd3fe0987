package app

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"stoa/platform/module"
	"stoa/platform/rpc"
)

func topologyCommand(modules []module.Module, f *flags) *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "topology",
		Short: "Tell what runs here, what each module needs, where it would be found, and what is missing",
		Long: `Tell, for this configuration and without running anything, which modules run in
this process, what each of them needs, where it would be found, and what is
missing. Where something is, the exit status is 1, and "stoa serve" refuses to
start with the same words.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, chosen, err := f.chosen(cmd, modules, names)
			if err != nil {
				return err
			}
			return printTopology(cmd.OutOrStdout(), s, modules, chosen)
		},
	}
	modulesFlag(cmd, &names)
	return cmd
}

// printTopology tells what there is even where something is missing; its error
// is what that is.
func printTopology(out io.Writer, s *settings, linked, here []module.Module) error {
	_, fault := newPlan(s, here)
	p := &plan{settings: s, here: here}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "MODULE\tRUNS\tDATA\tNEEDS")
	for _, m := range linked {
		if !has(here, m.Name) {
			where, err := p.find(m.Name)
			if err != nil {
				where = "nowhere that this process could reach"
			}
			fmt.Fprintf(w, "%s\telsewhere\t\t%s\n", m.Name, where)
			continue
		}
		data := "none"
		if m.Migrations != nil {
			data = databaseOf(s, m.Name)
		}
		fmt.Fprintf(w, "%s\there\t%s\t%s\n", m.Name, data, p.needs(m))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nevents   %s\n", p.events())
	if p.networked() {
		how := "straight to an instance; this process would listen at " + s.RPC.Addr
		if s.RPC.Driver == rpc.DriverNATS {
			how = "through the broker"
		}
		fmt.Fprintf(out, "calls    %s\n", how)
	}
	if fault != nil {
		fmt.Fprintln(out)
	}
	return fault
}

// needs says what a module needs and where that is.
func (p *plan) needs(m module.Module) string {
	if len(m.Needs) == 0 {
		return "nothing"
	}
	var list []string
	for _, name := range m.Needs {
		where := "here"
		if !has(p.here, name) {
			found, err := p.find(name)
			if err != nil {
				found = "MISSING"
			}
			where = found
		}
		list = append(list, name+" ("+where+")")
	}
	return strings.Join(list, ", ")
}
