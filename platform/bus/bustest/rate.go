package bustest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/bus"
	"stoa/platform/clock"
	"stoa/platform/db"
)

// batch is how many events are added or taken at once, as the relay does.
const batch = 256

// pileUp is a module in whose outbox b.N events wait, four of each aggregate.
func pileUp(b *testing.B, to bus.Bus) *module {
	b.Helper()
	const each = 4
	m := newModule(b, "from", to)
	for n := 0; n < b.N; n += batch {
		require.NoError(b, m.db.Write(b.Context(), func(ctx context.Context, tx *db.Tx) error {
			for i := n; i < min(n+batch, b.N); i++ {
				if err := m.outbox.Add(ctx, tx, fmt.Sprint(i/each), Happened{int64(i)}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	return m
}

// RelayRate measures how many events a second a relay hands over that have piled
// up, until they are marked sent.
func RelayRate(b *testing.B, to bus.Bus) {
	all := &counting{Bus: to, left: b.N, none: make(chan struct{})}
	m := pileUp(b, all)
	b.ResetTimer()
	stop := m.relay()
	select {
	case <-all.none:
	case <-b.Context().Done():
	}
	stop()
	b.StopTimer()
	left, err := m.outbox.Backlog(b.Context())
	require.NoError(b, err)
	require.Zero(b, left)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// counting is a bus that tells when it has taken so many events.
type counting struct {
	bus.Bus
	left int
	none chan struct{}
}

func (c *counting) Publish(ctx context.Context, events []bus.Event) error {
	err := c.Bus.Publish(ctx, events)
	if err == nil {
		if c.left -= len(events); c.left == 0 {
			close(c.none)
		}
	}
	return err
}

var (
	rawUnsent = db.NewStatement(`SELECT position, event_id, event FROM outbox WHERE sent_at IS NULL ORDER BY position LIMIT $1`)
	rawSent   = db.NewStatement(`UPDATE outbox SET sent_at = $1 WHERE sent_at IS NULL AND position <= $2`)
)

// RawRelayRate measures the least that a relay can do with the same: read texts,
// publish them, mark them sent. Nothing is looked into, no order is kept, and
// nobody else may do the same.
func RawRelayRate(b *testing.B, publish func(ctx context.Context, ids, texts []string) error) {
	m := pileUp(b, bus.NewInProcess())
	b.ResetTimer()
	for left := b.N; left > 0; {
		ids, texts, last, err := rawRead(b.Context(), m.db)
		require.NoError(b, err)
		require.NoError(b, publish(b.Context(), ids, texts))
		require.NoError(b, m.db.Write(b.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := rawSent.Exec(ctx, tx, db.NewTime(clock.System().Now()), last)
			return err
		}))
		left -= len(ids)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func rawRead(ctx context.Context, d *db.DB) (ids, texts []string, last int64, err error) {
	rows, err := rawUnsent.Query(ctx, d.Read(), batch)
	if err != nil {
		return nil, nil, 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id, text string
		if err := rows.Scan(&last, &id, &text); err != nil {
			return nil, nil, 0, err
		}
		ids, texts = append(ids, id), append(texts, text)
	}
	return ids, texts, last, rows.Err()
}
