package directory

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// table is the instances that are known, as everybody reads them.
type table struct {
	read atomic.Pointer[map[string][]Instance]

	mu      sync.Mutex
	changed chan struct{}
}

func newTable() *table {
	t := &table{changed: make(chan struct{})}
	t.read.Store(&map[string][]Instance{})
	return t
}

// Instances gives those of a module.
func (t *table) Instances(module string) []Instance { return (*t.read.Load())[module] }

// Modules gives the names of all modules that have an instance.
func (t *table) Modules() []string { return slices.Sorted(maps.Keys(*t.read.Load())) }

// Changed gives a channel that is closed at the next change.
func (t *table) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// set makes these the instances that are known.
func (t *table) set(all []Instance) {
	next := map[string][]Instance{}
	for _, i := range all {
		next[i.Module] = append(next[i.Module], i)
	}
	for _, list := range next {
		slices.SortFunc(list, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	same := maps.EqualFunc(*t.read.Load(), next, func(a, b []Instance) bool { return slices.EqualFunc(a, b, alike) })
	t.read.Store(&next)
	if !same {
		close(t.changed)
		t.changed = make(chan struct{})
	}
}

// alike tells whether two instances say the same of themselves but for the load.
func alike(a, b Instance) bool {
	a.Load, b.Load = 0, 0
	return reflect.DeepEqual(a, b)
}
