package ratelimit

import (
	"cmp"
	"slices"
	"sync"
)

// entry is a value that means no more than none once its time has come.
type entry interface {
	// expires gives that time, in nanoseconds since 1970.
	expires() int64
}

// shards is how many locks a table has.
const shards = 32

// table is a map from hashed keys to entries, safe for concurrent use, that
// holds no more than a set number of them. It forgets those that have expired,
// and where it is full of others, the quarter that would expire first.
type table[E entry] struct {
	shards [shards]shard[E]
	limit  int // of each shard
}

type shard[E entry] struct {
	mu      sync.Mutex
	entries map[uint64]E
	sweep   int // size at which to look for what can be forgotten
}

func newTable[E entry](limit int) *table[E] {
	t := &table[E]{limit: max(4, limit/shards)}
	for i := range t.shards {
		t.shards[i].entries = map[uint64]E{}
	}
	return t
}

// get gives the entry of a key, the zero value where it has none.
func (t *table[E]) get(key uint64) E {
	s := &t.shards[key%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[key]
}

// update replaces the entry of a key, the zero value where it has none, by what
// change makes of it.
func (t *table[E]) update(key uint64, now int64, change func(E) E) {
	s := &t.shards[key%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.entries[key]
	if !ok && len(s.entries) >= s.sweep {
		s.forget(now, t.limit)
	}
	s.entries[key] = change(old)
}

// delete forgets a key.
func (t *table[E]) delete(key uint64) {
	s := &t.shards[key%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, key)
}

// forget makes room. It runs again when the shard has grown by a third or more,
// so that an update costs the same, over time, however large the table is.
func (s *shard[E]) forget(now int64, limit int) {
	for k, e := range s.entries {
		if e.expires() <= now {
			delete(s.entries, k)
		}
	}
	if keep := limit - limit/4; len(s.entries) > keep {
		keys := make([]uint64, 0, len(s.entries))
		for k := range s.entries {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(a, b uint64) int { return cmp.Compare(s.entries[a].expires(), s.entries[b].expires()) })
		for _, k := range keys[:len(keys)-keep] {
			delete(s.entries, k)
		}
	}
	s.sweep = min(limit, max(64, 2*len(s.entries)))
}
