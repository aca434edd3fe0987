// Package pgserver starts a PostgreSQL server for tests from whatever binaries
// the machine has: with data of its own that is gone with the process, on a
// socket of its own, and with nothing kept safe from a power cut.
//
// dbtest and the command withpostgres import it; nothing that serves does.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"stoa/platform/clock"
)

// ErrMissing says that this machine has no PostgreSQL.
var ErrMissing = errors.New("this machine has no PostgreSQL (Debian: apt-get install postgresql)")

// startWithin is how long a server may take to answer.
const startWithin = 60 * time.Second

// Server is a server that runs.
type Server struct {
	// URL is its database "postgres", as a user who may do everything.
	URL string

	alive *os.File
}

// Start starts a server. It ends, and its data is removed, when Stop is called
// or this process ends, however that happens. Errors: ErrMissing.
func Start(ctx context.Context) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := makeDir()
	if err != nil {
		return nil, err
	}
	s, err := start(ctx, bin, dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %w", err), os.RemoveAll(dir))
	}
	return s, nil
}

// binaries gives the directory of the newest PostgreSQL.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4]) // 0 where it is none
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	if len(found) > 0 {
		return filepath.Dir(found[0]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", ErrMissing
	}
	return filepath.Dir(path), nil
}

// makeDir makes a directory for the data: in memory, where there is room.
func makeDir() (string, error) {
	const shm, room, pattern = "/dev/shm", 2 << 30, "stoa-pg-"
	var fs syscall.Statfs_t
	if err := syscall.Statfs(shm, &fs); err == nil && fs.Bavail*uint64(fs.Bsize) > room {
		if dir, err := os.MkdirTemp(shm, pattern); err == nil {
			return dir, nil
		}
	}
	return os.MkdirTemp("", pattern)
}

// credential is who the server runs as: it refuses to be root's.
func credential(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true} // an interrupt from the keyboard is ours alone
	if os.Geteuid() != 0 {
		return attr, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attr, os.Chown(dir, int(uid), int(gid))
	}
	return nil, errors.New("there is neither a user postgres nor nobody for it to run as")
}

// keeper runs the server until its standard input ends, which is when this
// process does, and tidies up.
const keeper = `"$0/postgres" -D "$1/data" -k "$1" -c listen_addresses= -c max_connections=1000 \
	-c shared_buffers=64MB -c fsync=off -c full_page_writes=off -c autovacuum=off \
	-c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=256MB \
	-c log_min_messages=fatal -c log_min_error_statement=panic &
pid=$!
cat >/dev/null
kill -INT $pid
wait $pid
cd /
rm -rf "$1"`

func start(ctx context.Context, bin, dir string) (*Server, error) {
	attr, err := credential(dir)
	if err != nil {
		return nil, err
	}
	// A database that sorts as people do, not as bytes: what relies on the order
	// of bytes has to say so.
	people := []string{"--locale-provider=icu", "--icu-locale=en-US"}
	if err := initialise(ctx, bin, dir, attr, people...); err != nil {
		if err := initialise(ctx, bin, dir, attr); err != nil {
			return nil, err
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the server has its own
	read, alive, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = read.Close() }()
	// Not CommandContext: it ends with the pipe.
	cmd := exec.Command("/bin/sh", "-c", keeper, bin, dir) //nolint:noctx // it outlives the caller's context
	cmd.Dir, cmd.SysProcAttr = dir, attr
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, log, log
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, alive.Close())
	}
	s := &Server{URL: (&url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/postgres",
		RawQuery: url.Values{"host": {dir}}.Encode(),
	}).String(), alive: alive}
	if err := s.await(ctx); err != nil {
		said, _ := os.ReadFile(log.Name())
		s.Stop()
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	return s, nil
}

func initialise(ctx context.Context, bin, dir string, attr *syscall.SysProcAttr, more ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), append([]string{
		"-D", filepath.Join(dir, "data"), "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8",
	}, more...)...)
	cmd.Dir, cmd.SysProcAttr = dir, attr
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// await waits until the server answers.
func (s *Server) await(ctx context.Context) error {
	c := clock.System()
	ctx, cancel := clock.WithDeadline(ctx, c, c.Now().Add(startWithin))
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.URL)
		if err == nil {
			return conn.Close(ctx)
		}
		if clock.Sleep(ctx, c, 10*time.Millisecond) != nil {
			return err
		}
	}
}

// Stop ends the server. It does not wait for that.
func (s *Server) Stop() { _ = s.alive.Close() }
