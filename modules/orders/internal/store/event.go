package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"stoa/platform/db"
)

// Event is one step in the life of an order.
type Event struct {
	OrderID  string
	Sequence int64
	Type     string
	At       db.Time
	Data     json.RawMessage
}

// insertEvents are statements for one event, for two, and so on.
var insertEvents = func() (list [8]*db.Statement) {
	query := "INSERT INTO order_events (order_id, sequence, type, at, data) VALUES "
	for i := range list {
		if i > 0 {
			query += ", "
		}
		n := 5 * i
		query += fmt.Sprintf("($%d, $%d, $%d, $%d, $%d)", n+1, n+2, n+3, n+4, n+5)
		list[i] = db.NewStatement(query)
	}
	return list
}()

var (
	readEvents = db.NewStatement(`SELECT order_id, sequence, type, at, data FROM order_events WHERE order_id = $1 ORDER BY sequence`)
	readStream = db.NewStatement(`SELECT order_id, sequence, type, at, data FROM order_events WHERE order_id IN (
		SELECT order_id FROM order_events WHERE order_id > $1 AND sequence = 1 ORDER BY order_id LIMIT $2)
		ORDER BY order_id, sequence`)
	countStreams = db.NewStatement(`SELECT count(*) FROM order_events WHERE order_id > $1 AND sequence = 1`)
)

// InsertEvents adds events to the stream of an order. An error that
// db.IsUnique knows means that another process has added one meanwhile.
func InsertEvents(ctx context.Context, tx *db.Tx, events ...Event) error {
	for some := range slices.Chunk(events, len(insertEvents)) {
		args := make([]any, 0, 5*len(some))
		for _, e := range some {
			args = append(args, e.OrderID, e.Sequence, e.Type, e.At, string(e.Data))
		}
		if err := insertEvents[len(some)-1].Later(ctx, tx, args...); err != nil {
			return fmt.Errorf("insert events: %w", err)
		}
	}
	return nil
}

// Events gives all that happened to an order, the oldest first.
func Events(ctx context.Context, c db.Conn, orderID string) ([]Event, error) {
	return scanEvents(ctx, c, readEvents, orderID)
}

// Streams gives the events of up to limit orders, whole, in the order of the
// orders' ids, those after an id.
func Streams(ctx context.Context, c db.Conn, after string, limit int) ([]Event, error) {
	return scanEvents(ctx, c, readStream, after, limit)
}

// CountStreams gives how many orders there are whose ids are after an id.
func CountStreams(ctx context.Context, c db.Conn, after string) (n int64, err error) {
	if err := countStreams.QueryRow(ctx, c, after).Scan(&n); err != nil {
		return 0, fmt.Errorf("count orders: %w", err)
	}
	return n, nil
}

func scanEvents(ctx context.Context, c db.Conn, s *db.Statement, args ...any) (list []Event, err error) {
	rows, err := s.Query(ctx, c, args...)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var (
			e    Event
			data string
		)
		if err := rows.Scan(&e.OrderID, &e.Sequence, &e.Type, &e.At, &data); err != nil {
			return nil, fmt.Errorf("read events: %w", err)
		}
		e.Data = json.RawMessage(data)
		list = append(list, e)
	}
	return list, rows.Err()
}
