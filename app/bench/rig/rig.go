package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"stoa/app/bench/limit"
	"stoa/platform/clock"
)

// Rig is where benchmarks are set up: the programs and a directory to work in.
type Rig struct {
	Binary string // the product, `stoa`
	Self   string // this program, which runs the limits as well
	Dir    string
	Clock  clock.Clock

	mu        sync.Mutex
	templates map[int]string
}

// Fresh makes an empty directory.
func (r *Rig) Fresh(name string) (string, error) { return os.MkdirTemp(r.Dir, name+"-") }

// Stoa runs a command of the product to its end.
func (r *Rig) Stoa(ctx context.Context, stdin string, args ...string) (Command, error) {
	return run(ctx, r.Clock, attributes(), stdin, r.Binary, args...)
}

// Has tells whether the product's binary has a command.
func (r *Rig) Has(ctx context.Context, command string) bool {
	_, err := r.Stoa(ctx, "", command, "--help")
	return err == nil
}

// Accepts tells whether the product takes values of the configuration.
func (r *Rig) Accepts(ctx context.Context, set ...string) bool {
	args := []string{"config", "check"}
	for _, s := range set {
		args = append(args, "--set", s)
	}
	_, err := r.Stoa(ctx, "", args...)
	return err == nil
}

// Limit is a process that answers fixed bytes.
type Limit struct {
	*Process
	Addr string
}

// Limit starts one that answers each body below its name.
func (r *Rig) Limit(bodies map[string][]byte) (*Limit, error) {
	dir, err := r.Fresh("limit")
	if err != nil {
		return nil, err
	}
	for name, body := range bodies {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			return nil, err
		}
	}
	return r.limit(dir, "http", dir)
}

// Behind starts one that passes everything on to another.
func (r *Rig) Behind(l *Limit) (*Limit, error) {
	dir, err := r.Fresh("limit")
	if err != nil {
		return nil, err
	}
	return r.limit(dir, "proxy", l.Addr)
}

func (r *Rig) limit(dir, kind, of string) (*Limit, error) {
	said := newFirstLine()
	p, err := start(r.Clock, filepath.Join(dir, ".log"), said, attributes(), r.Self, "limit", kind, of)
	if err != nil {
		return nil, err
	}
	select {
	case line := <-said.line:
		return &Limit{p, strings.TrimPrefix(line, limit.Listening)}, nil
	case <-p.exited:
		return nil, p.ended()
	}
}

// RawOrders puts the raw limit of orders on SQLite to it.
func (r *Rig) RawOrders(ctx context.Context, o limit.Orders) (limit.Placed, error) {
	dir, err := r.Fresh("raw")
	if err != nil {
		return limit.Placed{}, err
	}
	placed, err := r.figure(ctx, "orders", dir, o)
	return placed, errors.Join(err, os.RemoveAll(dir))
}

// RawRows has the rows that orders left in a data directory, whose shop does not
// run, written by the least that can.
func (r *Rig) RawRows(ctx context.Context, data string, callers int, warm, during time.Duration) (limit.Placed, error) {
	dir, err := r.Fresh("raw")
	if err != nil {
		return limit.Placed{}, err
	}
	asked := limit.Rows{Callers: callers, Warm: warm, For: during, Files: rowsOf(func(file string) string { return filepath.Join(data, file) })}
	if asked.Records, err = ordersIn(ctx, data); err != nil {
		return limit.Placed{}, err
	}
	placed, err := r.figure(ctx, "rows", dir, asked)
	return placed, errors.Join(err, os.RemoveAll(dir))
}

// rowsOf gives the tables that grow with orders, by what their file is called.
func rowsOf(name func(file string) string) []limit.RowsOf {
	var all []limit.RowsOf
	for file, tables := range grown {
		of := limit.RowsOf{Path: name(file)}
		for _, t := range tables {
			of.Tables = append(of.Tables, limit.RowsTable{Name: t.table, Where: t.rows})
		}
		all = append(all, of)
	}
	return all
}

