package bustest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/bus"
	"stoa/platform/clock"
)

// carried is what a bus promises that more than one process has.
var carried = map[string]func(t *testing.T, b bus.Bus, broker *Broker){
	"what nobody listened to yet is kept":                          testKept,
	"one instance takes over from another":                         testHandOver,
	"what a killed instance had in hand comes first":               testKilled,
	"what a killed instance had in hand comes though nothing does": testKilledAndQuiet,
	"an instance that hung puts nothing out of order":              testHung,
	"instances that compete keep the order":                        testCompeting,
	"instances that are killed again and again lose nothing":       testKilledAgain,
	"a broker that is away is told so at once":                     testAwayFast,
	"a broker that was away gets what happened meanwhile":          testAwayAndBack,
	"a broker that comes back while nothing happens delivers":      testBackWhileQuiet,
	"a broker that lost everything is made anew and refilled":      testWiped,
	"a consumer that asks for more types gets them":                testMoreTypes,
}

func testKept(t *testing.T, b bus.Bus, broker *Broker) {
	publish(t, b, event("a", 1, happened), event("a", 2, finished))
	broker.Stop(t)
	broker.Start(t)
	first := subscribe(t, b, "first", nil, happened, finished)
	inOrder(t, first.await(t, 2))
	publish(t, b, event("a", 3, happened))
	second := subscribe(t, b, "second", nil, happened, finished)
	inOrder(t, second.await(t, 3))
}

func testHandOver(t *testing.T, b bus.Bus, broker *Broker) {
	other, _ := broker.Further(t)
	c := newConsumer()
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, b.Subscribe(ctx, "one", []string{happened}, c.take))
	publish(t, b, event("a", 1, happened), event("a", 2, happened))
	c.await(t, 2)
	cancel()
	publish(t, b, event("a", 3, happened))
	began := clock.System().Now()
	require.NoError(t, other.Subscribe(t.Context(), "one", []string{happened}, c.take))
	inOrder(t, c.await(t, 3))
	require.Less(t, clock.System().Now().Sub(began), 10*time.Second)
}

// holding subscribes an instance that never gets done with the first batch it
// is given: what it has in hand when it is killed, or until goOn is called.
func holding(t *testing.T, b bus.Bus, c *consumer) (inHand <-chan int, goOn func()) {
	t.Helper()
	got, release := make(chan int, 1), make(chan struct{})
	var once sync.Once
	require.NoError(t, b.Subscribe(t.Context(), "one", []string{happened}, func(ctx context.Context, events []bus.Event) error {
		once.Do(func() {
			got <- len(events)
			<-release
		})
		return c.take(ctx, events)
	}))
	goOn = sync.OnceFunc(func() { close(release) })
	t.Cleanup(goOn)
	return got, goOn
}

func testKilled(t *testing.T, b bus.Bus, broker *Broker) {
	dying, kill := broker.Further(t)
	none, c := newConsumer(), newConsumer()
	inHand, _ := holding(t, dying, none)
	publish(t, b, event("a", 1, happened), event("b", 1, happened), event("a", 2, happened))
	<-inHand
	require.NoError(t, b.Subscribe(t.Context(), "one", []string{happened}, c.take))
	kill()
	publish(t, b, event("a", 3, happened), event("b", 2, happened))
	inOrder(t, c.await(t, 5))
	require.Len(t, c.await(t, 5), 5)
}

func testKilledAndQuiet(t *testing.T, b bus.Bus, broker *Broker) {
	dying, kill := broker.Further(t)
	inHand, _ := holding(t, dying, newConsumer())
	publish(t, b, event("a", 1, happened), event("a", 2, happened))
	<-inHand
	kill()
	began := clock.System().Now()
	inOrder(t, subscribe(t, b, "one", nil, happened).await(t, 2))
	require.Less(t, clock.System().Now().Sub(began), 15*time.Second, "nobody waits for acknowledgements that do not come")
}

func testHung(t *testing.T, b bus.Bus, broker *Broker) {
	hung, _ := broker.Further(t)
	c := newConsumer() // both store in the same place
	inHand, goOn := holding(t, hung, c)
	publish(t, b, event("a", 1, happened), event("a", 2, happened))
	<-inHand
	require.NoError(t, b.Subscribe(t.Context(), "one", []string{happened}, c.take))
	publish(t, b, event("a", 3, happened))
	inOrder(t, c.await(t, 3)) // by the one that took over
	goOn()
	for n := int64(4); n <= 40; n++ {
		publish(t, b, event("a", n, happened))
	}
	inOrder(t, c.await(t, 40))
}

