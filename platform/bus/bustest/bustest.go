// Package bustest holds a bus to what modules rely on: alone, and between an
// outbox and inboxes over real databases, with crashes at the places where they
// hurt. Every implementation of bus.Bus passes it.
//
// Only tests import it. It needs no server, and waits for events, not for time.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/bus"
	"stoa/platform/clock"
)

// patience is how long something that must happen may take at most.
const patience = 30 * time.Second

// Harness is a bus of one test's own.
type Harness struct {
	// Bus is an instance of it, as a process has one.
	Bus bus.Bus
	// Broker is what carries it outside the process, nil where nothing does:
	// what needs one is then no part of the suite.
	Broker *Broker
}

// Broker is what can happen to a bus that is carried outside the process.
type Broker struct {
	// Further gives another instance, as another process has one, and what cuts
	// it off from the broker as a kill does: without a word.
	Further func(t testing.TB) (b bus.Bus, kill func())
	// Stop has the broker go away, Start has it come back with what it had.
	Stop, Start func(t testing.TB)
	// Wipe has the broker lose everything, what it was told to keep and for whom.
	Wipe func(t testing.TB)
}

// Run holds a bus to its promises. Each test asks open for a bus of its own.
func Run(t *testing.T, open func(t testing.TB) Harness) {
	for name, test := range alone {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t).Bus)
		})
	}
	if open(t).Broker == nil {
		return
	}
	for name, test := range carried {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			test(t, h.Bus, h.Broker)
		})
	}
}

// alone is what every bus promises.
var alone = map[string]func(t *testing.T, b bus.Bus){
	"an event arrives as it was":                            testUnchanged,
	"each consumer gets what it asked for":                  testTypes,
	"order holds for each aggregate":                        testOrder,
	"what was not taken is delivered again, in order":       testRedelivery,
	"a consumer that fails holds up no other":               testOneFails,
	"a subscription ends":                                   testUnsubscribe,
	"what is published again on purpose is delivered again": testAgain,
	"what is no event type is refused":                      testBadType,
	"from outbox to handler, once and in order":             testPipeline,
	"what a crash left in the outbox is published":          testCrashBeforePublish,
	"what is published twice takes effect once":             testCrashAfterPublish,
	"nothing is acknowledged that is not stored":            testNoAcknowledgementWithoutCommit,
	"a crash between effect and commit repeats the effect":  testCrashInHandler,
	"poison holds up its aggregate and nothing else":        testPoison,
	"a dead letter is replayed, and what waited follows":    testReplay,
	"a slow handler holds up nobody":                        testSlow,
	"what comes shuffled and repeated is put in order":      testShuffled,
	"what was sent is published again, and changes nothing": testOutboxReplay,
}

const (
	happened = "stoa.test.happened.v1"
	finished = "stoa.test.finished.v1"
)

// event makes the nth event of an aggregate.
func event(aggregate string, n int64, kind string) bus.Event {
	return bus.Event{
		ID: fmt.Sprintf("%s-%d", aggregate, n), Source: "test", Type: kind, Subject: aggregate, Sequence: n,
		Time: time.Date(2026, 11, 21, 9, 30, 0, 123456000, time.UTC), TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Data: []byte(fmt.Sprintf(`{"n":%d,"text":"grüße \u0000 <&>"}`, n)),
	}
}

// until tries again until what is tried succeeds.
func until(t testing.TB, try func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil || t.Context().Err() != nil {
			return
		}
		require.NoError(t, ctx.Err(), "it does not succeed: %v", err)
		_ = clock.Sleep(ctx, clock.System(), time.Millisecond)
	}
}

// publish hands events over as a relay does: until they are taken.
func publish(t testing.TB, b bus.Bus, events ...bus.Event) {
	t.Helper()
	until(t, func(ctx context.Context) error { return b.Publish(ctx, events) })
}

// consumer keeps what it is given.
type consumer struct {
	mu     sync.Mutex
	events []bus.Event
	seen   map[string]bool
	came   chan struct{}
	refuse func(e bus.Event) bool
	all    bool // keeps what it has had, too
}

func newConsumer() *consumer { return &consumer{seen: map[string]bool{}, came: make(chan struct{}, 1)} }

func subscribe(t *testing.T, b bus.Bus, name string, refuse func(e bus.Event) bool, types ...string) *consumer {
	t.Helper()
	c := newConsumer()
	c.refuse = refuse
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	require.NoError(t, b.Subscribe(ctx, name, types, c.take))
	return c
}

var errRefused = errors.New("refused")

// take is as an inbox is: it takes all or nothing, and an event once, unless
// it is to take all.
func (c *consumer) take(_ context.Context, events []bus.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil && slices.ContainsFunc(events, c.refuse) {
		return errRefused
	}
	for _, e := range events {
		if c.all || !c.seen[e.ID] {
			c.seen[e.ID] = true
			c.events = append(c.events, e)
		}
	}
	select {
	case c.came <- struct{}{}:
	default:
	}
	return nil
}