// figure runs a limit that ends by itself.
func (r *Rig) figure(ctx context.Context, name, where string, asked any) (placed limit.Placed, err error) {
	text, err := json.Marshal(asked)
	if err != nil {
		return placed, err
	}
	done, err := run(ctx, r.Clock, attributes(), "", r.Self, "limit", name, where, string(text))
	if err != nil {
		return placed, err
	}
	return placed, json.Unmarshal([]byte(done.Output), &placed)
}

// firstLine is a writer that waits for a whole line and hands that on.
type firstLine struct {
	held strings.Builder
	line chan string
	done bool
}

func newFirstLine() *firstLine { return &firstLine{line: make(chan string, 1)} }

func (f *firstLine) Write(p []byte) (int, error) {
	if f.done {
		return len(p), nil
	}
	f.held.Write(p)
	if line, _, whole := strings.Cut(f.held.String(), "\n"); whole {
		f.done = true
		f.line <- line
	}
	return len(p), nil
}

// Template gives a data directory with an admin and the made catalogue of n
// products, filled by `stoa catalog import` once. It is for CopyTo only.
func (r *Rig) Template(ctx context.Context, n int) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if dir, made := r.templates[n]; made {
		return dir, nil
	}
	dir, err := r.Fresh(templatePrefix)
	if err != nil {
		return "", err
	}
	if err := r.createAdmin(ctx, "data.dir="+dir); err != nil {
		return "", err
	}
	if n > 0 {
		file, err := r.CatalogueFile(n)
		if err != nil {
			return "", err
		}
		if _, err := r.Import(ctx, file, "data.dir="+dir); err != nil {
			return "", err
		}
		if err := os.Remove(file); err != nil {
			return "", err
		}
	}
	if r.templates == nil {
		r.templates = map[int]string{}
	}
	r.templates[n] = dir
	return dir, nil
}

const (
	templatePrefix = "template"

	adminEmail    = "admin@example.com"
	password      = "correct horse battery staple 9"
	importTimeout = 30 * time.Minute
)

func (r *Rig) createAdmin(ctx context.Context, set ...string) error {
	_, err := r.Stoa(ctx, password+"\n", append(sets(set), "users", "create-admin", "--email", adminEmail, "--password-stdin")...)
	return err
}

// Import imports a file by the product's own command.
func (r *Rig) Import(ctx context.Context, file string, set ...string) (Command, error) {
	ctx, cancel := clock.WithDeadline(ctx, r.Clock, r.Clock.Now().Add(importTimeout))
	defer cancel()
	return r.Stoa(ctx, "", append(sets(set), "catalog", "import", file, "--format", "json")...)
}

// sets writes values of the configuration as flags.
func sets(set []string) []string {
	flags := make([]string, 0, 2*len(set))
	for _, s := range set {
		flags = append(flags, "--set", s)
	}
	return flags
}

// Tidy removes all that was made below Dir but templates. Nothing of it may run.
func (r *Rig) Tidy() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	made, err := os.ReadDir(r.Dir)
	if err != nil {
		return err
	}
	for _, e := range made {
		if !strings.HasPrefix(e.Name(), templatePrefix+"-") {
			err = errors.Join(err, os.RemoveAll(filepath.Join(r.Dir, e.Name())))
		}
	}
	return err
}

// FromTemplate gives a data directory of one's own with n products.
func (r *Rig) FromTemplate(ctx context.Context, n int) (string, error) {
	from, err := r.Template(ctx, n)
	if err != nil {
		return "", err
	}
	return r.Copy(from)
}

// Copy copies the data directory of a shop that does not run.
func (r *Rig) Copy(from string) (string, error) {
	to, err := r.Fresh("shop")
	if err != nil {
		return "", err
	}
	return to, os.CopyFS(to, os.DirFS(from))
}

// CatalogueFile writes the made catalogue of n products to a file.
func (r *Rig) CatalogueFile(n int) (string, error) {
	file, err := os.CreateTemp(r.Dir, fmt.Sprintf("catalogue-%d-*.json", n))
	if err != nil {
		return "", err
	}
	return file.Name(), errors.Join(WriteCatalogue(file, n), file.Close())
}