func testCompeting(t *testing.T, b bus.Bus, broker *Broker) {
	const aggregates, each = 8, 60
	from, to := newModule(t, "from", b), newModule(t, "to", b)
	to.handle("first", nil)
	to.listen(b)
	for range 2 {
		other, _ := broker.Further(t)
		require.NoError(t, other.Subscribe(t.Context(), "to", to.inbox.Types(), to.inbox.Deliver))
	}
	from.relay()
	var happening sync.WaitGroup
	for a := range aggregates {
		happening.Go(func() { from.happen(fmt.Sprint(a), each) })
	}
	happening.Wait()
	list := to.await("first", aggregates*each)
	require.Len(t, list, aggregates*each)
	for a := range aggregates {
		require.Equal(t, numbered(fmt.Sprint(a), 1, each), of(fmt.Sprint(a), list))
	}
}

func testKilledAgain(t *testing.T, b bus.Bus, broker *Broker) {
	const kills = 3
	c := newConsumer()
	var (
		stop      atomic.Bool
		published atomic.Int64
		working   sync.WaitGroup
	)
	working.Go(func() {
		for n := int64(1); !stop.Load(); n++ {
			publish(t, b, event("a", 2*n-1, happened), event("b", 2*n-1, happened), event("a", 2*n, happened), event("b", 2*n, happened))
			published.Store(4 * n)
			_ = clock.Sleep(t.Context(), clock.System(), 5*time.Millisecond)
		}
	})
	defer working.Wait()
	defer stop.Store(true)
	for range kills {
		dying, kill := broker.Further(t)
		require.NoError(t, dying.Subscribe(t.Context(), "one", []string{happened}, c.take))
		c.mu.Lock()
		had := len(c.events)
		c.mu.Unlock()
		c.await(t, had+100)
		kill()
	}
	require.NoError(t, b.Subscribe(t.Context(), "one", []string{happened}, c.take))
	stop.Store(true)
	working.Wait()
	inOrder(t, c.await(t, int(published.Load())))
}

func testAwayFast(t *testing.T, b bus.Bus, broker *Broker) {
	publish(t, b, event("a", 1, happened))
	broker.Stop(t)
	began := clock.System().Now()
	require.Error(t, b.Publish(t.Context(), []bus.Event{event("a", 2, happened)}))
	require.Less(t, clock.System().Now().Sub(began), 2*time.Second)
	broker.Start(t)
	publish(t, b, event("a", 2, happened))
	inOrder(t, subscribe(t, b, "one", nil, happened).await(t, 2))
}

func testAwayAndBack(t *testing.T, b bus.Bus, broker *Broker) {
	from, to := newModule(t, "from", b), newModule(t, "to", b)
	to.handle("first", nil)
	to.listen(b)
	from.relay()
	from.happen("a", 3)
	to.await("first", 3)
	broker.Stop(t)
	from.happen("a", 5) // the shop goes on
	broker.Start(t)
	from.happen("a", 2)
	require.Equal(t, numbered("a", 1, 10), to.await("first", 10))
}

func testBackWhileQuiet(t *testing.T, b bus.Bus, broker *Broker) {
	inHand, goOn := holding(t, b, newConsumer())
	publish(t, b, event("a", 1, happened))
	<-inHand
	broker.Stop(t)
	goOn() // its acknowledgement is lost
	broker.Start(t)
	c := subscribe(t, b, "two", nil, happened)
	inOrder(t, c.await(t, 1))
	publish(t, b, event("a", 2, happened))
	inOrder(t, c.await(t, 2))
}

func testWiped(t *testing.T, b bus.Bus, broker *Broker) {
	from, to := newModule(t, "from", b), newModule(t, "to", b)
	var calls atomic.Int64
	to.handle("first", func(bus.Event) error { calls.Add(1); return nil })
	to.listen(b)
	stop := from.relay()
	from.happen("a", 5)
	to.await("first", 5)
	from.settled()
	stop()
	broker.Wipe(t)
	until(t, func(ctx context.Context) error { // the first publisher finds out
		n, err := from.outbox.Replay(ctx, time.Time{}, b)
		if err == nil {
			require.EqualValues(t, 5, n)
		}
		return err
	})
	from.relay()
	from.happen("a", 2)
	require.Equal(t, numbered("a", 1, 7), to.await("first", 7))
	late := newModule(t, "late", b)
	late.handle("second", nil)
	late.listen(b)
	require.Equal(t, numbered("a", 1, 7), late.await("second", 7))
	require.EqualValues(t, 7, calls.Load(), "who has had an event knows it")
}

func testMoreTypes(t *testing.T, b bus.Bus, broker *Broker) {
	c := newConsumer()
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, b.Subscribe(ctx, "one", []string{happened}, c.take))
	publish(t, b, event("a", 1, happened))
	c.await(t, 1)
	cancel()
	next, _ := broker.Further(t)
	require.NoError(t, next.Subscribe(t.Context(), "one", []string{happened, finished}, c.take))
	publish(t, b, event("b", 1, happened))
	c.await(t, 2)
	publish(t, b, event("a", 2, finished))
	inOrder(t, c.await(t, 3))
}
