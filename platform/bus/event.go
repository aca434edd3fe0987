// Package bus carries events between modules. It only carries: what leaves a
// module comes from its outbox, and what arrives is kept in the inbox of each
// module that listens, before the bus is told that it was taken.
//
// The in-process bus and the one over NATS keep the same promises, which the
// suite in bustest states: an event that Publish took is in the inbox of every
// module that listens, at least once, in the order of Publish for each
// aggregate. Over NATS that holds between processes, whichever of them runs at
// the moment, and JetStream says how. Platform packages use it; modules meet it
// as Event.
package bus

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Event is something that happened, in the envelope of CloudEvents 1.0 (JSON
// format, with the extensions "sequence" and "traceparent").
type Event struct {
	// ID is unique; an event that comes twice has the same.
	ID string
	// Source is the module that says so.
	Source string
	// Type is what happened, such as "stoa.orders.order_placed.v1".
	Type string
	// Subject is the aggregate it happened to: order holds for events of one.
	Subject string
	// Sequence counts the events of the aggregate, from 1.
	Sequence int64
	Time     time.Time
	// TraceParent continues the trace of the change (W3C Trace Context).
	TraceParent string
	// Data is the event itself, JSON.
	Data json.RawMessage

	// Again is set, to anything not used before, where an event is published
	// once more on purpose: a bus that knows the event takes it all the same.
	// It does not travel; those who have had the event know it by its ID.
	Again string
}

// Data is what a module publishes: a type of its contract.
type Data interface {
	// EventType is "stoa.<module>.<what_happened>.v<n>".
	EventType() string
}

// Bus carries events from outboxes to inboxes.
type Bus interface {
	// Publish hands events over, in their order. When it returns nil the bus
	// has taken them all and will not lose them; after an error any of them
	// may have been taken, and the caller publishes them again.
	Publish(ctx context.Context, events []Event) error

	// Subscribe has deliver called with the events of these types. It is
	// called again until it returns nil, so it must know an event it has had.
	// Name is the consumer's: of several subscribers with one name, in any
	// process, each event reaches one. The subscription ends with ctx.
	Subscribe(ctx context.Context, name string, types []string, deliver func(ctx context.Context, events []Event) error) error
}

// envelope is the JSON of CloudEvents 1.0 §3.
type envelope struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject"`
	Time            time.Time       `json:"time"`
	Sequence        string          `json:"sequence"` // the extension has it as text that sorts
	TraceParent     string          `json:"traceparent,omitempty"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"`
}

const sourcePrefix = "/stoa/"

// MarshalJSON writes the CloudEvents envelope. Called itself, it gives what
// json.Marshal does, and for less: that reads once more what it is given.
func (e Event) MarshalJSON() ([]byte, error) {
	return json.Marshal(envelope{
		SpecVersion: "1.0", ID: e.ID, Source: sourcePrefix + e.Source, Type: e.Type, Subject: e.Subject,
		Time: e.Time, Sequence: fmt.Sprintf("%0*d", SequenceDigits, e.Sequence), TraceParent: e.TraceParent,
		DataContentType: "application/json", Data: e.Data,
	})
}

// SequenceDigits is how many digits the sequence has in the envelope.
const SequenceDigits = 20

// Around gives what MarshalJSON writes before and after the digits of the
// sequence: for who leaves it to the database to count.
func (e Event) Around() (before, after []byte, err error) {
	whole, err := e.MarshalJSON()
	if err != nil {
		return nil, nil, err
	}
	// No text before it can hold this: its quotes would be escaped.
	name := []byte(`"sequence":"`)
	at := bytes.Index(whole, name) + len(name)
	return whole[:at], whole[at+SequenceDigits:], nil
}

// UnmarshalJSON reads the CloudEvents envelope; called itself, for less as well.
func (e *Event) UnmarshalJSON(text []byte) error {
	var v envelope
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	source, ours := strings.CutPrefix(v.Source, sourcePrefix)
	if v.SpecVersion != "1.0" || v.ID == "" || v.Type == "" || !ours {
		return fmt.Errorf("bus: not an event of ours: id %q, type %q, source %q, specversion %q", v.ID, v.Type, v.Source, v.SpecVersion)
	}
	sequence, err := strconv.ParseInt(v.Sequence, 10, 64)
	if err != nil {
		return fmt.Errorf("bus: event %s: sequence %q: %w", v.ID, v.Sequence, err)
	}
	*e = Event{
		ID: v.ID, Source: source, Type: v.Type, Subject: v.Subject, Time: v.Time.UTC(),
		Sequence: sequence, TraceParent: v.TraceParent, Data: bytes.Clone(v.Data),
	}
	return nil
}
