package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"stoa/platform/clock"
)

const (
	// group is the consumer's priority group, of which one client is pinned.
	group = "puller"
	// pinnedFor is how long after its last request the client that is pinned may
	// be away before another takes over.
	pinnedFor = 3 * time.Second
	// fetchFor is how long one request waits for events, which is also how often
	// a client that gets none looks whether it should take over.
	fetchFor = time.Second
	// fetchSize is how many events one request asks for.
	fetchSize = 256
	// ackWait is how long an event may be in hand before the broker sends it
	// again. It is only for acknowledgements that got lost: who takes over goes
	// back to the acknowledgement floor at once.
	ackWait = 30 * time.Second
	// The pauses when the broker is away or events are not taken.
	firstPause, longestPause = 20 * time.Millisecond, time.Second
	// leaveWithin bounds telling the broker that another may take over.
	leaveWithin = time.Second
	// pinHeader names the client that is pinned, on each message that it gets.
	pinHeader = "Nats-Pin-Id"
)

// Subscribe pulls events until ctx ends, or the bus is closed. The consumer
// remembers its place when nobody pulls; one that is new begins with the oldest
// event there is. When its types change, those that are new to it begin there.
func (b *JetStream) Subscribe(ctx context.Context, name string, types []string, deliver func(ctx context.Context, events []Event) error) error {
	if name == "" || strings.ContainsAny(name, " \t\r\n.*>/\\") {
		return fmt.Errorf("bus: %q is no name for a consumer", name)
	}
	filters := make([]string, len(types))
	for i, t := range types {
		filter, err := subject(t)
		if err != nil {
			return err
		}
		filters[i] = filter
	}
	slices.Sort(filters)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errors.New("bus: is closed")
	}
	if b.subscribers[name] {
		return fmt.Errorf("bus: %s is subscribed already", name)
	}
	b.subscribers[name] = true
	p := &puller{bus: b, name: name, filters: slices.Compact(filters), deliver: deliver, log: b.log.With("consumer", name)}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(b.ctx, cancel)
	b.pulling.Go(func() {
		defer cancel()
		defer stop()
		p.run(ctx)
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.subscribers, name)
	})
	return nil
}

// puller is one instance's end of a consumer.
type puller struct {
	bus     *JetStream
	name    string
	filters []string
	deliver func(ctx context.Context, events []Event) error
	log     *slog.Logger

	pin  string // under which the last message came
	next uint64 // the delivery that follows on it; 0 where nothing is known
}

func (p *puller) run(ctx context.Context) {
	pause, level := firstPause, slog.LevelWarn
	for ctx.Err() == nil {
		began := p.bus.clock.Now()
		err := p.pull(ctx)
		if ctx.Err() != nil {
			break
		}
		if p.bus.clock.Now().Sub(began) > 2*fetchFor {
			pause, level = firstPause, slog.LevelWarn // it went well for a while
		}
		p.bus.missing(err)
		p.log.Log(ctx, level, "events wait at the broker", "error", err)
		level = slog.LevelDebug // said once an outage
		_ = clock.Sleep(ctx, p.bus.clock, pause)
		pause = min(2*pause, longestPause)
	}
	p.leave(context.WithoutCancel(ctx))
}

