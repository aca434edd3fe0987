package replay

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress tells how far a run is: by a bar on a terminal, by lines elsewhere.
// It is safe for concurrent use.
type progress interface {
	// begin tells that something begins, of so many steps; 0 is not known.
	begin(name string, steps int)
	// add tells that n steps are done.
	add(n int)
	// end takes away what is left on the screen.
	end()
}

func newProgress(out io.Writer) progress {
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &bar{out: f}
	}
	return &lines{out: out}
}

// bar is progress on a terminal.
type bar struct {
	out io.Writer

	mu  sync.Mutex
	bar *progressbar.ProgressBar
}

func (b *bar) begin(name string, steps int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finish()
	if steps == 0 {
		steps = -1 // a spinner
	}
	b.bar = progressbar.NewOptions(steps, progressbar.OptionSetWriter(b.out), progressbar.OptionSetDescription(name),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish())
}

func (b *bar) add(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.bar.Add(n) // what cannot be shown is not missed
}

func (b *bar) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finish()
}

func (b *bar) finish() {
	if b.bar != nil {
		_ = b.bar.Finish() // it is only taken off the screen
		b.bar = nil
	}
}

// lines is progress in a log: a line for each tenth.
type lines struct {
	out io.Writer

	mu                sync.Mutex
	name              string
	done, steps, told int
}

func (l *lines) begin(name string, steps int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.name, l.done, l.steps, l.told = name, 0, steps, 0
	if steps == 0 {
		fmt.Fprintln(l.out, name)
		return
	}
	fmt.Fprintf(l.out, "%s: %d\n", name, steps)
}

func (l *lines) add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done += n
	if l.steps == 0 {
		return
	}
	if tenths := l.done * 10 / l.steps; tenths > l.told {
		l.told = tenths
		fmt.Fprintf(l.out, "%s: %d of %d\n", l.name, l.done, l.steps)
	}
}

func (*lines) end() {}
