package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/errs"
)

// execution is one go at a saga: from where it stands until it ends or pauses.
type execution[T any] struct {
	*Runner[T]
	*instance[T]

	mu      sync.Mutex
	effects []db.Effect // of steps that are done and not committed
	undone  []db.Effect // of steps that were taken back
	done    int         // the step after the last that is done
	kept    []byte      // data, JSON, as it was after that step
	lost    error       // set when the saga is no longer ours
}

var (
	// errNotOurs says that somebody else has the lease.
	errNotOurs = errors.New("saga: another runner has it")
	// errPutOff says that the saga has been given out of hand until a pause is over.
	errPutOff = errors.New("saga: it is put off")
)

// run carries a saga on until it ends or has to wait. It is true where the
// saga waits to be taken up again.
func (r *Runner[T]) run(ctx context.Context, i *instance[T]) (waits bool) {
	e := &execution[T]{Runner: r, instance: i, done: i.step}
	err := e.keep()
	if err == nil && i.state == Running {
		err = e.forward(ctx)
	}
	if err == nil && i.state == Undoing {
		err = e.backward(ctx)
	}
	if errors.Is(err, ErrAbandoned) {
		err = e.end(ctx, Abandoned, nil)
	}
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, errNotOurs):
		return false
	case errors.Is(err, errPutOff):
		return true
	}
	r.log.WarnContext(ctx, "saga waits", "id", i.id, "state", i.state, "attempt", i.attempts, "error", err)
	e.undone = nil // their steps are called again
	if err := e.putOff(ctx); !errors.Is(err, errPutOff) {
		r.log.WarnContext(ctx, "saga waits until its lease is over", "id", i.id, "error", err)
		return false
	}
	return true
}

// forward does the steps that are left, then ends the saga.
func (e *execution[T]) forward(ctx context.Context) error {
	limited, cancel := clock.WithDeadline(ctx, e.Runner.clock, e.deadline)
	defer cancel()
	for e.done < len(e.saga.Steps) {
		step := e.saga.Steps[e.done]
		if !e.Runner.clock.Now().Before(e.deadline) {
			return e.failed(ctx, step, e.saga.Late)
		}
		effect, err := e.call(limited, step.Do)
		e.trace(Point{e.saga.Kind, e.id, step.Name, "do"})
		if e.lost != nil {
			return e.lost
		}
		if err != nil {
			return e.failed(ctx, step, err)
		}
		if err := e.note(effect); err != nil {
			return err
		}
	}
	return e.end(ctx, Completed, func(ctx context.Context, tx *db.Tx) error {
		return e.saga.Done(ctx, tx, e.id, &e.data)
	})
}

// call calls a step. When that takes long, what the steps before it did is
// committed meanwhile.
func (e *execution[T]) call(ctx context.Context, fn func(context.Context, string, *T) (db.Effect, error)) (effect db.Effect, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if len(e.effects) == 0 {
		return fn(ctx, e.id, &e.data)
	}
	var flushing sync.WaitGroup
	called := make(chan struct{})
	timer := e.Runner.clock.NewTimer(flushAfter)
	flushing.Go(func() {
		defer timer.Stop()
		select {
		case <-timer.C():
			if err := e.flush(ctx); err != nil && (errors.Is(err, ErrAbandoned) || errors.Is(err, errNotOurs)) {
				e.lost = err
			}
		case <-called:
		}
	})
	defer flushing.Wait()
	defer close(called)
	return fn(ctx, e.id, &e.data)
}

// note remembers that a step is done.
func (e *execution[T]) note(effect db.Effect) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if effect != nil {
		e.effects = append(e.effects, effect)
	}
	e.done++
	e.attempts = 0
	return e.keepLocked()
}

func (e *execution[T]) keep() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.keepLocked()
}

func (e *execution[T]) keepLocked() (err error) {
	e.kept, err = json.Marshal(e.data)
	return err
}

