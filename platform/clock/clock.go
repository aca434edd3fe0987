// Package clock is where time, identifiers and randomness come from, so that a
// test can drive all three. Nothing else in the project calls time.Now, makes
// a UUID or reads crypto/rand; whoever needs one is handed a Clock.
//
// Any package may import it; it imports nothing of the project.
package clock

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/google/uuid"
)

// Clock tells the time, wakes at a time, and makes identifiers and randomness.
// System is the real one, Fake the one that tests drive.
type Clock interface {
	// Now is the current instant in UTC, whole microseconds: what every
	// database here can store without loss.
	Now() time.Time
	// NewTimer fires once after d, at once where d is not positive.
	NewTimer(d time.Duration) Timer
	// ID makes a UUIDv7 (RFC 9562): unique, and sorted by the time it was made.
	ID() string
	// Secret makes a UUIDv4 (RFC 9562): 122 bits that cannot be guessed, for
	// identifiers that are capabilities.
	Secret() string
	// Read fills p with bytes fit for keys and tokens. It never fails.
	Read(p []byte) (int, error)
}

// Timer is a time.Timer that a test can drive.
type Timer interface {
	// C delivers once, when the timer fires.
	C() <-chan time.Time
	// Stop ends the timer; it reports whether it had not fired yet.
	Stop() bool
}

// Sleep waits until d has passed on c, or ctx is done, whose error it returns.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := c.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// System is the machine's own clock and randomness.
func System() Clock { return system{} }

type system struct{}

func (system) Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

func (system) NewTimer(d time.Duration) Timer { return systemTimer{time.NewTimer(d)} }

func (system) ID() string { return uuid.Must(uuid.NewV7()).String() }

func (system) Secret() string { return uuid.Must(uuid.NewRandom()).String() }

func (system) Read(p []byte) (int, error) { return rand.Read(p) }

type systemTimer struct{ *time.Timer }

func (t systemTimer) C() <-chan time.Time { return t.Timer.C }

// WithDeadline gives a context that ends at t on c, with
// context.DeadlineExceeded. Call cancel when it is no longer needed.
func WithDeadline(ctx context.Context, c Clock, t time.Time) (context.Context, context.CancelFunc) {
	if _, own := c.(system); own {
		return context.WithDeadline(ctx, t)
	}
	inner, cancel := context.WithCancelCause(ctx)
	timer := c.NewTimer(t.Sub(c.Now()))
	go func() {
		defer timer.Stop()
		select {
		case <-timer.C():
			cancel(context.DeadlineExceeded)
		case <-inner.Done():
		}
	}()
	return deadlined{inner, t}, func() { cancel(context.Canceled) }
}

// deadlined tells of a driven deadline as the standard library tells of its own.
type deadlined struct {
	context.Context
	deadline time.Time
}

func (d deadlined) Deadline() (time.Time, bool) {
	if earlier, ok := d.Context.Deadline(); ok && earlier.Before(d.deadline) {
		return earlier, true
	}
	return d.deadline, true
}

func (d deadlined) Err() error {
	if err := d.Context.Err(); err == nil {
		return nil
	}
	return context.Cause(d.Context)
}
