package service

import (
	"context"
	"sync"
)

// locks has one caller at a time go on for each key. The others wait.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

// lock is a token in a channel: whoever takes it has the key.
type lock struct {
	token chan struct{}
	users int // that have it or wait for it
}

func newLocks() *locks { return &locks{held: map[string]*lock{}} }

// acquire waits for a key; release gives it up. Errors: that of ctx.
func (l *locks) acquire(ctx context.Context, key string) (release func(), err error) {
	l.mu.Lock()
	k, exists := l.held[key]
	if !exists {
		k = &lock{token: make(chan struct{}, 1)}
		k.token <- struct{}{}
		l.held[key] = k
	}
	k.users++
	l.mu.Unlock()

	if err := ctx.Err(); err != nil {
		l.leave(key, k)
		return nil, err
	}
	select {
	case <-k.token:
		return func() {
			k.token <- struct{}{}
			l.leave(key, k)
		}, nil
	case <-ctx.Done():
		l.leave(key, k)
		return nil, ctx.Err()
	}
}

func (l *locks) leave(key string, k *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, key)
	}
}
