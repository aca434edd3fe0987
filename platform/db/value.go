package db

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"
)

// Time is an instant as it is stored: whole microseconds since 1970 in UTC, a
// BIGINT, the same in every database. The zero Time is NULL.
type Time struct{ time.Time }

// NewTime gives t as it is stored.
func NewTime(t time.Time) Time { return Time{t} }

// Value gives what is stored.
func (t Time) Value() (driver.Value, error) {
	if t.IsZero() {
		return nil, nil
	}
	return t.UnixMicro(), nil
}

// Scan reads what is stored.
func (t *Time) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		t.Time = time.Time{}
	case int64:
		t.Time = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("db: %T is no time", src)
	}
	return nil
}

// JSON is a value that is stored as JSON text.
type JSON[T any] struct{ V T }

// NewJSON gives v as it is stored.
func NewJSON[T any](v T) JSON[T] { return JSON[T]{v} }

// Value gives what is stored.
func (j JSON[T]) Value() (driver.Value, error) {
	text, err := json.Marshal(j.V)
	return string(text), err
}

// Scan reads what is stored; NULL is the zero value.
func (j *JSON[T]) Scan(src any) error {
	var zero T
	j.V = zero
	switch v := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(v), &j.V)
	case []byte:
		return json.Unmarshal(v, &j.V)
	}
	return fmt.Errorf("db: %T is no JSON", src)
}
