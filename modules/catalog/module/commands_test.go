package module_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	catalogmigrations "stoa/migrations/catalog"
	"stoa/modules/catalog"
	catalogmodule "stoa/modules/catalog/module"
	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/inbox"
	"stoa/platform/module"
	"stoa/platform/outbox"
)

// shop is a process with the catalog in it.
type shop struct {
	module module.Module
	host   *module.Host
}

// newPlace gives where a catalogue can lie that several processes open: the URL
// of a database on PostgreSQL, or else a directory.
func newPlace(t testing.TB) string {
	t.Helper()
	if dbtest.Dialect() == db.Postgres {
		return dbtest.PostgresWith(t, catalog.Name, catalogmigrations.FS)
	}
	return t.TempDir()
}

func openDB(t testing.TB, place string) *db.DB {
	t.Helper()
	if dbtest.Dialect() == db.Postgres {
		return dbtest.Reopen(t, catalog.Name, place)
	}
	d, err := db.OpenSQLite(t.Context(), catalog.Name, filepath.Join(place, "catalog.db"), db.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.NoError(t, d.Migrate(t.Context(), catalogmigrations.FS))
	return d
}

func openShop(t testing.TB, place string, c clock.Clock) *shop {
	t.Helper()
	m, d := catalogmodule.New(), openDB(t, place)
	log := slog.New(slog.DiscardHandler)
	h := &module.Host{
		Module: m.Name, Clock: c, Log: log, DB: d,
		Outbox: outbox.New(m.Name, d, bus.NewInProcess(), c, log, outbox.Options{}), Inbox: inbox.New(m.Name, d, c, log, inbox.Options{}),
	}
	h.Bind(module.NewServices())
	require.NoError(t, m.Start(t.Context(), h))
	return &shop{m, h}
}

// run runs a command of the module and gives what it printed on standard output
// and on standard error.
func (s *shop) run(ctx context.Context, stdin string, args ...string) (out, told string, err error) {
	group := &cobra.Command{Use: s.module.Name, SilenceUsage: true, SilenceErrors: true}
	group.AddCommand(s.module.Commands(func(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) })...)
	var stdout, stderr bytes.Buffer
	group.SetOut(&stdout)
	group.SetErr(&stderr)
	group.SetIn(strings.NewReader(stdin))
	group.SetArgs(args)
	err = group.ExecuteContext(ctx)
	return stdout.String(), stderr.String(), err
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// products is a file of so many.
func products(n int) string {
	var file strings.Builder
	file.WriteString("slug,title,sku,price,quantity\n")
	for p := range n {
		name := "p-" + string(rune('a'+p%26)) + strings.Repeat("x", p/26)
		file.WriteString(name + ",Product," + name + ",5,2\n")
	}
	return file.String()
}

func TestImportCommand(t *testing.T) {
	t.Parallel()
	s := openShop(t, newPlace(t), clock.System())
	good := write(t, "good.csv", "slug,title,price,quantity\na,A,5,1\nb,B,6,2\n")

	out, told, err := s.run(t.Context(), "", "import", good, "--dry-run")
	require.NoError(t, err)
	require.Regexp(t, `^dry run, nothing was changed: 2 rows in \d+\S*s; products: 2 created, 0 updated, 0 unchanged; rows refused: 0\n$`, out)
	require.Equal(t, "2 of 2 rows\n", told)
	out, _, err = s.run(t.Context(), "", "import", good)
	require.NoError(t, err)
	require.Regexp(t, `^2 rows in .*; products: 2 created, 0 updated`, out)
	out, _, err = s.run(t.Context(), "", "import", good, "--format", "csv", "--currency", "USD")
	require.NoError(t, err)
	require.Contains(t, out, "products: 0 created, 0 updated, 2 unchanged")

	out, _, err = s.run(t.Context(), `[{"title":"C","price":1},{"title":"D","price":"x"}]`, "import", "-")
	require.ErrorIs(t, err, module.ErrReported)
	require.Contains(t, out, "ROW  COLUMN  WHAT IS WRONG\n2    price   ")
	require.Contains(t, out, "products: 1 created, 0 updated, 0 unchanged; rows refused: 1\n")
	_, _, err = s.run(t.Context(), "", "import", good, "--mode", "create")
	require.ErrorIs(t, err, module.ErrReported)

	// What a file holds reaches the terminal as text on a line.
	out, _, err = s.run(t.Context(), "title,\"va\x1b[31mr\tx\"\nA,1\n", "import", "-", "--format", "csv")
	require.ErrorContains(t, err, "there is no such column")
	require.NotContains(t, err.Error(), "\x1b")
	require.Empty(t, out)
	out, _, err = s.run(t.Context(), "Title,Option1 Name,Option1 Value,Variant Price\nA,\"a\x1b[31m\tb\",x,1\n", "import", "-", "--format", "shopify")
	require.ErrorIs(t, err, module.ErrReported)
	require.NotContains(t, out, "\x1b")

	for name, c := range map[string]struct {
		stdin string
		args  []string
		want  string
	}{
		"no file":        {"", []string{"missing.csv"}, "missing.csv"},
		"a format":       {"", []string{good, "--format", "xml"}, "--format must be one of shopify, json, csv"},
		"a mode":         {"", []string{good, "--mode", "destroy"}, "--mode must be upsert or create"},
		"a currency":     {"", []string{good, "--currency", "ZZZ"}, "--currency is no currency"},
		"an empty file":  {"", []string{"-"}, "the file is empty"},
		"another format": {"", []string{good, "--format", "json"}, good + " is not of the format json"},
		"none":           {"", nil, "arg"},
		"a broken file":  {"title\n\"A", []string{"-", "--format", "csv"}, "a quote is opened and never closed"},
	} {
		_, _, err := s.run(t.Context(), c.stdin, append([]string{"import"}, c.args...)...)
		require.ErrorContains(t, err, c.want, name)
		require.NotErrorIs(t, err, module.ErrReported)
	}
	require.Equal(t, "2 of 2 rows\n", told)
}

func TestAStoppedImportSaysSo(t *testing.T) {
	t.Parallel()
	s := openShop(t, newPlace(t), clock.System())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := s.run(ctx, "", "import", write(t, "x.csv", products(10)))
	require.ErrorContains(t, err, "stopped")
}

func TestExportCommand(t *testing.T) {
	t.Parallel()
	s := openShop(t, newPlace(t), clock.System())
	_, _, err := s.run(t.Context(), products(300), "import", "-")
	require.NoError(t, err)
	json, _, err := s.run(t.Context(), "", "export")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(json, `{"products":[`))
	for _, c := range []struct {
		name string
		args []string
		want string
	}{{"x.json", nil, `{"products":[`}, {"x.CSV", nil, "slug,"}, {"x.csv", []string{"--format", "shopify"}, "Handle,"}} {
		path := filepath.Join(t.TempDir(), c.name)
		out, _, err := s.run(t.Context(), "", append([]string{"export", path}, c.args...)...)
		require.NoError(t, err)
		require.Empty(t, out)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(text), c.want), c.name)

		other := openShop(t, newPlace(t), clock.System())
		_, _, err = other.run(t.Context(), "", "import", path)
		require.NoError(t, err)
		again, _, err := other.run(t.Context(), "", "export", "--format", "json")
		require.NoError(t, err)
		require.Equal(t, json, again)
	}
	_, _, err = s.run(t.Context(), "", "export", "--format", "xml")
	require.ErrorContains(t, err, "--format must be one of")
	missing := filepath.Join(t.TempDir(), "missing", "x.json")
	_, _, err = s.run(t.Context(), "", "export", missing)
	require.Error(t, err)
}

