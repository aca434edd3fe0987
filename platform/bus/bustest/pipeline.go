package bustest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/inbox"
	"stoa/platform/outbox"
)

// Happened is an event of these tests.
type Happened struct {
	N int64 `json:"n"`
}

// EventType names the event on the bus.
func (Happened) EventType() string { return happened }

var diary = dbtest.Migration(`-- +goose Up
CREATE TABLE diary (entry INTEGER PRIMARY KEY AUTOINCREMENT, handler TEXT NOT NULL, aggregate TEXT NOT NULL, sequence BIGINT NOT NULL);
-- +goose Down
DROP TABLE diary;
`)

var (
	writeDiary = db.NewStatement(`INSERT INTO diary (handler, aggregate, sequence) VALUES ($1, $2, $3)`)
	readDiary  = db.NewStatement(`SELECT aggregate, sequence FROM diary WHERE handler = $1 ORDER BY entry`)
)

// module is one end of a bus, with a database of its own.
type module struct {
	t      testing.TB
	name   string
	db     *db.DB
	outbox *outbox.Outbox
	inbox  *inbox.Inbox
	wrote  chan struct{}
	clock  clock.Clock
}

// later is a clock that is ahead of another.
type later struct {
	clock.Clock
	by time.Duration
}

func (l later) Now() time.Time { return l.Clock.Now().Add(l.by) }

func newModule(t testing.TB, name string, b bus.Bus) *module {
	t.Helper()
	m := &module{t: t, name: name, db: dbtest.Open(t, name, diary), wrote: make(chan struct{}, 1), clock: clock.System()}
	m.reopen(b)
	return m
}

// reopen is what a new process finds: the same database and nothing else.
func (m *module) reopen(b bus.Bus) {
	log := slog.New(slog.DiscardHandler)
	m.outbox = outbox.New(m.name, m.db, b, m.clock, log, outbox.Options{})
	m.inbox = inbox.New(m.name, m.db, m.clock, log, inbox.Options{Attempts: 2})
}

// handle adds a handler whose effect is an entry in the diary. What before
// returns is its failure; nil has none.
func (m *module) handle(name string, before func(e bus.Event) error) {
	m.t.Helper()
	require.NoError(m.t, m.inbox.Handle(inbox.Handler{
		Name: name, Types: []string{happened},
		Handle: func(_ context.Context, e bus.Event) (db.Effect, error) {
			if before != nil {
				if err := before(e); err != nil {
					return nil, err
				}
			}
			return func(ctx context.Context, tx *db.Tx) error {
				tx.AfterCommit(m.tell)
				_, err := writeDiary.Exec(ctx, tx, name, e.Subject, e.Sequence)
				return err
			}, nil
		},
	}))
}

func (m *module) tell() {
	select {
	case m.wrote <- struct{}{}:
	default:
	}
}

// listen subscribes and runs handlers, until stop is called.
func (m *module) listen(b bus.Bus) (stop func()) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	require.NoError(m.t, b.Subscribe(ctx, m.name, m.inbox.Types(), m.inbox.Deliver))
	return m.until(cancel, func() error { return m.inbox.Run(ctx) })
}

// relay hands events over, until stop is called.
func (m *module) relay() (stop func()) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	return m.until(cancel, func() error { return m.outbox.Relay(ctx) })
}

func (m *module) until(cancel context.CancelFunc, work func() error) (stop func()) {
	ended := make(chan error, 1)
	go func() { ended <- work() }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(m.t, <-ended)
	})
	m.t.Cleanup(stop)
	return stop
}

// happen has something happen to an aggregate, n times, each in a transaction.
func (m *module) happen(aggregate string, times int64) {
	m.t.Helper()
	for n := range times {
		require.NoError(m.t, m.db.Write(m.t.Context(), func(ctx context.Context, tx *db.Tx) error {
			return m.outbox.Add(ctx, tx, aggregate, Happened{n})
		}))
	}
}

