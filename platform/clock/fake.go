package clock

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Fake is a Clock that stands still until Advance moves it. Identifiers and
// randomness follow from its seed, so a run can be repeated. It is safe for
// concurrent use.
type Fake struct {
	mu      sync.Mutex
	now     time.Time
	last    int64 // of the last UUIDv7, so that they sort while time stands still
	random  *rand.ChaCha8
	timers  map[*fakeTimer]struct{}
	changed chan struct{}
}

// NewFake gives a clock that stands at now.
func NewFake(now time.Time, seed uint64) *Fake {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &Fake{
		now:     now.UTC().Truncate(time.Microsecond),
		random:  rand.NewChaCha8(key),
		timers:  map[*fakeTimer]struct{}{},
		changed: make(chan struct{}),
	}
}

// Now gives the instant the clock stands at.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Advance moves the clock on by d and fires every timer that is then due, in
// the order of their times.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
	for {
		var next *fakeTimer
		for t := range f.timers {
			if !t.at.After(f.now) && (next == nil || t.at.Before(next.at)) {
				next = t
			}
		}
		if next == nil {
			return
		}
		delete(f.timers, next)
		next.c <- next.at
	}
}

// AwaitTimers blocks until at least n timers wait on the clock: a test calls
// it before Advance, so that it does not move time before someone waits for it.
func (f *Fake) AwaitTimers(n int) {
	for {
		f.mu.Lock()
		waiting, changed := len(f.timers), f.changed
		f.mu.Unlock()
		if waiting >= n {
			return
		}
		<-changed
	}
}

// NewTimer fires once Advance has moved the clock by d.
func (f *Fake) NewTimer(d time.Duration) Timer {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &fakeTimer{clock: f, at: f.now.Add(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		t.c <- f.now
		return t
	}
	f.timers[t] = struct{}{}
	close(f.changed)
	f.changed = make(chan struct{})
	return t
}

// ID makes a UUIDv7 of the clock's time; each sorts after the one before it.
func (f *Fake) ID() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	// RFC 9562 §5.7: 48 bits of milliseconds, then randomness. The 12 bits
	// after the version count up within a millisecond (§6.2, method 1).
	tick := f.now.UnixMilli() << 12
	f.last = max(f.last+1, tick)
	var id uuid.UUID
	_, _ = f.random.Read(id[8:]) // never fails
	binary.BigEndian.PutUint64(id[:8], uint64(f.last>>12)<<16|0x7000|uint64(f.last&0xfff))
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// Secret makes a UUIDv4 from the clock's seed.
func (f *Fake) Secret() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var id uuid.UUID
	_, _ = f.random.Read(id[:]) // never fails
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// Read fills p from the clock's seed.
func (f *Fake) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.Read(p)
}

type fakeTimer struct {
	clock *Fake
	at    time.Time
	c     chan time.Time
}

func (t *fakeTimer) C() <-chan time.Time { return t.c }

func (t *fakeTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	_, waiting := t.clock.timers[t]
	delete(t.clock.timers, t)
	return waiting
}
