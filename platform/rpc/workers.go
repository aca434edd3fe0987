package rpc

import (
	"sync"
	"sync/atomic"
)

// workers do what they are given, all at once. They are kept for what comes next,
// for their stacks have grown by then.
type workers struct {
	jobs    chan func()
	over    chan struct{}
	end     func() // closes over
	working sync.WaitGroup
	resting atomic.Int64
}

// mostResting is how many wait for something to do.
const mostResting = 64

func (w *workers) init() {
	w.jobs, w.over = make(chan func()), make(chan struct{})
	w.end = sync.OnceFunc(func() { close(w.over) })
}

func (w *workers) do(job func()) {
	select {
	case w.jobs <- job:
	default:
		w.working.Go(func() { w.work(job) })
	}
}

func (w *workers) work(job func()) {
	for {
		job()
		if w.resting.Add(1) > mostResting {
			w.resting.Add(-1)
			return
		}
		select {
		case job = <-w.jobs:
			w.resting.Add(-1)
		case <-w.over:
			return
		}
	}
}

// wait waits until all is done. Nothing is given to do any more.
func (w *workers) wait() {
	w.end()
	w.working.Wait()
}
