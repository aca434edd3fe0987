package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"stoa/platform/clock"
)

const (
	// streamName is the stream that holds every event of every module.
	streamName = "STOA_EVENTS"
	// subjectPrefix stands before an event's type, less its "stoa.".
	subjectPrefix = "stoa.events."
	typePrefix    = "stoa."

	// window is how many events are on their way to the broker at once.
	window = 512
	// ackWithin is how long the broker may take to say that it has one.
	ackWithin = 5 * time.Second
	// askWithin bounds a question about streams and consumers.
	askWithin = 5 * time.Second
	// duplicates is for how long the broker knows an event it has had. Order
	// and effects do not depend on it: it saves work when a batch is repeated.
	duplicates = 2 * time.Minute
)

// JetStream carries events over NATS JetStream: one stream for all, and for
// each module that listens a durable consumer of its name.
//
// Order of publishing: at most one event of an aggregate is on its way at a
// time. Its next is sent when the broker has acknowledged it, so that a failure
// in the middle of a batch cannot let a later event overtake an earlier one
// that is published again.
//
// Order of delivery: every instance that pulls passes events on without gaps,
// from a place before which everything has been stored. It sees that by the
// count of deliveries that the broker puts on each message; where a message
// does not follow on the last it had, or on what is acknowledged, it has the
// consumer go back to the acknowledgement floor and drops what it holds. So
// whatever number of instances pull, and whichever of them dies with events in
// hand, an event is first stored when all before it are. That they do not get
// into each other's way is the broker's part: it sends to one at a time, the
// pinned client of a priority group, and chooses another when that one stops
// asking.
//
// It needs nats-server 2.14 or later. A stream or consumer that is missing is
// made again; what a lost stream held is in the outboxes, see outbox.Replay.
type JetStream struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	config  Config
	clock   clock.Clock
	log     *slog.Logger
	metrics *metrics

	ctx     context.Context // ends with Close
	end     context.CancelFunc
	pulling sync.WaitGroup

	mu          sync.Mutex
	made        bool // the stream is as configured, as far as known
	subscribers map[string]bool
	closed      bool
}

// NewJetStream gives a bus over a connection, which the caller closes after it.
// It asks the broker nothing yet: that may be away. Metrics go to r, nowhere
// where that is nil.
func NewJetStream(nc *nats.Conn, c Config, clk clock.Clock, log *slog.Logger, r prometheus.Registerer) (*JetStream, error) {
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(window), jetstream.WithPublishAsyncTimeout(ackWithin), jetstream.WithDefaultTimeout(askWithin))
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	b := &JetStream{nc: nc, js: js, config: c, clock: clk, log: log, metrics: newMetrics(r), subscribers: map[string]bool{}}
	b.ctx, b.end = context.WithCancel(context.Background())
	return b, nil
}

// Close ends the subscriptions and waits for them.
func (b *JetStream) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.end()
	b.pulling.Wait()
	b.js.CleanupPublisher()
	return nil
}

// Check tells whether the stream can be reached.
func (b *JetStream) Check(ctx context.Context) error {
	if err := b.ensure(ctx); err != nil {
		return err
	}
	if _, err := b.js.Stream(ctx, streamName); err != nil {
		b.missing(err)
		return fmt.Errorf("stream %s: %w", streamName, err)
	}
	return nil
}

// ensure makes the stream, or makes it what it should be, where that has not
// been done or the stream was found missing since.
func (b *JetStream) ensure(ctx context.Context) error {
	b.mu.Lock()
	made := b.made
	b.mu.Unlock()
	if made {
		return nil
	}
	if !b.nc.IsConnected() {
		return nats.ErrDisconnected // at once, not after a timeout
	}
	maxBytes := int64(b.config.MaxBytes)
	if maxBytes == 0 {
		maxBytes = -1
	}
	config := jetstream.StreamConfig{
		Name:        streamName,
		Description: "Events of all modules, in the order of each aggregate.",
		Subjects:    []string{subjectPrefix + ">"},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Replicas:    b.config.Replicas,
		MaxAge:      b.config.MaxAge,
		MaxBytes:    maxBytes,
		Discard:     jetstream.DiscardNew, // what was taken is kept; what is not taken stays in its outbox
		Duplicates:  duplicates,
	}
	// It is changed only where it is not as it should be: every process asks.
	_, err := b.js.CreateStream(ctx, config)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		_, err = b.js.UpdateStream(ctx, config)
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", streamName, err)
	}
	b.mu.Lock()
	b.made = true
	b.mu.Unlock()
	return nil
}