// failed decides what follows when a step failed: another try, or undoing.
func (e *execution[T]) failed(ctx context.Context, step Step[T], err error) error {
	if ctx.Err() != nil {
		return ctx.Err() // the process ends; the next one goes on
	}
	cause, known := errs.As(err)
	if !known && errors.Is(err, context.DeadlineExceeded) {
		cause, known = errs.ErrTimeout, true
	}
	if !known {
		e.log.ErrorContext(ctx, "step of a saga failed", "id", e.id, "step", step.Name, "error", err)
		cause = errs.ErrInternal
	}
	if cause.Kind.Temporary() {
		if e.Runner.clock.Now().Before(e.deadline) {
			return e.putOff(ctx)
		}
		cause = e.saga.Late
	}
	text, err := json.Marshal(storedCause{cause.Kind, cause.Code, cause.Message})
	if err != nil {
		return err
	}
	e.state, e.cause, e.attempts = Undoing, string(text), 0
	return e.save(ctx, e.name, e.Runner.clock.Now().Add(lease))
}

// putOff gives the saga out of hand until a pause is over. Where that could be
// written it returns errPutOff.
func (e *execution[T]) putOff(ctx context.Context) error {
	now := e.Runner.clock.Now()
	pause := min(firstPause<<min(e.attempts, 20), longestPause)
	if e.state == Running {
		pause = max(min(pause, e.deadline.Sub(now)), 0)
	}
	e.attempts++
	if err := e.save(ctx, "", now.Add(pause)); err != nil {
		return err
	}
	return errPutOff
}

// storedCause is why a saga is undone, as it is kept.
type storedCause struct {
	Kind    errs.Kind `json:"kind"`
	Code    string    `json:"code"`
	Message string    `json:"message"`
}

// backward takes back what was done or may have been, the last step first. Of
// a saga that was never interrupted the steps after the one that failed were
// not called.
func (e *execution[T]) backward(ctx context.Context) error {
	var c storedCause
	if err := json.Unmarshal([]byte(e.cause), &c); err != nil {
		return err
	}
	cause := errs.New(c.Kind, c.Code, c.Message)
	last := len(e.saga.Steps) - 1
	if e.uninterrupted {
		last = min(e.done, last)
	}
	for step := last; step >= 0; step-- {
		undo := e.saga.Steps[step].Undo
		if undo == nil {
			continue
		}
		effect, err := e.call(ctx, undo)
		e.trace(Point{e.saga.Kind, e.id, e.saga.Steps[step].Name, "undo"})
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("undo %s: %w", e.saga.Steps[step].Name, err)
		}
		if effect != nil {
			e.undone = append(e.undone, effect)
		}
		if err := e.keep(); err != nil {
			return err
		}
	}
	return e.end(ctx, Undone, func(ctx context.Context, tx *db.Tx) error {
		return e.saga.Undone(ctx, tx, e.id, &e.data, cause)
	})
}

// flush commits what is done so far and keeps the lease.
func (e *execution[T]) flush(ctx context.Context) error {
	if e.state != Running {
		return nil // what is undone is committed at the end
	}
	return e.save(ctx, e.name, e.Runner.clock.Now().Add(lease))
}

// save commits what is done so far, who has the saga from now on, and when it
// is to be looked at.
func (e *execution[T]) save(ctx context.Context, holder string, due time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := all(ctx, tx, e.effects); err != nil {
			return err
		}
		return advance.LaterOr(ctx, tx, errNotOurs, e.state, e.done, string(e.kept), e.cause, e.attempts, db.NewTime(due), holder, e.saga.Kind, e.id, e.name)
	})
	if err != nil {
		return err
	}
	e.effects = nil
	e.trace(Point{e.saga.Kind, e.id, "", "commit"})
	return nil
}

// end commits the last effects and the saga's end.
func (e *execution[T]) end(ctx context.Context, state State, last db.Effect) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if state != Abandoned {
			if err := errors.Join(all(ctx, tx, e.effects), all(ctx, tx, e.undone)); err != nil {
				return err
			}
		}
		if last != nil {
			if err := last(ctx, tx); err != nil {
				return err
			}
		}
		return end.LaterOr(ctx, tx, errNotOurs, state, e.done, e.cause, db.NewTime(e.Runner.clock.Now()), e.saga.Kind, e.id, e.name)
	})
	if err == nil {
		e.trace(Point{e.saga.Kind, e.id, "", "commit"})
	}
	return err
}

// write runs a transaction that the end of the process does not cut short. A
// panic in an effect is its error: it must not take the process down, which
// would meet it again as soon as it is back.
func (e *execution[T]) write(ctx context.Context, fn func(ctx context.Context, tx *db.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return e.db.Write(context.WithoutCancel(ctx), fn)
}

func all(ctx context.Context, tx *db.Tx, effects []db.Effect) error {
	for _, effect := range effects {
		if err := effect(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}
