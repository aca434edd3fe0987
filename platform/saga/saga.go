// Package saga runs work that takes several steps in several places, and must
// come to an end whatever process dies when: all steps done, or those that were
// done undone.
//
// A saga is rows in the database of the module it belongs to; any instance of
// that module carries it on. Steps call neighbours and so are idempotent: after
// a crash, or where no answer came, a step is called again. What a step changes
// in the module's own database it returns as an Effect. Effects of steps that
// follow one another quickly are committed together, so that a saga that goes
// well costs two transactions, its start and its end; a step that takes its
// time does not hold back what is known.
//
// Services declare a Saga and start it in the transaction that makes it
// necessary. The package knows no module.
package saga

import (
	"context"
	"time"

	"stoa/platform/db"
	"stoa/platform/errs"
)

// Step is one thing to do and how to take it back.
type Step[T any] struct {
	// Name is told in logs and traces.
	Name string
	// Do does it. It is idempotent, and may be called again when its answer was
	// lost. A temporary error (errs.Unavailable, errs.Timeout) has it called
	// again after a pause, until the saga's deadline; any other has the saga
	// undone. It may change data, which is kept.
	Do func(ctx context.Context, id string, data *T) (db.Effect, error)
	// Undo takes it back, also where it is not known whether it was done, and
	// where it was not; nil where there is nothing to take back. It is
	// idempotent, and called until it succeeds. A Do that a dead process has
	// sent may arrive after it, and must come to nothing then.
	Undo func(ctx context.Context, id string, data *T) (db.Effect, error)
}

// Saga declares a kind of saga with data T, which is stored as JSON.
type Saga[T any] struct {
	// Kind is unique within the module and never changes: it is stored.
	Kind  string
	Steps []Step[T]
	// Done is what changes when all steps are done, in the last transaction.
	Done func(ctx context.Context, tx *db.Tx, id string, data *T) error
	// Undone is what changes when all is taken back, in the last transaction.
	Undone func(ctx context.Context, tx *db.Tx, id string, data *T, cause *errs.Error) error
	// Late is the cause when the deadline has passed.
	Late *errs.Error
}

// ErrAbandoned is what an Effect returns that ends the saga where it is: what it
// works on has been taken out of its hands, and whoever did that sees to what
// was done. Nothing of the transaction stays, nothing is undone.
var ErrAbandoned = errs.New(errs.Conflict, "saga.abandoned", "this was taken out of the saga's hands")

// State is how a saga stands.
type State string

// The states.
const (
	Running   State = "running"
	Undoing   State = "undoing"
	Completed State = "done"
	Undone    State = "undone"
	Abandoned State = "abandoned"
)

// Point is a place in the life of a saga, for tests that break it there.
type Point struct {
	Kind, ID, Step string
	// Phase is "do" or "undo" after a step was called, "commit" after a
	// transaction.
	Phase string
}

// Status is what an operator sees of a saga.
type Status struct {
	Kind       string    `json:"kind"`
	ID         string    `json:"id"`
	State      State     `json:"state"`
	Step       int64     `json:"step"`
	Attempts   int64     `json:"attempts"`
	Error      string    `json:"error"`
	StartedAt  time.Time `json:"started_at"`
	DueAt      time.Time `json:"due_at"`
	DeadlineAt time.Time `json:"deadline_at"`
}
