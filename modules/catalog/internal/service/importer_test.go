package service_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/catalog/internal/service"
	"stoa/platform/clock"
	"stoa/platform/db"
)

// start queues a file for the worker.
func (s *importing) start(t testing.TB, file string, o service.ImportOptions) string {
	t.Helper()
	i, err := s.StartImport(t.Context(), strings.NewReader(file), o)
	require.NoError(t, err)
	require.Equal(t, "queued", i.Status)
	return i.ID
}

// work runs the worker until there is nothing to do.
func (s *importing) work(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.RunImports(ctx) }()
	s.clock.AwaitTimers(1) // it waits only where it has nothing to do
	cancel()
	require.NoError(t, <-done)
}

func (s *importing) report(t testing.TB, id string) service.Import {
	t.Helper()
	i, err := s.GetImport(t.Context(), id)
	require.NoError(t, err)
	return i
}

func TestTheWorkerImportsWhatIsSentInItsOrder(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	first := s.start(t, shirts, csvFile)
	second := s.start(t, strings.Replace(shirts, "Linen", "Cotton", 1), csvFile)
	s.work(t)
	require.EqualValues(t, 2, s.report(t, first).ProductsCreated)
	require.EqualValues(t, 1, s.report(t, second).ProductsUpdated)
	require.Equal(t, "Cotton Shirt", s.product(t, "shirt").Title)

	s.sound(t)
}

func TestTheWorkerIsWokenAndCommandsWaitForIt(t *testing.T) {
	t.Parallel()
	s := openTicking(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.RunImports(ctx) }()
	first := s.start(t, manyProducts(300), csvFile)
	last, err := s.ImportFile(t.Context(), strings.NewReader("slug,title\nlast,Last\n"), "x.csv", csvFile, func(service.Import) {})
	require.NoError(t, err)
	require.EqualValues(t, 1, last.ProductsCreated)
	require.EqualValues(t, 300, s.report(t, first).ProductsCreated, "what came before was done before")
	cancel()
	require.NoError(t, <-done)
	s.sound(t)
}

// time is what the catalogue's time is told by.
func (s *importing) time() clock.Clock {
	if s.clock == nil {
		return clock.System()
	}
	return s.clock
}

func (s *importing) exec(t testing.TB, statement string) {
	t.Helper()
	require.NoError(t, s.db.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, statement)
		return err
	}))
}

// openTicking opens a catalogue whose time passes by itself.
func openTicking(t testing.TB) *importing {
	t.Helper()
	place := newPlace(t)
	d := openCatalogDB(t, place)
	return &importing{importService(d, clock.System()), nil, d, place}
}

func TestAFileThatIsGoneFails(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	id := s.start(t, shirts, csvFile)
	s.exec(t, `DELETE FROM import_chunks`)
	s.work(t)
	i := s.report(t, id)
	require.Equal(t, "failed", i.Status)
	require.Equal(t, "the file is gone", *i.Failure)
}

func TestFilesThatNoImportIsMadeOfAreSwept(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	leave := func(id string) string {
		s.exec(t, `INSERT INTO import_chunks (import_id, position, chunk) VALUES ('`+id+`', 0, 'x'), ('`+id+`', 1, 'y')`)
		return id
	}
	left := func(id string) int64 {
		return s.count(t, `SELECT count(*) FROM import_chunks WHERE import_id = '`+id+`'`)
	}
	old, older := leave(s.clock.ID()), leave(s.clock.ID())
	foreign := leave("notes.txt")
	s.clock.Advance(2 * time.Hour)
	arriving := leave(s.clock.ID())
	s.work(t)
	require.Zero(t, left(old)+left(older))
	require.EqualValues(t, 2, left(foreign))
	require.EqualValues(t, 2, left(arriving))
}