// missing has the stream made again if err says that it may be gone.
func (b *JetStream) missing(err error) bool {
	gone := errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrConsumerDeleted) ||
		errors.Is(err, nats.ErrNoResponders)
	if gone {
		b.mu.Lock()
		b.made = false
		b.mu.Unlock()
	}
	return gone
}

// subject is where events of a type are published.
func subject(eventType string) (string, error) {
	rest, ours := strings.CutPrefix(eventType, typePrefix)
	if !ours || rest == "" || strings.ContainsAny(rest, " \t\r\n*>") || strings.HasPrefix(rest, ".") || strings.HasSuffix(rest, ".") || strings.Contains(rest, "..") {
		return "", fmt.Errorf("bus: %q is no event type such as stoa.orders.order_placed.v1", eventType)
	}
	return subjectPrefix + rest, nil
}

// Publish hands events to the broker and waits until it has them on disk.
func (b *JetStream) Publish(ctx context.Context, events []Event) error {
	err := b.publish(ctx, events)
	if err != nil {
		b.metrics.refused.Inc()
	}
	return err
}

func (b *JetStream) publish(ctx context.Context, events []Event) error {
	if err := b.ensure(ctx); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	messages := make([]*nats.Msg, len(events))
	for i, e := range events {
		m, err := b.message(e)
		if err != nil {
			return fmt.Errorf("publish %s: %w", e.Type, err)
		}
		messages[i] = m
	}
	for _, round := range rounds(events) {
		if err := b.send(ctx, events, messages, round); err != nil {
			return err
		}
	}
	return nil
}

func (b *JetStream) message(e Event) (*nats.Msg, error) {
	to, err := subject(e.Type)
	if err != nil {
		return nil, err
	}
	text, err := e.MarshalJSON()
	if err != nil {
		return nil, err
	}
	id := e.ID
	if e.Again != "" {
		id += "/" + e.Again
	}
	return &nats.Msg{Subject: to, Data: text, Header: nats.Header{
		nats.MsgIdHdr:  {id},
		"Content-Type": {"application/cloudevents+json; charset=utf-8"},
	}}, nil
}

// rounds parts events, by their places, so that no round has two of one
// aggregate and each aggregate's are in their order.
func rounds(events []Event) [][]int {
	type aggregate struct{ source, subject string }
	var parted [][]int
	had := make(map[aggregate]int, len(events))
	for i, e := range events {
		a := aggregate{e.Source, e.Subject}
		n := had[a]
		had[a] = n + 1
		if n == len(parted) {
			parted = append(parted, nil)
		}
		parted[n] = append(parted[n], i)
	}
	return parted
}

// send publishes one round and waits for all of its acknowledgements.
func (b *JetStream) send(ctx context.Context, events []Event, messages []*nats.Msg, round []int) error {
	sent := make([]jetstream.PubAckFuture, 0, len(round))
	var failed error
	for _, i := range round {
		future, err := b.js.PublishMsgAsync(messages[i], jetstream.WithStallWait(ackWithin), jetstream.WithRetryAttempts(0), jetstream.WithExpectStream(streamName))
		if err != nil {
			failed = fmt.Errorf("publish %s: %w", events[i].Type, err)
			break
		}
		sent = append(sent, future)
	}
	// What has been sent is waited for even after a failure, so that nothing of
	// this round is on its way when the caller publishes it again.
	for n, future := range sent {
		e := events[round[n]]
		select {
		case <-future.Ok(): // a duplicate is acknowledged too
			b.metrics.published.WithLabelValues(e.Source).Inc()
		case err := <-future.Err():
			b.missing(err)
			if failed == nil {
				failed = fmt.Errorf("publish %s: %w", e.Type, err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return failed
}