// await gives what came once there are n.
func (c *consumer) await(t *testing.T, n int) []bus.Event {
	t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		got := slices.Clone(c.events)
		c.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-c.came:
		case <-deadline:
			require.FailNow(t, "events are missing", "%d of %d came", len(got), n)
		}
	}
}

func testUnchanged(t *testing.T, b bus.Bus) {
	c := subscribe(t, b, "one", nil, happened)
	sent := event("a", 7, happened)
	publish(t, b, sent)
	got := c.await(t, 1)[0]
	require.True(t, sent.Time.Equal(got.Time))
	require.Equal(t, time.UTC, got.Time.Location())
	require.JSONEq(t, string(sent.Data), string(got.Data))
	got.Time, got.Data = sent.Time, sent.Data
	require.Equal(t, sent, got)
}

func testTypes(t *testing.T, b bus.Bus) {
	first := subscribe(t, b, "first", nil, happened)
	both := subscribe(t, b, "both", nil, happened, finished)
	publish(t, b, event("a", 1, happened), event("a", 2, "stoa.test.nobody_listens.v1"), event("a", 3, finished))
	require.Len(t, both.await(t, 2), 2)
	publish(t, b, event("a", 4, happened))
	require.Len(t, both.await(t, 3), 3)
	got := first.await(t, 2)
	require.Equal(t, []string{"a-1", "a-4"}, ids(got))
}

func ids(events []bus.Event) []string {
	list := make([]string, len(events))
	for i, e := range events {
		list[i] = e.ID
	}
	return list
}

func testOrder(t *testing.T, b bus.Bus) {
	const aggregates, each = 8, 50
	c := subscribe(t, b, "one", nil, happened)
	var publishing sync.WaitGroup
	for a := range aggregates {
		publishing.Go(func() {
			for n := int64(1); n <= each; n += 2 {
				publish(t, b, event(fmt.Sprint(a), n, happened), event(fmt.Sprint(a), n+1, happened))
			}
		})
	}
	publishing.Wait()
	inOrder(t, c.await(t, aggregates*each))
}

// inOrder holds events to be in the order of their aggregates, none twice.
func inOrder(t *testing.T, events []bus.Event) {
	t.Helper()
	last := map[string]int64{}
	for _, e := range events {
		require.Equal(t, last[e.Subject]+1, e.Sequence, "of %s", e.Subject)
		last[e.Subject] = e.Sequence
	}
}

func testRedelivery(t *testing.T, b bus.Bus) {
	refusals := 0
	c := subscribe(t, b, "one", func(e bus.Event) bool {
		if e.ID == "a-2" && refusals < 3 {
			refusals++
			return true
		}
		return false
	}, happened)
	for n := int64(1); n <= 4; n++ {
		publish(t, b, event("a", n, happened))
	}
	inOrder(t, c.await(t, 4))
	require.Equal(t, 3, refusals)
}

func testOneFails(t *testing.T, b bus.Bus) {
	var mu sync.Mutex
	away := true
	failing := subscribe(t, b, "failing", func(bus.Event) bool {
		mu.Lock()
		defer mu.Unlock()
		return away
	}, happened)
	whole := subscribe(t, b, "whole", nil, happened)
	published := make(chan struct{})
	go func() {
		defer close(published)
		publish(t, b, event("a", 1, happened))
	}()
	require.Equal(t, []string{"a-1"}, ids(whole.await(t, 1)))
	mu.Lock()
	away = false
	mu.Unlock()
	require.Equal(t, []string{"a-1"}, ids(failing.await(t, 1)))
	<-published
}

func testUnsubscribe(t *testing.T, b bus.Bus) {
	c := newConsumer()
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, b.Subscribe(ctx, "leaving", []string{happened}, c.take))
	stays := subscribe(t, b, "staying", nil, happened)
	publish(t, b, event("a", 1, happened))
	c.await(t, 1)
	cancel()
	// It may take what is on its way while it leaves; then it is gone.
	for n := int64(2); ; n++ {
		require.Less(t, n, int64(1000), "it is still there")
		publish(t, b, event("a", n, happened))
		stays.await(t, int(n))
		if int64(len(c.await(t, 1))) < n {
			return
		}
	}
}

func testAgain(t *testing.T, b bus.Bus) {
	counted := newConsumer()
	counted.all = true
	require.NoError(t, b.Subscribe(t.Context(), "one", []string{happened}, counted.take))
	e := event("a", 1, happened)
	publish(t, b, e)
	e.Again = "once more"
	publish(t, b, e)
	got := counted.await(t, 2)
	require.Equal(t, []string{"a-1", "a-1"}, ids(got[:2]))
	require.Empty(t, got[1].Again, "it does not travel")
}

func testBadType(t *testing.T, b bus.Bus) {
	for _, kind := range []string{"", "stoa.", "stoa.a.*", "stoa.>", "stoa.a b", "stoa..a", "order_placed"} {
		require.Error(t, b.Publish(t.Context(), []bus.Event{event("a", 1, kind)}), kind)
		require.Error(t, b.Subscribe(t.Context(), "one", []string{kind}, newConsumer().take), kind)
	}
}