// Environment of the process that TestAKilledCommandIsEndedByTheShop kills.
const (
	childPlace = "COMMAND_TEST_PLACE"
	childFile  = "COMMAND_TEST_FILE"
)

// TestImportingCommand is that process: it kills itself after some batches.
func TestImportingCommand(t *testing.T) {
	place := os.Getenv(childPlace)
	if place == "" {
		return // it is TestAKilledCommandIsEndedByTheShop that runs it
	}
	s := openShop(t, place, &mortal{Clock: clock.System(), ids: 1500})
	_, _, err := s.run(t.Context(), "", "import", os.Getenv(childFile))
	require.NoError(t, err)
}

// mortal kills its process when it has given so many ids.
type mortal struct {
	clock.Clock
	ids int
}

func (m *mortal) ID() string {
	if m.ids--; m.ids == 0 {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGKILL); err != nil {
			panic(err)
		}
		select {} // until it arrives
	}
	return m.Clock.ID()
}

func TestAKilledCommandIsEndedByTheShop(t *testing.T) {
	t.Parallel()
	place, path := newPlace(t), write(t, "x.csv", products(2000))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestImportingCommand$")
	cmd.Env = append(os.Environ(), childPlace+"="+place, childFile+"="+path)
	said, err := cmd.CombinedOutput()
	require.Error(t, err, "%s", said)
	require.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(), "%s", said)

	// The shop serves again, when the killed one's lease has run out.
	c := clock.NewFake(time.Now().Add(time.Hour), 1)
	s := openShop(t, place, c)
	out, _, err := s.run(t.Context(), "", "export")
	require.NoError(t, err)
	there := strings.Count(out, `{"slug"`)
	require.Positive(t, there)
	require.Less(t, there, 2000)

	working, stop := context.WithCancel(t.Context())
	done := make(chan error, len(s.host.Work()))
	for _, w := range s.host.Work() {
		go func() { done <- w.Do(working) }()
	}
	c.AwaitTimers(len(s.host.Work())) // all of it waits: there is nothing to do
	stop()
	for range s.host.Work() {
		require.NoError(t, <-done)
	}
	out, _, err = s.run(t.Context(), "", "export")
	require.NoError(t, err)
	require.Equal(t, 2000, strings.Count(out, `{"slug"`))
	out, _, err = s.run(t.Context(), "", "import", path)
	require.NoError(t, err)
	require.Contains(t, out, "products: 0 created, 0 updated, 2000 unchanged")
}
