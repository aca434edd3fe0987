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

// sentBefore fills an outbox with events that were sent, two of each aggregate.
var sentBefore = db.NewStatementFor(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
	INSERT INTO outbox (event_id, type, aggregate, event, added_at, sent_at)
	SELECT 'before-' || i, '`+happened+`', 'before-' || i / 2, printf('%600s', '{}'), i, i FROM n`,
	`INSERT INTO outbox (event_id, type, aggregate, event, added_at, sent_at)
	SELECT 'before-' || i, '`+happened+`', 'before-' || i / 2, lpad('{}', 600), i, i FROM generate_series(1, $1::bigint) AS i`)

// pileUp has b.N events wait in a module's outbox, four of each aggregate.
func (m *module) pileUp(b *testing.B) {
	b.Helper()
	const each = 4
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
}

// RelayRate measures how many events a second a relay hands over that have piled
// up, until they are marked sent; behind them are so many that were sent before.
func RelayRate(b *testing.B, to bus.Bus, sent int64) {
	all := &counting{Bus: to, left: b.N, none: make(chan struct{})}
	m := newModule(b, "from", all)
	if sent > 0 {
		require.NoError(b, m.db.Write(b.Context(), func(ctx context.Context, tx *db.Tx) error {
			_, err := sentBefore.Exec(ctx, tx, sent)
			return err
		}))
	}
	m.pileUp(b)
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
	m := newModule(b, "from", bus.NewInProcess())
	m.pileUp(b)
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
