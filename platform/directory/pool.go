package directory

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"stoa/platform/clock"
)

// Pool chooses among the instances of one module. It turns from an instance
// that failed several times in a row, for a while that grows each time, and
// then tries it again; but where all have failed it chooses among all, since
// one that may be dead is better than nobody.
type Pool struct {
	directory Directory
	module    string
	cfg       PoolConfig
	clock     clock.Clock

	mu      sync.Mutex
	turn    uint64
	members map[string]*health
}

// health is what a pool knows of one instance.
type health struct {
	running  int64
	credit   int64 // of the weighted policy
	failures int   // in a row
	ejected  int   // times in a row
	until    time.Time
}

// NewPool gives a pool over the instances of a module.
func NewPool(d Directory, module string, cfg PoolConfig, c clock.Clock) *Pool {
	return &Pool{directory: d, module: module, cfg: cfg, clock: c, members: map[string]*health{}}
}

// Pick chooses an instance. With the policy hash, the same key finds the same
// instance as long as that is well; an empty key finds any. Those in exclude are
// chosen only where there is nobody else who is well.
//
// done must be called once, with what came of it: nil for every answer, whatever
// it says; an error where the instance failed: it could not be reached, did not
// answer in time, or said that it cannot serve. context.Canceled says nothing.
// Errors: ErrNoInstance, and ctx's own.
func (p *Pool) Pick(ctx context.Context, key string, exclude ...string) (_ Instance, done func(outcome error), _ error) {
	if err := ctx.Err(); err != nil {
		return Instance{}, nil, err
	}
	all := p.directory.Instances(p.module)
	if len(all) == 0 {
		return Instance{}, nil, ErrNoInstance.With("no instance of %s is known", p.module).Detail("module", p.module)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(all)
	candidates := p.candidates(all, exclude)
	i := candidates[p.choose(candidates, key)]
	h := p.members[i.ID]
	h.running++
	var once sync.Once
	return i, func(outcome error) { once.Do(func() { p.done(h, outcome) }) }, nil
}

// forget drops those that are gone and makes room for those that are new.
func (p *Pool) forget(all []Instance) {
	for _, i := range all {
		if _, known := p.members[i.ID]; !known {
			p.members[i.ID] = &health{}
		}
	}
	if len(p.members) == len(all) {
		return
	}
	for id := range p.members {
		if !slices.ContainsFunc(all, func(i Instance) bool { return i.ID == id }) {
			delete(p.members, id)
		}
	}
}

// candidates gives those to choose among: who is well and was not tried yet;
// else who is well; else who was not tried yet; else all.
func (p *Pool) candidates(all []Instance, exclude []string) []Instance {
	now := p.clock.Now()
	well := func(i Instance) bool { return !p.members[i.ID].until.After(now) }
	fresh := func(i Instance) bool { return !slices.Contains(exclude, i.ID) }
	for _, fits := range []func(Instance) bool{
		func(i Instance) bool { return well(i) && fresh(i) }, well, fresh,
	} {
		some := all
		for n, i := range all {
			if !fits(i) { // copied only where somebody is left out
				some = slices.Clone(all[:n])
				for _, i := range all[n+1:] {
					if fits(i) {
						some = append(some, i)
					}
				}
				break
			}
		}
		if len(some) > 0 {
			return some
		}
	}
	return all
}

// choose gives the place of the one that is next.
func (p *Pool) choose(among []Instance, key string) int {
	p.turn++
	first := int(p.turn % uint64(len(among)))
	switch {
	case len(among) == 1:
		return 0
	case p.cfg.Policy == Hash && key != "":
		return rendezvous(among, key)
	case p.cfg.Policy == Weighted:
		return p.weighted(among)
	case p.cfg.Policy == LeastConnections:
		return p.leastBusy(among, first)
	}
	return first
}

// weighted is smooth weighted round robin, as nginx has it: each earns its
// weight, and the richest pays for all.
func (p *Pool) weighted(among []Instance) int {
	best, total := 0, int64(0)
	for n, i := range among {
		w := int64(max(i.Weight, 1))
		total += w
		h := p.members[i.ID]
		h.credit += w
		if h.credit > p.members[among[best].ID].credit {
			best = n
		}
	}
	p.members[among[best].ID].credit -= total
	return best
}

// leastBusy gives the one with the least to do from here for its weight; of
// those, the one that says it has least to do; of those, the next in turn.
func (p *Pool) leastBusy(among []Instance, first int) int {
	best := first
	for n := range among {
		n = (first + n) % len(among)
		// (a+1)/weight of a compared to that of b, without dividing.
		a, b := among[n], among[best]
		left := (p.members[a.ID].running + 1) * int64(max(b.Weight, 1))
		right := (p.members[b.ID].running + 1) * int64(max(a.Weight, 1))
		if left < right || left == right && a.Load < b.Load {
			best = n
		}
	}
	return best
}

// rendezvous gives the one that the key belongs to (highest random weight;
// Thaler and Ravishankar 1998): who comes or goes moves only keys of its own.
func rendezvous(among []Instance, key string) int {
	best, highest := 0, math.Inf(-1)
	var d xxhash.Digest
	for n, i := range among {
		d.Reset()
		_, _ = d.WriteString(i.ID) // never fails
		_, _ = d.WriteString("\x00")
		_, _ = d.WriteString(key)
		// A number in (0, 1), made into a score that weights are fair in.
		u := (float64(d.Sum64()>>11) + 0.5) / (1 << 53)
		if score := float64(max(i.Weight, 1)) / -math.Log(u); score > highest {
			best, highest = n, score
		}
	}
	return best
}

// done takes up what came of a choice.
func (p *Pool) done(h *health, outcome error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h.running--
	switch {
	case outcome == nil:
		h.failures, h.ejected, h.until = 0, 0, time.Time{}
		return
	case errors.Is(outcome, context.Canceled):
		return
	}
	h.failures++
	now := p.clock.Now()
	if h.until.After(now) || h.failures < p.cfg.Failures {
		return // what was under way when it was left out does not count again
	}
	pause := p.cfg.EjectFor
	for range min(h.ejected, 30) {
		pause = min(2*pause, p.cfg.EjectMax)
	}
	h.ejected++
	h.until = now.Add(pause)
}
