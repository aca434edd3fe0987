package rpctest

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"stoa/platform/directory"
)

// Directory is one in memory.
type Directory struct {
	mu      sync.Mutex
	all     map[string][]directory.Instance
	changed chan struct{}
}

// NewDirectory gives an empty one.
func NewDirectory() *Directory {
	return &Directory{all: map[string][]directory.Instance{}, changed: make(chan struct{})}
}

// Instances gives those of a module.
func (d *Directory) Instances(module string) []directory.Instance {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all[module]
}

// Modules gives the names of all modules that have an instance.
func (d *Directory) Modules() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.all))
}

// Changed gives a channel that is closed at the next change.
func (d *Directory) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// Announce makes an instance known.
func (d *Directory) Announce(i directory.Instance, _ func() int64) (func() error, error) {
	d.change(i.Module, func(list []directory.Instance) []directory.Instance { return append(list, i) })
	return func() error {
		d.change(i.Module, func(list []directory.Instance) []directory.Instance {
			return slices.DeleteFunc(list, func(one directory.Instance) bool { return one.ID == i.ID })
		})
		return nil
	}, nil
}

func (d *Directory) change(module string, fn func([]directory.Instance) []directory.Instance) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := fn(slices.Clone(d.all[module]))
	slices.SortFunc(list, func(a, b directory.Instance) int { return strings.Compare(a.ID, b.ID) })
	if d.all[module] = list; len(list) == 0 {
		delete(d.all, module)
	}
	close(d.changed)
	d.changed = make(chan struct{})
}

// Close does nothing.
func (*Directory) Close() error { return nil }
