package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"stoa/platform/clock"
)

const (
	// prefix of our names among the micro services of a broker.
	prefix = "stoa-"
	// Subjects on which instances say that they have come or are going, and on
	// which they are asked. It is not the broker's $SRV.STATS, because the micro
	// services of nats.go answer that before they are made (a data race).
	subjectJoin  = "stoa.directory.join"
	subjectLeave = "stoa.directory.leave"
	subjectAsk   = "stoa.directory.ask"
	// missable is how many times in a row an instance may not answer.
	missable = 5
	// remembered is how many rounds of questions somebody who left is not
	// believed to be back: answers may be under way.
	remembered = 60
	// waiting is how many messages may wait to be read.
	waiting = 4096
)

// NATS is a directory that instances announce themselves in. Each is a micro
// service (ADR-32 of NATS), named stoa-<module>, whose metadata holds its
// addresses and whose statistics hold its load, for this directory and for the
// tools of NATS. Every directory asks all of them for both each
// directory.refresh; besides, whoever comes or goes says so
// at once. One that does not answer five times in a row is gone.
//
// While the broker is away what is known stays: calls do not go through it.
type NATS struct {
	*table
	conn    *nats.Conn
	clock   clock.Clock
	log     *slog.Logger
	refresh time.Duration
	inbox   string // where answers come to

	messages chan *nats.Msg
	stop     context.CancelFunc
	running  sync.WaitGroup
	// What follows is the running goroutine's own.
	known map[key]*member
	left  map[key]int // rounds since it left
}

type key struct{ module, id string }

type member struct {
	Instance
	missed int
}

// NewNATS gives a directory over a connection, which stays its owner's.
func NewNATS(conn *nats.Conn, cfg Config, c clock.Clock, log *slog.Logger) (*NATS, error) {
	ctx, stop := context.WithCancel(context.Background())
	d := &NATS{
		table: newTable(), conn: conn, clock: c, log: log, refresh: cfg.Refresh, inbox: conn.NewInbox(),
		messages: make(chan *nats.Msg, waiting), stop: stop, known: map[key]*member{}, left: map[key]int{},
	}
	var subscribed []*nats.Subscription
	// One channel, so that what one instance says is heard in the order it is said.
	for _, subject := range []string{d.inbox, subjectJoin, subjectLeave} {
		s, err := conn.ChanSubscribe(subject, d.messages)
		if err != nil {
			stop()
			return nil, fmt.Errorf("listen for instances on %s: %w", subject, err)
		}
		subscribed = append(subscribed, s)
	}
	d.running.Go(func() {
		d.run(ctx)
		for _, s := range subscribed {
			_ = s.Unsubscribe() // the connection may be closed already
		}
	})
	return d, nil
}

// Close stops listening. Those announced here stay until they leave.
func (d *NATS) Close() error {
	d.stop()
	d.running.Wait()
	return nil
}

func (d *NATS) run(ctx context.Context) {
	d.ask()
	timer := d.clock.NewTimer(d.refresh)
	defer func() { timer.Stop() }()
	for {
		select {
		case m := <-d.messages:
			d.hear(m)
		case <-timer.C():
			d.count()
			d.ask()
			timer = d.clock.NewTimer(d.refresh)
		case <-ctx.Done():
			return
		}
	}
}

// ask asks every instance there is to tell of itself.
func (d *NATS) ask() {
	if !d.conn.IsConnected() {
		return
	}
	for _, m := range d.known {
		m.missed++
	}
	if err := d.conn.PublishRequest(subjectAsk, d.inbox, nil); err != nil {
		d.log.Warn("instances cannot be asked whether they are there", "error", err)
	}
}

// count drops those that have not answered for too long.
func (d *NATS) count() {
	gone := false
	for k, m := range d.known {
		if m.missed >= missable {
			d.log.Warn("an instance does not answer and is taken for gone", "of", k.module, "instance", k.id)
			delete(d.known, k)
			gone = true
		}
	}
	for k := range d.left {
		if d.left[k]++; d.left[k] > remembered {
			delete(d.left, k)
		}
	}
	if gone {
		d.publish()
	}
}

func (d *NATS) hear(m *nats.Msg) {
	var said micro.Stats
	if len(m.Data) == 0 || json.Unmarshal(m.Data, &said) != nil {
		return // a micro service that is none of ours may say anything
	}
	i, ours := instanceOf(said)
	if !ours {
		return
	}
	k := key{i.Module, i.ID}
	if m.Subject == subjectLeave {
		d.left[k] = 0
		if _, known := d.known[k]; known {
			delete(d.known, k)
			d.publish()
		}
		return
	}
	if _, gone := d.left[k]; gone {
		return
	}
	before, known := d.known[k]
	d.known[k] = &member{Instance: i}
	if !known || before.Load != i.Load || !alike(before.Instance, i) {
		d.publish()
	}
}