// Two processes, each with its own connections, and many files.
func TestTwoProcessesNeverDoOneImportTwice(t *testing.T) {
	t.Parallel()
	one := openTicking(t)
	d := openCatalogDB(t, one.place)
	two := importService(d, clock.System())
	var ids []string
	for n := range 5 {
		ids = append(ids, one.start(t, strings.ReplaceAll(manyProducts(150), "p-", fmt.Sprintf("p%d-", n)), csvFile))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for _, s := range []*service.Service{one.Service, two} {
		go func() { done <- s.RunImports(ctx) }()
	}
	// Comes after all others, whoever did them.
	last, err := two.ImportFile(t.Context(), strings.NewReader("slug,title\nlast,Last\n"), "x.csv", csvFile, func(service.Import) {})
	require.NoError(t, err)
	require.EqualValues(t, 1, last.ProductsCreated)
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	for _, id := range ids {
		i := one.report(t, id)
		require.Equal(t, "succeeded", i.Status)
		require.EqualValues(t, 150, i.ProductsCreated)
		require.EqualValues(t, 1, i.ErrorsTotal)
		require.EqualValues(t, 301, i.RowsDone)
	}
	one.sound(t)
}

// What an importer does when its lease was taken has no effect.
func TestALeaseThatWasLostStopsItsImporter(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	other := openImportingIn(t, s.place, clock.NewFake(s.clock.Now().Add(time.Minute), 2))
	file := regexp.MustCompile(`(?m)^bad.*\n`).ReplaceAllString(manyProducts(600), "")
	taken := false
	i, err := s.ImportFile(t.Context(), strings.NewReader(file), "x.csv", csvFile, func(i service.Import) {
		if i.RowsDone > 0 && !taken {
			taken = true
			other.work(t) // its clock is ahead, so that the lease is over
			_, err := s.Adjust(t.Context(), "p-599-s", 5, "found")
			require.NoError(t, err)
		}
	})
	require.NoError(t, err)
	require.True(t, taken)
	require.Equal(t, "succeeded", i.Status)
	require.EqualValues(t, 600, i.ProductsCreated)
	require.EqualValues(t, 1200, i.RowsDone)
	stock, err := s.GetInventory(t.Context(), "p-599-s")
	require.NoError(t, err)
	require.EqualValues(t, 599%4+5, stock.OnHand, "what came after the import is not set back")
	s.sound(t)
}

func TestStoppingTheWorkerLetsTheNextGoOnAtOnce(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	const products = 3000
	id := s.start(t, manyProducts(products), csvFile)
	ctx, cancel := context.WithCancel(t.Context())
	stopping := importService(s.db, &ticking{Clock: s.clock, now: func(n int64) {
		if n == 10 {
			cancel()
		}
	}})
	require.NoError(t, stopping.RunImports(ctx))
	i := s.report(t, id)
	require.Equal(t, "running", i.Status)
	require.Positive(t, i.RowsDone)
	require.Less(t, i.RowsDone, i.RowsTotal)
	s.work(t)
	i = s.report(t, id)
	require.Equal(t, "succeeded", i.Status)
	require.EqualValues(t, products, i.ProductsCreated)
	require.EqualValues(t, products, s.count(t, `SELECT count(*) FROM products`))
}

// ticking counts how often it is asked for the time and for ids.
type ticking struct {
	clock.Clock
	now, id       func(n int64)
	nows, idCount atomic.Int64
	ahead         time.Duration
}

func (c *ticking) Now() time.Time {
	if n := c.nows.Add(1); c.now != nil {
		c.now(n)
	}
	return c.Clock.Now().Add(c.ahead)
}

func (c *ticking) ID() string {
	if n := c.idCount.Add(1); c.id != nil {
		c.id(n)
	}
	return c.Clock.ID()
}

// Environment of the process that TestAKilledImportGoesOn kills.
const (
	childPlace = "IMPORT_TEST_PLACE"
	childFile  = "IMPORT_TEST_FILE" // imported as a command does; otherwise the worker goes on
	childAge   = "IMPORT_TEST_AGE"  // how far its clock is ahead, in minutes
	childNow   = "IMPORT_TEST_NOW"  // it is killed when it asks for the time this often
	childID    = "IMPORT_TEST_ID"   // or for so many ids
)

// TestImportingProcess is that process.
func TestImportingProcess(t *testing.T) {
	place := os.Getenv(childPlace)
	if place == "" {
		return // it is TestAKilledImportGoesOn that runs it
	}
	killAt := func(name string) func(n int64) {
		at, _ := strconv.ParseInt(os.Getenv(name), 10, 64)
		return func(n int64) {
			if n == at {
				require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGKILL))
				select {} // until it arrives
			}
		}
	}
	minutes, err := strconv.Atoi(os.Getenv(childAge))
	require.NoError(t, err)
	s := importService(openCatalogDB(t, place), &ticking{
		Clock: clock.System(), ahead: time.Duration(minutes) * time.Minute, now: killAt(childNow), id: killAt(childID),
	})
	if path := os.Getenv(childFile); path != "" {
		file, err := os.Open(path)
		require.NoError(t, err)
		_, err = s.ImportFile(t.Context(), file, path, csvFile, func(service.Import) {})
		require.NoError(t, err)
		return
	}
	require.NoError(t, s.RunImports(t.Context()))
}

// killedImport runs a process that imports until it is killed.
func killedImport(t *testing.T, place string, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestImportingProcess$")
	cmd.Env = append(append(os.Environ(), childPlace+"="+place), env...)
	out, err := cmd.CombinedOutput()
	require.Error(t, err, "%s", out)
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, status.Signaled() && status.Signal() == syscall.SIGKILL && ctx.Err() == nil, "%s: %s", err, out)
}

