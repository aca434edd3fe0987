package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"stoa/app/bench/limit"
	"stoa/platform/clock"
)

// ErrNoPostgres says that there are no programs of PostgreSQL on this machine.
var ErrNoPostgres = errors.New("no PostgreSQL with pgbench on this machine")

// Postgres is a cluster of one's own, as durable as it comes.
type Postgres struct {
	*Process
	URL string

	rig           *Rig
	dir, programs string
	host, port    string
	user          *syscall.SysProcAttr
}

// programsOfPostgres finds where they are: the newest.
func programsOfPostgres() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if err != nil || len(found) == 0 {
		return "", ErrNoPostgres
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// Postgres starts a cluster with a database for shops. Error: ErrNoPostgres.
func (r *Rig) Postgres(ctx context.Context) (_ *Postgres, err error) {
	p := &Postgres{rig: r, user: attributes()}
	if p.programs, err = programsOfPostgres(); err != nil {
		return nil, err
	}
	// Not below r.Dir, which another user may not enter.
	if p.dir, err = os.MkdirTemp("", "stoa-bench-pg-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(p.dir))
		}
	}()
	if os.Getuid() == 0 { // PostgreSQL does not run as root
		if err := p.becomeSomebody(); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(p.dir, "data")
	if _, err := p.run(ctx, "", "initdb", "-D", data, "-U", "stoa", "-A", "trust", "-E", "UTF8", "--locale=C"); err != nil {
		return nil, err
	}
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	if p.host, p.port, err = net.SplitHostPort(addr); err != nil {
		return nil, err
	}
	p.Process, err = start(r.Clock, filepath.Join(p.dir, "log"), nil, p.user, filepath.Join(p.programs, "postgres"),
		"-D", data, "-k", p.dir, "-p", p.port, "-c", "listen_addresses="+p.host, "-c", "max_connections=200")
	if err != nil {
		return nil, err
	}
	p.URL = "postgres://stoa@" + addr + "/stoa?sslmode=disable"
	if err := p.prepare(ctx); err != nil {
		return nil, errors.Join(err, p.Process.Stop())
	}
	return p, nil
}

func (p *Postgres) becomeSomebody() error {
	somebody, err := user.Lookup("postgres")
	if err != nil {
		if somebody, err = user.Lookup("nobody"); err != nil {
			return err
		}
	}
	uid, err := strconv.ParseUint(somebody.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(somebody.Gid, 10, 32)
	if err != nil {
		return err
	}
	p.user = as(uint32(uid), uint32(gid))
	return os.Chown(p.dir, int(uid), int(gid))
}

// prepare waits until the cluster answers and makes the database and the tables
// of the raw order.
func (p *Postgres) prepare(ctx context.Context) error {
	patience, cancel := clock.WithDeadline(ctx, p.clock, p.clock.Now().Add(readyWithin))
	defer cancel()
	for {
		_, err := p.run(patience, "", "createdb", p.client("stoa")...)
		if err == nil {
			break
		}
		if clock.Sleep(patience, p.clock, 100*time.Millisecond) != nil {
			return err
		}
	}
	_, err := p.run(ctx, limit.RawSchema+"INSERT INTO raw_stock SELECT i, 1000000000 FROM generate_series(1, 1000) i;",
		"psql", append([]string{"-q", "-v", "ON_ERROR_STOP=1"}, p.client("stoa")...)...)
	return err
}

func (p *Postgres) client(database string) []string {
	return []string{"-h", p.host, "-p", p.port, "-U", "stoa", database}
}

func (p *Postgres) run(ctx context.Context, stdin, program string, args ...string) (Command, error) {
	return run(ctx, p.rig.Clock, p.user, stdin, filepath.Join(p.programs, program), args...)
}

// Stop ends the cluster and removes it.
func (p *Postgres) Stop() error { return errors.Join(p.Process.Stop(), os.RemoveAll(p.dir)) }

// rawOrder is the raw order of two lines as pgbench places it, the row that
// others may want last.
const rawOrder = `
\set first 2 * :client_id + 1
\set second 2 * :client_id + 2
\set id random(1, 9000000000000000000)
BEGIN;
INSERT INTO raw_orders (id, buyer, total, placed_at) VALUES (:id, :client_id, 4998, 1);
INSERT INTO raw_lines (order_id, sku, quantity, price) VALUES (:id, :first, 1, 1999), (:id, :second, 1, 2999);
INSERT INTO raw_events (order_id, event) VALUES (:id, '{"type":"order_placed","currency":"USD","total":4998,"items":[{"sku":"first","quantity":1,"unit_price":1999},{"sku":"second","quantity":1,"unit_price":2999}]}');
UPDATE raw_stock SET on_hand = on_hand - 1 WHERE sku IN (:first, :second) AND on_hand > 0;
COMMIT;
`

// RawClients is how many connections pgbench places raw orders over.
const RawClients = 8

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// RawOrders has pgbench place raw orders, prepared, and gives how many in a second.
func (p *Postgres) RawOrders(ctx context.Context, during time.Duration) (float64, error) {
	script := filepath.Join(p.dir, "order.sql")
	if err := os.WriteFile(script, []byte(rawOrder), 0o644); err != nil {
		return 0, err
	}
	seconds := max(1, int(during.Round(time.Second).Seconds()))
	done, err := p.run(ctx, "", "pgbench", append([]string{"-n", "-M", "prepared", "-c", strconv.Itoa(RawClients), "-j", "2",
		"-T", strconv.Itoa(seconds), "-f", script}, p.client("stoa")...)...)
	if err != nil {
		return 0, err
	}
	found := tps.FindStringSubmatch(done.Output)
	if found == nil {
		return 0, fmt.Errorf("pgbench does not say how many: %s", strings.TrimSpace(done.Output))
	}
	return strconv.ParseFloat(found[1], 64)
}

// RawRows has the rows that orders left in a shop's database, which does not run,
// written by the least that can, over as many connections as raw orders.
func (p *Postgres) RawRows(ctx context.Context, steps int, warm, during time.Duration) (limit.Placed, error) {
	asked := limit.Rows{Callers: RawClients, Steps: steps, Warm: warm, For: during, Files: rowsOf(func(file string) string { return strings.TrimSuffix(file, ".db") })}
	var err error
	if asked.Records, err = p.orders(ctx); err != nil {
		return limit.Placed{}, err
	}
	return p.rig.figure(ctx, "rows", p.URL, asked)
}

// orders counts those of a shop.
func (p *Postgres) orders(ctx context.Context) (int, error) {
	counted, err := p.run(ctx, "", "psql", append([]string{"-At", "-c", "SELECT count(*) FROM orders.orders"}, p.client("stoa")...)...)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(counted.Output))
}

// TimeOfOrders is how much of the processor the cluster takes for each of the
// orders that are placed meanwhile, whatever it does for them. Error: ErrNoFigure.
func (p *Postgres) TimeOfOrders(ctx context.Context, place func() error) (time.Duration, error) {
	orders, err := p.orders(ctx)
	if err != nil {
		return 0, err
	}
	before, err := p.processor()
	if err != nil {
		return 0, err
	}
	if err := place(); err != nil {
		return 0, err
	}
	after, err := p.processor()
	if err != nil {
		return 0, err
	}
	placed, err := p.orders(ctx)
	if err != nil {
		return 0, err
	}
	if placed == orders {
		return 0, errors.New("no order was placed")
	}
	return (after - before) / time.Duration(placed-orders), nil
}

// tick is the unit in which Linux tells times of processes (proc_pid_stat(5)).
const tick = 10 * time.Millisecond

// processor is what the cluster's processes have taken of the processor, those
// that have ended included.
func (p *Postgres) processor() (time.Duration, error) {
	first := strconv.Itoa(p.cmd.Process.Pid)
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // none where there is no such thing
	var ticks int64
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid ...: the name may hold anything, so fields are counted
		// from its end.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 15 {
			return 0, ErrNoFigure
		}
		times := fields[11:13] // of itself, user and system
		switch first {
		case filepath.Base(filepath.Dir(file)):
			times = fields[11:15] // and of children that have ended
		case fields[1]:
		default:
			continue
		}
		for _, spent := range times {
			n, err := strconv.ParseInt(spent, 10, 64)
			if err != nil {
				return 0, ErrNoFigure
			}
			ticks += n
		}
	}
	if ticks == 0 {
		return 0, ErrNoFigure
	}
	return time.Duration(ticks) * tick, nil
}

// FillPostgres makes a shop on the cluster: an admin and the made catalogue of n
// products. It gives the directory of what is not in the database.
func (r *Rig) FillPostgres(ctx context.Context, p *Postgres, n int) (string, error) {
	data, err := r.Fresh("shop")
	if err != nil {
		return "", err
	}
	set := []string{"data.dir=" + data, "database.url=" + p.URL}
	if err := r.createAdmin(ctx, set...); err != nil {
		return "", err
	}
	file, err := r.CatalogueFile(n)
	if err != nil {
		return "", err
	}
	_, err = r.Import(ctx, file, set...)
	return data, errors.Join(err, os.Remove(file))
}
