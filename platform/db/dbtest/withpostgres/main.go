// Command withpostgres runs a command with TEST_POSTGRES_URL naming a PostgreSQL
// server that is there for it alone: one for all packages of a test run. Its
// exit code is the command's; it is 3, and nothing was run, where the machine
// has no PostgreSQL.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"stoa/platform/db/dbtest"
	"stoa/platform/db/dbtest/pgserver"
)

// codeMissing is the exit code where there is no PostgreSQL.
const codeMissing = 3

func main() { os.Exit(run()) }

func run() int {
	// The command is told by the terminal or by who started this; it ends first.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: withpostgres COMMAND [ARGUMENT]…")
		return 2
	}
	s, err := pgserver.Start(ctx)
	if errors.Is(err, pgserver.ErrMissing) {
		fmt.Fprintln(os.Stderr, err)
		return codeMissing
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Stop()
	cmd := exec.CommandContext(ctx, os.Args[1], os.Args[2:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), dbtest.EnvURL+"="+s.URL)
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return max(1, exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
