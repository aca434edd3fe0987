package replay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"stoa/modules/orders/internal/replay/history"
	"stoa/platform/clock"
	"stoa/platform/module"
)

// passwordVariable holds the administrator's password where it does not come
// from standard input. It does not begin as the variables of the configuration do.
const passwordVariable = "REPLAY_PASSWORD"

// maxPassword is how much of standard input is read for a password, in bytes.
const maxPassword = 4096

type flags struct {
	options
	limit      int
	currency   string
	account    string
	fromStdin  bool
	unverified bool
}

// Command gives `stoa orders replay`.
func Command() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Replay an Online Retail invoice history through a running shop",
		Long: `Replay an Online Retail invoice history through a running shop.

FILE is in the format of the Online Retail data set (UCI), plain or gzipped.
All is done through the public API, as an administrator and as the customers.
A replay that was cut short is finished by running it again.

` + rules,
		Example: "  echo secret | stoa orders replay online-retail.csv.gz --email admin@example.com --password-stdin",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cmd.SilenceUsage = true
			return f.run(cmd, args[0])
		},
	}
	set := cmd.Flags()
	set.StringVar(&f.url, "url", "http://127.0.0.1:8080", "where the shop is")
	set.StringVar(&f.email, "email", "", "e-mail address of an administrator")
	set.BoolVar(&f.fromStdin, "password-stdin", false, "read the administrator's password from the first line of standard input, not from "+passwordVariable)
	set.IntVar(&f.concurrency, "concurrency", 8, "how many customers are served at once")
	set.IntVar(&f.limit, "limit", 0, "replay the first so many invoices; 0 is all")
	set.StringVar(&f.currency, "currency", "GBP", "currency of the file's prices")
	set.StringVar(&f.seed, "seed", "stoa", "what the customers' passwords are made of")
	set.StringVar(&f.account, "account", "-", "file for the account of every line that is no order; - is the output, empty is none")
	set.BoolVar(&f.unverified, "no-verify", false, "do not compare the shop with the file at the end")
	_ = cmd.MarkFlagRequired("email") // fails only for a flag that there is not
	return cmd
}

// rules are those of package history, for those who run it.
const rules = `Each stock code is a product and each of its prices a variant, with the SKU
<code>-<price in minor units>; a code's stock is their sum, and all that the
file takes out is put in before. Each customer is an account, each invoice
without one a guest's. Each invoice is a cart and an order (several where one
cart cannot hold it). What a C invoice takes back of what its customer had
bought before at that price cancels the order where that is all of it, else it
is refunded and its stock put back; what is taken back line for line comes
first, then the latest purchases. Negative quantities on other invoices are
written off from the variant of the code that the file sells first.

Left out, each line with its reason, are: codes that name no goods (fewer than
four digits and no DCGS before them: POST, DOT, M, D, S, C2, BANK CHARGES,
AMAZONFEE …), prices of zero, below zero or not of whole minor units,
cancellations without a customer or of what was not bought, write-offs of what
is never sold, and lines that cannot be read.`

func (f *flags) check() error {
	u, err := url.Parse(f.url)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("--url %q is no address such as http://127.0.0.1:8080", f.url)
	case f.concurrency < 1 || f.concurrency > 1000:
		return errors.New("--concurrency is from 1 to 1000")
	case f.limit < 0:
		return errors.New("--limit is not below 0")
	}
	f.url = strings.TrimRight(f.url, "/")
	return nil
}

func (f *flags) run(cmd *cobra.Command, path string) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := f.readPassword(cmd.InOrStdin()); err != nil {
		return err
	}
	plan, err := f.readPlan(path)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return carryOut(ctx, newReplay(f.options, plan, clock.System(), newProgress(cmd.ErrOrStderr())), &outputs{
		report: &report{out: cmd.OutOrStdout()}, account: f.account, verify: !f.unverified,
	})
}

func (f *flags) readPassword(in io.Reader) error {
	if !f.fromStdin {
		f.password = os.Getenv(passwordVariable)
		if f.password == "" {
			return fmt.Errorf("the administrator's password comes from %s or, with --password-stdin, from standard input", passwordVariable)
		}
		return nil
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxPassword)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the password: %w", err)
	}
	f.password = strings.TrimRight(line, "\r\n")
	return nil
}

func (f *flags) readPlan(path string) (plan *history.Plan, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines, err := history.Read(file, f.limit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.file = strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".gz"), ".csv")
	if plan, err = history.NewPlan(lines, f.currency); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return plan, nil
}

// outputs are where a run tells of itself.
type outputs struct {
	report  *report
	account string
	verify  bool
}

// carryOut runs a replay, compares the shop with the file, and tells of both.
// Error: module.ErrReported where something of it was told already.
func carryOut(ctx context.Context, r *replay, o *outputs) error {
	if err := o.writeAccount(r.plan); err != nil {
		return err
	}
	failed := r.run(ctx)
	w := o.report
	w.lines(r.plan)
	w.done(r)
	w.speed(r)
	switch {
	case failed != nil && ctx.Err() != nil:
		w.line("\nstopped before the end; run it again to finish it")
		return errors.Join(w.err, module.ErrReported)
	case failed != nil:
		w.line("\nnot finished; run it again to finish it")
		return errors.Join(w.err, failed)
	case !o.verify:
		return w.err
	}
	differences, b, err := r.verify(ctx)
	if err != nil {
		w.line("\nnot compared to the end; run it again to compare shop and file")
		return errors.Join(w.err, err)
	}
	w.money(r, b)
	w.outcome(r, differences)
	if len(differences) > 0 {
		return errors.Join(w.err, module.ErrReported)
	}
	return w.err
}

// writeAccount tells of every line that is no order.
func (o *outputs) writeAccount(p *history.Plan) (err error) {
	switch o.account {
	case "":
		return nil
	case "-":
		o.report.account(p)
		return o.report.err
	}
	file, err := os.Create(o.account)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriter(file)
	w := &report{out: buffered}
	w.account(p)
	return errors.Join(w.err, buffered.Flush())
}
