package app

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"stoa/platform/clock"
)

const (
	// The pauses before a process that died is started again, doubling while it
	// keeps dying.
	restartFirst, restartLongest = 200 * time.Millisecond, 5 * time.Second
	// steadyAfter is how long a process must have run for its next death to count
	// as its first.
	steadyAfter = 10 * time.Second
	// givenUpAfter is how often in a row a process may die before it was steady.
	givenUpAfter = 8
	// longestLine is how much of a line is held back until its end comes, in bytes.
	longestLine = 64 << 10
)

// supervisor keeps processes running, until it is told to stop.
type supervisor struct {
	clock clock.Clock
	out   *lines
}

// child is a process to keep running.
type child struct {
	name    string
	command func(ctx context.Context) *exec.Cmd
}

// keep runs a child, and again when it dies, until ctx ends. Then it asks it to
// stop with SIGTERM and waits; what has not ended within stopWithin and some
// more is killed. Its error is that of a child that did not stop well, or that
// dies again and again.
func (s *supervisor) keep(ctx context.Context, c child) error {
	// The kernel kills the child when the thread that started it ends, so that
	// nothing is left behind whatever happens to this process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pause := restartFirst
	for deaths := 1; ; deaths++ {
		began := s.clock.Now()
		err := s.once(ctx, c)
		if ctx.Err() != nil {
			return err
		}
		if s.clock.Now().Sub(began) >= steadyAfter {
			pause, deaths = restartFirst, 1
		}
		if deaths == givenUpAfter {
			return fmt.Errorf("it ended %d times as soon as it was started: %s", deaths, describe(err))
		}
		s.out.say(c.name, fmt.Sprintf("ended (%s); it is started again in %s", describe(err), pause))
		if clock.Sleep(ctx, s.clock, pause) != nil {
			return nil
		}
		pause = min(2*pause, restartLongest)
	}
}

func describe(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// once runs a child to its end.
func (s *supervisor) once(ctx context.Context, c child) error {
	cmd := c.command(context.WithoutCancel(ctx)) // it is asked to stop first
	w := s.out.of(c.name)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		w.flush()
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended meanwhile
	timer := s.clock.NewTimer(stopWithin + restartLongest)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C():
		_ = cmd.Process.Kill() // the same
		return fmt.Errorf("%s did not stop: %w", c.name, <-ended)
	}
}

// lines writes what several processes print, a whole line at a time, each after
// the name of its process.
type lines struct {
	mu    sync.Mutex
	to    io.Writer
	width int
	color bool
	names []string
}

func newLines(to io.Writer, color bool, names ...string) *lines {
	l := &lines{to: to, color: color, names: names}
	for _, n := range names {
		l.width = max(l.width, len(n))
	}
	return l
}

// say writes one line of a process.
func (l *lines) say(name, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	label := fmt.Sprintf("%-*s │", l.width, name)
	if l.color {
		for i, n := range l.names {
			if n == name {
				label = fmt.Sprintf("\x1b[%dm%s\x1b[0m", 31+(i+1)%6, label) // the terminal's colours but black and white (ECMA-48 §8.3.117)
			}
		}
	}
	_, _ = fmt.Fprintln(l.to, label, line)
}

// of gives a writer for what a process prints.
func (l *lines) of(name string) *lineWriter { return &lineWriter{lines: l, name: name} }

// lineWriter gathers what a process prints into lines.
type lineWriter struct {
	lines *lines
	name  string

	mu   sync.Mutex
	held strings.Builder
}

// Write prints the lines that are whole.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := string(p)
	for {
		line, rest, whole := strings.Cut(text, "\n")
		w.held.WriteString(line)
		if whole || w.held.Len() >= longestLine {
			w.emit()
		}
		if !whole {
			return len(p), nil
		}
		text = rest
	}
}

// flush prints what has no end of line.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held.Len() > 0 {
		w.emit()
	}
}

func (w *lineWriter) emit() {
	w.lines.say(w.name, w.held.String())
	w.held.Reset()
}
