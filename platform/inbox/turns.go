package inbox

import (
	"context"
	"sync"
)

// workers is how many handlers of a module run at once, each for another aggregate.
const workers = 16

// key is what order holds for.
type key struct{ handler, source, aggregate string }

// turns is whose handlers run, one of a key at a time and so many in all.
type turns struct {
	mu      sync.Mutex
	open    context.Context // what handlers run under, nil while none may begin
	running sync.WaitGroup
	// busy are the keys whose handlers run, or are about to. More is set once an
	// event has come that has to wait for one of them.
	busy map[key]*turn
	// looked is not nil while Run reads what is due: the keys that were busy when
	// it began or have been since. What it reads of them may be out of date.
	looked map[key]bool
	// starved says that something that is due waits for a worker.
	starved bool
}

type turn struct{ more bool }

func newTurns() turns { return turns{busy: map[key]*turn{}} }

// begin lets handlers run under ctx, until end.
func (t *turns) begin(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = ctx
}

// end lets no more handlers begin, and waits for those that run.
func (t *turns) end() {
	t.mu.Lock()
	t.open = nil
	t.mu.Unlock()
	t.running.Wait()
}

// take gives the turn of a key for an event that comes from the bus, unless
// others are to be served before it.
func (t *turns) take(k key) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if had := t.busy[k]; had != nil {
		had.more = true
		return false
	}
	if t.open == nil || t.starved || len(t.busy) == workers {
		return false
	}
	t.occupy(k)
	return true
}

func (t *turns) occupy(k key) {
	t.busy[k] = &turn{}
	if t.looked != nil {
		t.looked[k] = true
	}
}

// run runs fn, which has the turn of a key, and then gives the turn back. It is
// false where no handler may begin any more.
func (t *turns) run(fn func(ctx context.Context)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		return false
	}
	ctx := t.open
	t.running.Go(func() { fn(ctx) })
	return true
}

// awaited tells whether somebody may be waiting for the turn of a key, or for a
// worker.
func (t *turns) awaited(k key) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	had := t.busy[k] // nil where it is over by now
	return had != nil && had.more || t.starved
}

// leave gives the turn of a key back. It tells whether somebody may be waiting
// for it, or for a worker.
func (t *turns) leave(k key) (awaited bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	awaited = t.busy[k].more || t.starved
	delete(t.busy, k)
	return awaited
}

// look is called before what is due is read, and current afterwards, with what
// was read: it gives what nobody has had in hand meanwhile.
func (t *turns) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looked = make(map[key]bool, len(t.busy))
	for k := range t.busy {
		t.looked[k] = true
	}
}

func (t *turns) current(list []delivery) []delivery {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := list[:0]
	for _, d := range list {
		if !t.looked[d.key()] {
			kept = append(kept, d)
		}
	}
	t.looked = nil
	return kept
}

// next takes the turns of those that are first, as many as there are workers for,
// and gives who may begin and who has to wait.
func (t *turns) next(queue []delivery) (begin, left []delivery) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.starved = false
	for _, d := range queue {
		had := t.busy[d.key()]
		switch {
		case had != nil:
			had.more = true
			left = append(left, d)
		case len(t.busy) == workers:
			t.starved = true
			left = append(left, d)
		default:
			t.occupy(d.key())
			begin = append(begin, d)
		}
	}
	return begin, left
}