// A command is killed while it imports, inside a batch and between two, and
// then twice the worker that goes on with it. The next worker ends it.
func TestAKilledImportGoesOn(t *testing.T) {
	t.Parallel()
	const products = 4000
	whole := openImporting(t)
	want := whole.read(t, manyProducts(products), csvFile)
	require.EqualValues(t, products, want.ProductsCreated)

	place, path := newPlace(t), filepath.Join(t.TempDir(), "many.csv")
	require.NoError(t, os.WriteFile(path, []byte(manyProducts(products)), 0o600))
	killedImport(t, place, childFile+"="+path, childAge+"=0", childID+"=2700")
	s := openImportingIn(t, place, clock.NewFake(time.Now().Add(time.Hour), 3))
	var id string
	require.NoError(t, s.db.Read().QueryRowContext(t.Context(), `SELECT id FROM imports`).Scan(&id))
	done := func() int64 {
		i := s.report(t, id)
		require.Equal(t, "running", i.Status)
		require.Equal(t, i.ProductsCreated, s.count(t, `SELECT count(*) FROM products`), "what it says and what it did are one")
		require.Equal(t, i.RowsDone-i.RowsSkipped, s.count(t, `SELECT count(*) FROM variants`))
		s.sound(t)
		return i.RowsDone
	}
	first := done()
	require.Positive(t, first)
	// The time is asked for when a batch is planned, and before it is committed.
	killedImport(t, place, childAge+"=2", childNow+"=9")
	second := done()
	require.Greater(t, second, first)
	killedImport(t, place, childAge+"=4", childID+"=1800")
	third := done()
	require.Greater(t, third, second)
	killedImport(t, place, childAge+"=6", childNow+"=1") // before it begins
	require.Equal(t, third, done())
	require.Less(t, third, want.RowsTotal)

	s.work(t)
	require.Equal(t, comparable(want), comparable(s.report(t, id)))
	require.Equal(t, whole.export(t, "json"), s.export(t, "json"))
	require.Equal(t, whole.count(t, `SELECT count(*) FROM movements`), s.count(t, `SELECT count(*) FROM movements`))
	s.sound(t)
	require.Zero(t, s.chunks(t))
}

// A command that was killed is ended by the next command too, before its own
// file: so a newer file never loses against an older one.
func TestTheNextCommandEndsWhatAKilledOneLeft(t *testing.T) {
	t.Parallel()
	place, path := newPlace(t), filepath.Join(t.TempDir(), "many.csv")
	require.NoError(t, os.WriteFile(path, []byte(manyProducts(1000)), 0o600))
	killedImport(t, place, childFile+"="+path, childAge+"=0", childID+"=1700")
	s := openImportingIn(t, place, clock.NewFake(time.Now().Add(time.Hour), 3))
	i := s.good(t, "slug,title,sku,price\np-999,Newest,p-999-s,1\n", csvFile)
	require.EqualValues(t, 1, i.ProductsUpdated)
	require.Equal(t, "Newest", s.product(t, "p-999").Title)
	require.EqualValues(t, 1000, s.count(t, `SELECT count(*) FROM products`))
	require.EqualValues(t, 2, s.count(t, `SELECT count(*) FROM imports WHERE status = 'succeeded'`))
}

func TestADryRunThatWasCutShortBeginsAnew(t *testing.T) {
	t.Parallel()
	s := openImporting(t)
	file := manyProducts(1000) + "late,Late,,,,,,p-3-s,1,1\n"
	want := s.read(t, file, service.ImportOptions{Format: "csv", DryRun: true})
	require.EqualValues(t, 11, want.ErrorsTotal)
	id := s.start(t, file, service.ImportOptions{Format: "csv", DryRun: true})
	cutShort := func(at int64) service.Import {
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, importService(s.db, &ticking{Clock: s.clock, now: func(n int64) {
			if n == at {
				cancel()
			}
		}}).RunImports(ctx))
		i := s.report(t, id)
		require.Equal(t, "running", i.Status)
		return i
	}
	i := cutShort(7) // in the third batch, of which there are three at the least
	require.Positive(t, i.RowsDone)
	require.Positive(t, i.ErrorsTotal)
	i = cutShort(3) // when it has begun anew
	require.Zero(t, i.RowsDone+i.ErrorsTotal+i.RowsSkipped+i.ProductsCreated)
	require.Empty(t, i.Errors)
	require.Equal(t, want.RowsTotal, i.RowsTotal)
	s.work(t)
	require.Equal(t, comparable(want), comparable(s.report(t, id)))
}