func (m *module) diary(handler string) []string {
	m.t.Helper()
	rows, err := readDiary.Query(m.t.Context(), m.db.Read(), handler)
	require.NoError(m.t, err)
	defer func() { require.NoError(m.t, rows.Close()) }()
	var list []string
	for rows.Next() {
		var (
			aggregate string
			sequence  int64
		)
		require.NoError(m.t, rows.Scan(&aggregate, &sequence))
		list = append(list, fmt.Sprintf("%s-%d", aggregate, sequence))
	}
	require.NoError(m.t, rows.Err())
	return list
}

// await gives a handler's entries once there are n.
func (m *module) await(handler string, n int) []string {
	m.t.Helper()
	deadline := time.After(patience)
	for {
		list := m.diary(handler)
		if len(list) >= n {
			return list
		}
		select {
		case <-m.wrote:
		case <-deadline:
			require.FailNow(m.t, "effects are missing", "%s has %d of %d: %v", handler, len(list), n, list)
		}
	}
}

// of gives the entries of one aggregate.
func of(aggregate string, list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(entry string) bool { return !strings.HasPrefix(entry, aggregate+"-") })
}

func numbered(aggregate string, from, to int64) (list []string) {
	for n := from; n <= to; n++ {
		list = append(list, fmt.Sprintf("%s-%d", aggregate, n))
	}
	return list
}

func testPipeline(t *testing.T, b bus.Bus) {
	const aggregates, each = 10, 20
	from, to, other := newModule(t, "from", b), newModule(t, "to", b), newModule(t, "other", b)
	var calls atomic.Int64
	to.handle("first", func(bus.Event) error { calls.Add(1); return nil })
	to.handle("second", nil)
	other.handle("third", nil)
	to.listen(b)
	other.listen(b)
	from.relay()
	var happening sync.WaitGroup
	for a := range aggregates {
		happening.Go(func() { from.happen(fmt.Sprint(a), each) })
	}
	happening.Wait()
	for m, handlers := range map[*module][]string{to: {"first", "second"}, other: {"third"}} {
		for _, handler := range handlers {
			list := m.await(handler, aggregates*each)
			require.Len(t, list, aggregates*each)
			for a := range aggregates {
				require.Equal(t, numbered(fmt.Sprint(a), 1, each), of(fmt.Sprint(a), list))
			}
		}
	}
	require.EqualValues(t, aggregates*each, calls.Load(), "a handler that does not fail is called once")
}