// publish lets everybody read what is known.
func (d *NATS) publish() {
	all := make([]Instance, 0, len(d.known))
	for _, m := range d.known {
		all = append(all, m.Instance)
	}
	d.set(all)
}

// Keys of a micro service's metadata; what an instance says besides has a
// prefix.
const (
	metaID      = "stoa-id"
	metaVersion = "stoa-version"
	metaRPC     = "stoa-rpc"
	metaHTTP    = "stoa-http"
	metaWeight  = "stoa-weight"
	metaOther   = "stoa-meta-"
)

// loaded is what the statistics of an endpoint hold.
type loaded struct {
	Load int64 `json:"load"`
}

// instanceOf reads what a micro service says of itself.
func instanceOf(s micro.Stats) (Instance, bool) {
	module, ours := strings.CutPrefix(s.Name, prefix)
	id := s.Metadata[metaID]
	if !ours || id == "" {
		return Instance{}, false
	}
	weight, err := strconv.Atoi(s.Metadata[metaWeight])
	if err != nil || weight < 1 {
		weight = 1
	}
	i := Instance{
		ID: id, Module: module, Version: s.Metadata[metaVersion], Weight: weight,
		RPC: s.Metadata[metaRPC], HTTP: s.Metadata[metaHTTP],
	}
	for k, v := range s.Metadata {
		if name, ok := strings.CutPrefix(k, metaOther); ok {
			if i.Meta == nil {
				i.Meta = map[string]string{}
			}
			i.Meta[name] = v
		}
	}
	for _, e := range s.Endpoints {
		var l loaded
		if json.Unmarshal(e.Data, &l) == nil {
			i.Load += l.Load
		}
	}
	return i, true
}

// semantic is what NATS takes for a version (semver.org).
var semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// Announce makes an instance known to every directory on the broker: at once to
// those that are connected.
func (d *NATS) Announce(i Instance, load func() int64) (func() error, error) {
	if i.ID == "" {
		i.ID = d.clock.ID()
	}
	meta := map[string]string{
		metaID: i.ID, metaVersion: i.Version, metaRPC: i.RPC, metaHTTP: i.HTTP, metaWeight: strconv.Itoa(max(i.Weight, 1)),
	}
	for k, v := range i.Meta {
		meta[metaOther+k] = v
	}
	version := strings.TrimPrefix(i.Version, "v")
	if !semantic.MatchString(version) {
		version = "0.0.0"
	}
	service, err := micro.AddService(d.conn, micro.Config{
		Name: prefix + i.Module, Version: version, Description: "module " + i.Module + " of a Stoa shop", Metadata: meta,
		StatsHandler: func(*micro.Endpoint) any { return loaded{load()} },
	})
	if err != nil {
		return nil, fmt.Errorf("announce %s: %w", i.Module, err)
	}
	// Statistics belong to endpoints, so there is one: it tells the load.
	tell := func(r micro.Request) { _ = r.RespondJSON(loaded{load()}) }
	if err := service.AddEndpoint("load", micro.HandlerFunc(tell), micro.WithEndpointSubject("stoa.directory.load."+i.ID+"."+i.Module)); err != nil {
		return nil, errors.Join(fmt.Errorf("announce %s: %w", i.Module, err), service.Stop())
	}
	asked, err := d.conn.Subscribe(subjectAsk, func(m *nats.Msg) {
		if text, err := json.Marshal(service.Stats()); err == nil {
			_ = m.Respond(text) // who asked asks again
		}
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("announce %s: %w", i.Module, err), service.Stop())
	}
	leave := sync.OnceValue(func() error {
		// Nothing that runs is waited for; who has left is not asked again.
		err := d.say(subjectLeave, service.Stats())
		if gone := asked.Unsubscribe(); !errors.Is(gone, nats.ErrConnectionClosed) {
			err = errors.Join(err, gone)
		}
		return errors.Join(err, service.Stop())
	})
	if err := d.say(subjectJoin, service.Stats()); err != nil {
		return nil, errors.Join(fmt.Errorf("announce %s: %w", i.Module, err), leave())
	}
	return leave, nil
}

// say publishes what a service says of itself.
func (d *NATS) say(subject string, s micro.Stats) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	err = d.conn.Publish(subject, text)
	if !d.conn.IsConnected() {
		return nil // whoever asks when the broker is back learns it all the same
	}
	if err != nil {
		return err
	}
	if err := d.conn.FlushTimeout(flushWithin); !errors.Is(err, nats.ErrConnectionClosed) {
		return err
	}
	return nil // it went away meanwhile
}

// flushWithin bounds how long the broker may take to hear that somebody comes
// or goes.
const flushWithin = 2 * time.Second
