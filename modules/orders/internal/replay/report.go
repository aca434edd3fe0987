package replay

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"stoa/modules/orders/internal/replay/history"
	"stoa/platform/money"
)

// most is how many refusals and differences are told of one by one.
const most = 50

// report writes to out; the first failure to do so is remembered.
type report struct {
	out io.Writer
	err error
}

func (w *report) line(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format+"\n", args...)
	}
}

// account tells of every line of the file that is no order, by what became of it.
func (w *report) account(p *history.Plan) {
	byFate := map[history.Fate][]history.Entry{}
	for _, e := range p.Entries {
		byFate[e.Fate] = append(byFate[e.Fate], e)
	}
	for _, fate := range history.Fates {
		entries := byFate[fate]
		if fate == history.Ordered || len(entries) == 0 {
			continue
		}
		w.line("\n%s (%s)", fate, plural(linesOf(entries), "line"))
		for _, e := range entries {
			l := p.Lines[e.Line]
			text := fmt.Sprintf("  line %d: %s %s %d × %s", l.Number, l.Invoice, l.Code, l.Quantity, l.Price)
			if pieces := max(l.Quantity, -l.Quantity); pieces != e.Pieces {
				text += fmt.Sprintf(", %d of them", e.Pieces)
			}
			if e.Note != "" {
				text += ": " + e.Note
			}
			w.line("%s", text)
		}
	}
}

// lines tells how many lines of the file came to what.
func (w *report) lines(p *history.Plan) {
	byFate, pieces := map[history.Fate][]history.Entry{}, map[history.Fate]int64{}
	for _, e := range p.Entries {
		byFate[e.Fate] = append(byFate[e.Fate], e)
		pieces[e.Fate] += e.Pieces
	}
	invoices := map[string]bool{}
	for _, l := range p.Lines {
		invoices[l.Invoice] = true
	}
	w.line("\n%s on %s", plural(len(p.Lines), "line"), plural(len(invoices), "invoice"))
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, fate := range history.Fates {
		if n := linesOf(byFate[fate]); n > 0 {
			fmt.Fprintf(t, "%d\tlines\t%d\tpieces\t", n, pieces[fate])
			fmt.Fprintf(t, " %s\n", fate)
		}
	}
	w.flush(t)
}

// linesOf counts the lines that entries are of: one may have several.
func linesOf(entries []history.Entry) int {
	seen := map[int]bool{}
	for _, e := range entries {
		seen[e.Line] = true
	}
	return len(seen)
}

func (w *report) flush(t *tabwriter.Writer) {
	if err := t.Flush(); w.err == nil {
		w.err = err
	}
}

// done tells what was carried out and what was refused.
func (w *report) done(r *replay) {
	res := &r.result
	planned, returns := 0, 0
	for _, b := range r.buyers {
		for _, s := range b.Steps {
			if s.Order != nil {
				planned++
			} else {
				returns++
			}
		}
	}
	w.line("\nplaced: %d of %s, %d of them by earlier runs", len(res.placed), plural(planned, "order"), res.found)
	w.line("given back: %d of %d returns (%d orders cancelled, %d refunded in part)", res.cancelled+res.refunded, returns, res.cancelled, res.refunded)
	w.line("made in this run: %s, %s, %s; %d pieces put in", plural(res.products, "product"), plural(res.accounts, "account"), plural(res.orders, "order"), res.in)
	w.line("written off: %d pieces", res.out)

	if len(res.refusals) == 0 {
		w.line("refused: nothing")
		return
	}
	why := map[string]int{}
	for _, f := range res.refusals {
		why[reasonOf(f.why)]++
	}
	w.line("refused: %d", len(res.refusals))
	for _, code := range sortedKeys(why) {
		w.line("  %6d  %s", why[code], code)
	}
	for i, f := range res.refusals {
		if i == most {
			w.line("  … and %d more", len(res.refusals)-most)
			break
		}
		w.line("  %s: %v", f.what, f.why)
	}
}

// reasonOf gives a refusal in a word.
func reasonOf(err error) string {
	if p := refusal(err); p != nil {
		return p.Code
	}
	return err.Error()
}

func sortedKeys(m map[string]int) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// speed tells how fast it went.
func (w *report) speed(r *replay) {
	res := &r.result
	w.line("\ntook %s, %s of it for invoices", round(r.clock.Now().Sub(r.began)), round(res.serving))
	if res.orders > 0 && res.serving > 0 {
		w.line("%.1f orders/s with %d customers at once", float64(res.orders)/res.serving.Seconds(), r.concurrency)
		w.line("from checkout to confirmed: %s", quantiles(res.checkouts))
		w.line("from the empty cart to confirmed: %s", quantiles(res.baskets))
	}
	w.line("%d requests, %d answered with 429, %d repeated because the shop failed", r.shop.requests.Load(), r.shop.throttled.Load(), r.shop.repeated.Load())
}

func quantiles(times []time.Duration) string {
	if len(times) == 0 {
		return "none"
	}
	sorted := slices.Sorted(slices.Values(times))
	at := func(percent int) time.Duration { return round(sorted[(len(sorted)-1)*percent/100]) }
	return fmt.Sprintf("p50 %s, p95 %s, p99 %s, longest %s", at(50), at(95), at(99), at(100))
}

func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

// money tells what went in and out, by the shop's books and by the file.
func (w *report) money(r *replay, b books) {
	var in, out, fileIn, fileOut []money.Money
	for o, p := range r.result.placed {
		in, out = append(in, b.captured[p.id]), append(out, b.refunded[p.id])
		fileIn, fileOut = append(fileIn, o.Total), append(fileOut, p.back)
	}
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\n\tin\tout\tleft\t")
	w.balance(t, r.plan.Currency, "shop", in, out)
	w.balance(t, r.plan.Currency, "file", fileIn, fileOut)
	w.flush(t)
}

func (w *report) balance(t *tabwriter.Writer, currency, name string, in, out []money.Money) {
	sumIn, err := money.Sum(currency, in...)
	sumOut, errOut := money.Sum(currency, out...)
	if err != nil || errOut != nil {
		fmt.Fprintf(t, "%s\tcannot be added up\t\t\t\n", name)
		return
	}
	left, err := sumIn.Sub(sumOut)
	if err != nil {
		fmt.Fprintf(t, "%s\t%s\t%s\tcannot be told\t\n", name, sumIn, sumOut)
		return
	}
	fmt.Fprintf(t, "%s\t%s\t%s\t%s\t\n", name, sumIn, sumOut, left)
}

// outcome tells whether shop and file agree.
func (w *report) outcome(r *replay, differences []string) {
	if len(differences) == 0 {
		variants := 0
		for _, s := range r.stock {
			if s.usable {
				variants++
			}
		}
		w.line("\nOK: the money of %s and the stock of %s are what the file says", plural(len(r.result.placed), "order"), plural(variants, "variant"))
		return
	}
	w.line("\n%s", plural(len(differences), "difference"))
	slices.Sort(differences)
	for i, difference := range differences {
		if i == most {
			w.line("  … and %d more", len(differences)-most)
			break
		}
		w.line("  %s", difference)
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, strings.TrimSuffix(what, "s"))
}