func testCrashBeforePublish(t *testing.T, b bus.Bus) {
	from, to := newModule(t, "from", b), newModule(t, "to", b)
	to.handle("first", nil)
	to.listen(b)
	from.happen("a", 3) // and nobody relays it
	n, err := from.outbox.Backlog(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	from.reopen(b)
	from.relay()
	require.Equal(t, numbered("a", 1, 3), to.await("first", 3))
}

// dying is a bus that takes events, after which the process that published
// them is gone.
type dying struct {
	bus.Bus
	die func()
}

func (d dying) Publish(ctx context.Context, events []bus.Event) error {
	for ctx.Err() == nil {
		if d.Bus.Publish(ctx, events) == nil {
			d.die()
			return errors.New("nobody hears that they were taken")
		}
	}
	return ctx.Err()
}

func testCrashAfterPublish(t *testing.T, b bus.Bus) {
	from, to := newModule(t, "from", b), newModule(t, "to", b)
	to.handle("first", nil)
	to.listen(b)
	ctx, die := context.WithCancel(t.Context())
	from.reopen(dying{b, die})
	from.happen("a", 3)
	require.NoError(t, from.outbox.Relay(ctx))
	n, err := from.outbox.Backlog(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, n, "what the bus has taken is not marked as sent")

	from.reopen(b)
	from.relay()
	from.happen("a", 1)
	require.Equal(t, numbered("a", 1, 4), to.await("first", 4))
}

func testNoAcknowledgementWithoutCommit(t *testing.T, b bus.Bus) {
	from, to := newModule(t, "from", b), newModule(t, "to", b)
	to.handle("first", nil)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	var attempts atomic.Int64
	taken := make(chan struct{})
	tell := sync.OnceFunc(func() { close(taken) })
	require.NoError(t, b.Subscribe(ctx, "to", to.inbox.Types(), func(ctx context.Context, events []bus.Event) error {
		if attempts.Add(1) <= 3 { // the database is away: the inbox's transaction fails
			gone, cancel := context.WithCancel(ctx)
			cancel()
			err := to.inbox.Deliver(gone, events)
			require.Error(t, err)
			return err
		}
		defer tell()
		return to.inbox.Deliver(ctx, events)
	}))
	from.happen("a", 1)
	from.relay()
	hear(t, taken)
	to.until(cancel, func() error { return to.inbox.Run(ctx) })
	require.Equal(t, numbered("a", 1, 1), to.await("first", 1))
}

func testCrashInHandler(t *testing.T, b bus.Bus) {
	from, to := newModule(t, "from", b), newModule(t, "to", b)
	crashed := make(chan struct{})
	never := make(chan struct{})
	// The process that dies is one whose handler has done what it does outside
	// and never comes to commit.
	to.handle("first", func(bus.Event) error {
		close(crashed)
		<-never
		return errors.New("the process is gone")
	})
	ctx, cancel := context.WithCancel(context.Background())
	require.NoError(t, b.Subscribe(ctx, "to", to.inbox.Types(), to.inbox.Deliver))
	abandoned := to.inbox
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = abandoned.Run(ctx)
	}()
	t.Cleanup(func() {
		close(never)
		<-gone
	})
	from.happen("a", 2)
	stop := from.relay()
	hear(t, crashed)
	stop()
	cancel()

	// On a database that several processes share, what the dead one had begun
	// is another's once its lease has run out.
	to.clock = later{clock.System(), time.Minute}
	to.reopen(b)
	var again atomic.Int64
	to.handle("first", func(bus.Event) error { again.Add(1); return nil })
	running, end := context.WithCancel(context.Background())
	to.until(end, func() error { return to.inbox.Run(running) })
	require.Equal(t, "a-1", to.await("first", 1)[0])
	require.Positive(t, again.Load())
}

var errPoison = errors.New("this cannot be digested")

// poisoned makes a pair of modules, of which one handler cannot deal with the
// second event of "bad".
func poisoned(t *testing.T, b bus.Bus) (to *module, cure func()) {
	from, to := newModule(t, "from", b), newModule(t, "to", b)
	var cured atomic.Bool
	to.handle("first", func(e bus.Event) error {
		if e.Subject == "bad" && e.Sequence == 2 && !cured.Load() {
			return errPoison
		}
		return nil
	})
	to.handle("second", nil)
	to.listen(b)
	from.relay()
	from.happen("bad", 4)
	from.happen("good", 4)
	list := to.await("first", 5)
	require.Equal(t, numbered("good", 1, 4), of("good", list))
	require.Equal(t, numbered("bad", 1, 1), of("bad", list))
	require.Len(t, to.await("second", 8), 8, "another handler is another matter")
	return to, func() { cured.Store(true) }
}

// parked gives the dead letters once there are n.
func (m *module) parked(n int) []inbox.DeadLetter {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	for {
		list, err := m.inbox.DeadLetters(ctx, 0, 100)
		require.NoError(m.t, err)
		if len(list) >= n {
			return list
		}
	}
}

func testPoison(t *testing.T, b bus.Bus) {
	to, _ := poisoned(t, b)
	list := to.parked(1)
	require.Len(t, list, 1)
	require.Equal(t, "first", list[0].Handler)
	require.Equal(t, "bad", list[0].Event.Subject)
	require.EqualValues(t, 2, list[0].Event.Sequence)
	require.EqualValues(t, 2, list[0].Attempts)
	require.Contains(t, list[0].Error, errPoison.Error())
	require.Equal(t, numbered("bad", 1, 1), of("bad", to.diary("first")), "what follows it waits")
	pending, parked, err := to.inbox.Backlog(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, pending)
	require.EqualValues(t, 1, parked)
}

