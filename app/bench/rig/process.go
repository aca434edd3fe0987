// Package rig builds what is measured: shops as processes of the product's own
// binary, seen from outside over HTTP alone; the limits beside them; catalogues,
// customers and orders in numbers.
//
// Only app/bench imports it. It never looks into the shop but for multiplying
// orders, which says so.
package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"stoa/platform/clock"
)

// stopWithin is how long a process may take to end before it is killed.
const stopWithin = 30 * time.Second

// ErrNoFigure says that this system does not tell what was asked.
var ErrNoFigure = errors.New("this system does not tell")

// Process is a program that runs.
type Process struct {
	clock  clock.Clock
	cmd    *exec.Cmd
	log    string // file of what it prints
	exited chan struct{}
}

// start runs a program; where out is nil, what it prints goes to the file log.
func start(c clock.Clock, log string, out io.Writer, user *syscall.SysProcAttr, binary string, args ...string) (*Process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// It ends by Stop, which waits for it; a context would only kill it.
	cmd := exec.Command(binary, args...) //nolint:noctx // see above
	cmd.Stdout, cmd.Stderr = file, file
	if out != nil {
		cmd.Stdout = out
	}
	cmd.SysProcAttr = user
	p := &Process{clock: c, cmd: cmd, log: log, exited: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // its state is read by who waits for exited
		close(p.exited)
	}()
	return p, nil
}

// Stop asks the process to end and waits until it has.
func (p *Process) Stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	timer := p.clock.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C():
		_ = p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("%s did not stop and was killed", p.cmd.Path)
	}
	return nil
}

// ended says why a process that should run does not.
func (p *Process) ended() error {
	return fmt.Errorf("%s ended: %s\n%s", strings.Join(p.cmd.Args, " "), p.cmd.ProcessState, p.printed())
}

// printed gives the end of what the process has printed.
func (p *Process) printed() string {
	text, _ := os.ReadFile(p.log) // only for people
	return string(text[max(0, len(text)-4000):])
}

// Memory is what the process has in memory, in bytes: now, and at the most so far.
func (p *Process) Memory() (now, most int64, err error) {
	file, err := os.Open("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0, 0, ErrNoFigure
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			now = kilobytes << 10
		case "VmHWM":
			most = kilobytes << 10
		}
	}
	if now == 0 {
		return 0, 0, ErrNoFigure
	}
	return now, most, nil
}

// Command is what came of a command that ran to its end.
type Command struct {
	Output string
	Took   time.Duration
	Memory int64 // at the most, in bytes; 0 where the system does not tell
}

// run runs a program to its end.
func run(ctx context.Context, c clock.Clock, user *syscall.SysProcAttr, stdin, binary string, args ...string) (Command, error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.SysProcAttr = user
	began := c.Now()
	out, err := cmd.CombinedOutput()
	done := Command{Output: string(out), Took: c.Now().Sub(began)}
	if cmd.ProcessState != nil {
		done.Memory = peak(cmd.ProcessState)
	}
	if err != nil {
		return done, fmt.Errorf("%s %s: %w\n%s", binary, strings.Join(args, " "), err, out)
	}
	return done, nil
}

// freeAddress finds a loopback port that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