// pull gets events and passes them on until something is wrong.
func (p *puller) pull(ctx context.Context) error {
	consumer, err := p.consumer(ctx)
	if err != nil {
		return err
	}
	p.next = 0
	if err := p.look(ctx, consumer); err != nil {
		return err
	}
	for ctx.Err() == nil {
		n, err := p.fetch(ctx, consumer)
		switch {
		case errors.Is(err, jetstream.ErrPinIDMismatch):
			p.next = 0 // another is pinned by now
		case errors.Is(err, errGap):
			if err := p.goBack(ctx); err != nil {
				return err
			}
		case err != nil:
			return err
		}
		if n == 0 {
			if err := p.look(ctx, consumer); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// consumer makes the durable consumer, or makes it what it should be.
func (p *puller) consumer(ctx context.Context) (jetstream.Consumer, error) {
	if err := p.bus.ensure(ctx); err != nil {
		return nil, err
	}
	return p.bus.js.CreateOrUpdateConsumer(ctx, streamName, jetstream.ConsumerConfig{
		Durable:        p.name,
		Description:    "Events for the inbox of module " + p.name + ".",
		FilterSubjects: p.filters,
		DeliverPolicy:  jetstream.DeliverAllPolicy,
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        ackWait,
		MaxAckPending:  4 * fetchSize,
		MaxDeliver:     -1,
		PriorityPolicy: jetstream.PriorityPolicyPinned,
		PriorityGroups: []string{group},
		PinnedTTL:      pinnedFor,
	})
}

// errGap says that events before this one may be in the hands of somebody else.
var errGap = errors.New("bus: others were sent events before this one")

// look has the consumer go back where events were sent to somebody who is no
// longer there, or got lost on their way here. Nobody else would ask for them
// before ackWait, and later ones would come before them.
func (p *puller) look(ctx context.Context, consumer jetstream.Consumer) error {
	info, err := consumer.Info(ctx)
	if err != nil {
		return err
	}
	p.bus.metrics.waiting.WithLabelValues(p.name).Set(float64(info.NumPending))
	pinned := pinnedClient(info)
	if info.NumAckPending == 0 || pinned != "" && pinned != p.pin {
		return nil
	}
	return p.goBack(ctx)
}

func pinnedClient(info *jetstream.ConsumerInfo) string {
	for _, g := range info.PriorityGroups {
		if g.Group == group {
			return g.PinnedClientID
		}
	}
	return ""
}

// goBack has the consumer begin again after the last event before which all
// are acknowledged, and so stored.
func (p *puller) goBack(ctx context.Context) error {
	p.next = 0
	p.bus.metrics.takeovers.WithLabelValues(p.name).Inc()
	if _, err := p.bus.js.ResetConsumer(ctx, streamName, p.name); err != nil {
		return fmt.Errorf("go back to what is acknowledged (this needs nats-server 2.14 or later): %w", err)
	}
	return nil
}

// fetch gets events for a while and passes them on as they come. It tells how
// many came.
func (p *puller) fetch(ctx context.Context, consumer jetstream.Consumer) (int, error) {
	inner, cancel := context.WithTimeout(ctx, fetchFor)
	batch, err := consumer.Fetch(fetchSize, jetstream.FetchContext(inner), jetstream.FetchPriorityGroup(group))
	if err != nil {
		cancel()
		return 0, err
	}
	// What comes after the request has been given up is not looked at: the
	// consumer goes back to it.
	defer func() {
		cancel()
		for range batch.Messages() {
		}
	}()
	n := 0
	for hand := receive(batch.Messages()); len(hand) > 0; hand = receive(batch.Messages()) {
		n += len(hand)
		if err := p.take(ctx, consumer, hand); err != nil {
			return n, err
		}
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return n, err
	}
	return n, nil
}

// receive waits for a message and gives it with all that have come by then,
// nothing when there will be no more.
func receive(messages <-chan jetstream.Msg) []jetstream.Msg {
	m, more := <-messages
	if !more {
		return nil
	}
	hand := []jetstream.Msg{m}
	for {
		select {
		case m, more := <-messages:
			if !more {
				return hand
			}
			hand = append(hand, m)
		default:
			return hand
		}
	}
}

// take passes messages on until they are taken, and acknowledges them.
func (p *puller) take(ctx context.Context, consumer jetstream.Consumer, hand []jetstream.Msg) error {
	events := make([]Event, 0, len(hand))
	var waiting uint64
	for _, m := range hand {
		about, err := m.Metadata()
		if err != nil {
			return err
		}
		if err := p.follows(ctx, consumer, about.Sequence.Consumer, m.Headers().Get(pinHeader)); err != nil {
			return err
		}
		waiting = about.NumPending
		if about.NumDelivered > 1 {
			p.bus.metrics.redelivered.WithLabelValues(p.name).Inc()
		}
		var e Event
		if err := e.UnmarshalJSON(m.Data()); err != nil {
			// Nobody of ours published it, and it will not get better.
			p.log.ErrorContext(ctx, "a message on the bus is no event and is dropped", "subject", m.Subject(), "sequence", about.Sequence.Stream, "error", err)
			continue
		}
		events = append(events, e)
	}
	if len(events) > 0 {
		if err := p.deliverAll(ctx, hand, events); err != nil {
			return err
		}
	}
	for _, m := range hand {
		if err := m.Ack(); err != nil {
			return err
		}
	}
	now := p.bus.clock.Now()
	age := p.bus.metrics.age.WithLabelValues(p.name)
	for _, e := range events {
		age.Observe(now.Sub(e.Time).Seconds())
	}
	p.bus.metrics.delivered.WithLabelValues(p.name).Add(float64(len(events)))
	p.bus.metrics.waiting.WithLabelValues(p.name).Set(float64(waiting))
	return nil
}

// follows tells whether all that was delivered before a message has come here
// or has been acknowledged. Deliveries are counted from 1 again whenever the
// consumer goes back.
func (p *puller) follows(ctx context.Context, consumer jetstream.Consumer, delivery uint64, pin string) error {
	if delivery != p.next || pin != p.pin || p.next == 0 {
		info, err := consumer.Info(ctx)
		if err != nil {
			return err
		}
		if delivery > info.AckFloor.Consumer+1 || pin != pinnedClient(info) {
			return errGap
		}
	}
	p.next, p.pin = delivery+1, pin
	return nil
}

// deliverAll delivers until the events are taken.
func (p *puller) deliverAll(ctx context.Context, hand []jetstream.Msg, events []Event) error {
	pause := firstPause
	told := p.bus.clock.Now()
	for {
		err := p.deliver(ctx, events)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.log.WarnContext(ctx, "events are not taken", "events", len(events), "pause", pause, "error", err)
		if now := p.bus.clock.Now(); now.Sub(told) > ackWait/3 {
			told = now
			for _, m := range hand {
				if err := m.InProgress(); err != nil {
					return err
				}
			}
		}
		if err := clock.Sleep(ctx, p.bus.clock, pause); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

// leave lets another instance take over at once.
func (p *puller) leave(ctx context.Context) {
	if p.pin == "" || !p.bus.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, leaveWithin)
	defer cancel()
	stream, err := p.bus.js.Stream(ctx, streamName)
	if err != nil {
		return
	}
	consumer, err := stream.Consumer(ctx, p.name)
	if err != nil || pinnedClient(consumer.CachedInfo()) != p.pin {
		return
	}
	// Where that fails the pin runs out by itself.
	_ = stream.UnpinConsumer(ctx, p.name, group)
}