func testReplay(t *testing.T, b bus.Bus) {
	to, cure := poisoned(t, b)
	letter := to.parked(1)[0]
	cure()
	require.NoError(t, to.inbox.Replay(t.Context(), letter.ID))
	require.Equal(t, numbered("bad", 1, 4), of("bad", to.await("first", 8)))
	list, err := to.inbox.DeadLetters(t.Context(), 0, 100)
	require.NoError(t, err)
	require.Empty(t, list)
	require.ErrorIs(t, to.inbox.Replay(t.Context(), letter.ID), inbox.ErrNotParked)
}

func testSlow(t *testing.T, b bus.Bus) {
	from, to := newModule(t, "from", b), newModule(t, "to", b)
	goOn := make(chan struct{})
	to.handle("first", func(e bus.Event) error {
		if e.Subject == "slow" {
			<-goOn
		}
		return nil
	})
	to.handle("second", nil)
	to.listen(b)
	from.relay()
	from.happen("slow", 3)
	from.happen("quick", 50)
	require.Equal(t, numbered("quick", 1, 50), of("quick", to.await("first", 50)))
	require.Len(t, to.await("second", 53), 53)
	require.Empty(t, of("slow", to.diary("first")))
	close(goOn)
	require.Equal(t, numbered("slow", 1, 3), of("slow", to.await("first", 53)))
}

// shuffling is a bus whose subscribers get each batch backwards, with some of
// what they have had between.
type shuffling struct{ bus.Bus }

func (s shuffling) Subscribe(ctx context.Context, name string, types []string, deliver func(context.Context, []bus.Event) error) error {
	var had []bus.Event
	return s.Bus.Subscribe(ctx, name, types, func(ctx context.Context, events []bus.Event) error {
		mixed := slices.Clone(events)
		slices.Reverse(mixed)
		for i, e := range had {
			if i%3 == len(had)%3 {
				mixed = slices.Insert(mixed, i%(len(mixed)+1), e)
			}
		}
		if err := deliver(ctx, mixed); err != nil {
			return err
		}
		had = append(had, events...)
		return deliver(ctx, had[len(had)/2:])
	})
}

func testShuffled(t *testing.T, b bus.Bus) {
	const aggregates, each = 4, 25
	from, to := newModule(t, "from", b), newModule(t, "to", b)
	to.handle("first", nil)
	to.listen(shuffling{b})
	for range each {
		for a := range aggregates {
			from.happen(fmt.Sprint(a), 1)
		}
	}
	from.relay()
	list := to.await("first", aggregates*each)
	require.Len(t, list, aggregates*each)
	for a := range aggregates {
		require.Equal(t, numbered(fmt.Sprint(a), 1, each), of(fmt.Sprint(a), list))
	}
}

// settled waits until the bus has taken everything.
func (m *module) settled() {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	for {
		n, err := m.outbox.Backlog(ctx)
		require.NoError(m.t, err)
		if n == 0 {
			return
		}
	}
}

func testOutboxReplay(t *testing.T, b bus.Bus) {
	from, to := newModule(t, "from", b), newModule(t, "to", b)
	var calls atomic.Int64
	to.handle("first", func(bus.Event) error { calls.Add(1); return nil })
	to.listen(b)
	from.relay()
	from.happen("a", 3)
	to.await("first", 3)
	from.settled()

	watch := subscribe(t, b, "watch", nil, happened)
	n, err := from.outbox.Replay(t.Context(), time.Time{}, b)
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	inOrder(t, watch.await(t, 3))
	from.happen("a", 1)
	require.Equal(t, numbered("a", 1, 4), to.await("first", 4))
	require.EqualValues(t, 4, calls.Load(), "who has had an event knows it")

	n, err = from.outbox.Replay(t.Context(), clock.System().Now().Add(time.Hour), b)
	require.NoError(t, err)
	require.Zero(t, n)
}
