package service

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/maypok86/otter/v2"

	"stoa/modules/catalog"
	"stoa/modules/catalog/internal/store"
	"stoa/platform/clock"
)

const (
	// viewBytes is how much is remembered, in bytes.
	viewBytes = 16 << 20
	// viewTTL bounds for how long what another process has changed is not seen,
	// such as a command beside this one. What this process changes is forgotten
	// at once.
	viewTTL = time.Second
	// viewCheck is when to find out whether another process has changed anything,
	// so that what is remembered holds longer.
	viewCheck = viewTTL / 2
	// nameCount is of how many ids and slugs the number is remembered.
	nameCount = 50_000
	// stripes is how many locks guard against remembering what has just changed.
	stripes = 64
)

// View is an active product as customers see it, in JSON.
type View struct {
	ID, Slug string
	Version  int64
	JSON     []byte

	readAt time.Time
}

// views remembers products as customers see them, so that the ones asked for
// most are read and written into JSON once. Where other instances may change
// them at any time it remembers nothing: of two that answer in turn one would
// show what the other no longer does.
type views struct {
	clock   clock.Clock
	foreign func(ctx context.Context) (version int64, err error)
	cache   *otter.Cache[int64, *View]  // by number
	numbers *otter.Cache[string, int64] // by id and slug
	stripes [stripes]stripe

	// checked is until when nothing was found that another process has written
	// since version, in microseconds of Unix time.
	checked  atomic.Int64
	checking atomic.Bool
	version  int64 // what is checked has checking
}

// stripe counts the changes of some products.
type stripe struct {
	mu      sync.Mutex
	changes uint64
}

// newViews gives an empty memory. Foreign tells whether another process has
// written, as db.DB's does; where it is nil, nothing is remembered.
func newViews(c clock.Clock, foreign func(ctx context.Context) (version int64, err error)) *views {
	return &views{
		clock: c, foreign: foreign,
		cache: otter.Must(&otter.Options[int64, *View]{
			MaximumWeight: viewBytes,
			Weigher:       func(_ int64, v *View) uint32 { return uint32(len(v.JSON)) + 256 },
		}),
		numbers: otter.Must(&otter.Options[string, int64]{MaximumSize: nameCount}),
	}
}

// named gives what is remembered of a product by its id or slug, nil where that
// is nothing.
func (v *views) named(idOrSlug string) *View {
	number, ok := v.numbers.GetIfPresent(idOrSlug)
	if !ok {
		return nil
	}
	// A slug may be another product's by now; the view knows whose it is.
	if view := v.get(number); view != nil && (view.ID == idOrSlug || view.Slug == idOrSlug) {
		return view
	}
	return nil
}

// name remembers what number a product with an id or slug has.
func (v *views) name(idOrSlug string, number int64) { v.numbers.Set(idOrSlug, number) }

func (v *views) stripe(product int64) *stripe { return &v.stripes[uint64(product)%stripes] }

// get gives what is remembered of a product, nil where that is nothing.
func (v *views) get(product int64) *View {
	if v.foreign == nil {
		return nil
	}
	view, ok := v.cache.GetIfPresent(product)
	if !ok {
		return nil
	}
	now := v.clock.Now()
	age := now.Sub(view.readAt)
	if age > viewCheck {
		// It is as good as read when nobody else had written since.
		age = min(age, time.Duration(now.UnixMicro()-v.checked.Load())*time.Microsecond)
	}
	if age > viewCheck && v.checking.CompareAndSwap(false, true) {
		go v.check()
	}
	if age > viewTTL {
		return nil
	}
	return view
}

// check finds out whether another process has written anything, and forgets all
// where it has.
func (v *views) check() {
	defer v.checking.Store(false)
	ctx, cancel := context.WithTimeout(context.Background(), viewTTL)
	defer cancel()
	began := v.clock.Now()
	version, err := v.foreign(ctx)
	if err != nil {
		return // what is remembered holds as long as it does by itself
	}
	if version != v.version {
		v.forgetAll()
		v.version = version
	}
	v.checked.Store(began.UnixMicro())
}

// mark is what changes of a product are counted from, before it is read.
func (v *views) mark(product int64) uint64 {
	s := v.stripe(product)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes
}

// put remembers what was read of a product after mark, unless it has changed since.
func (v *views) put(product int64, mark uint64, view *View) {
	s := v.stripe(product)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == mark && v.foreign != nil {
		v.cache.Set(product, view)
	}
}

// forget forgets a product that has changed.
func (v *views) forget(product int64) {
	s := v.stripe(product)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	v.cache.Invalidate(product)
}

// forgetAll forgets all, where what has changed is not known.
func (v *views) forgetAll() {
	for i := range v.stripes {
		v.stripes[i].mu.Lock()
		v.stripes[i].changes++
	}
	v.cache.InvalidateAll()
	for i := range v.stripes {
		v.stripes[i].mu.Unlock()
	}
}

// newView gives a product as customers see it.
func newView(p store.Product, readAt time.Time) (*View, error) {
	text, err := json.Marshal(forCustomers(p.Product), json.Deterministic(true))
	return &View{ID: p.ID, Slug: p.Slug, Version: p.Version, JSON: text, readAt: readAt}, err
}

// forCustomers takes out of a product what only staff see.
func forCustomers(p catalog.Product) catalog.Product {
	variants := make([]catalog.Variant, len(p.Variants))
	for i, v := range p.Variants {
		v.Stock = catalog.Stock{Available: v.Stock.Available}
		variants[i] = v
	}
	p.Variants = variants
	return p
}
