package directory_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/errs"
)

var errDown = errors.New("down")

type pool struct {
	*directory.Pool
	t     *testing.T
	clock *clock.Fake
}

func newPool(t *testing.T, policy string, addresses ...string) pool {
	t.Helper()
	d, err := directory.NewStatic(map[string][]string{"catalog": addresses})
	require.NoError(t, err)
	cfg := directory.DefaultPoolConfig()
	cfg.Policy = policy
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
	return pool{directory.NewPool(d, "catalog", cfg, c), t, c}
}

func (p pool) pick(key string, exclude ...string) (string, func(error)) {
	p.t.Helper()
	i, done, err := p.Pick(p.t.Context(), key, exclude...)
	require.NoError(p.t, err)
	return i.ID, done
}

// once picks and says at once what came of it.
func (p pool) once(outcome error) string {
	p.t.Helper()
	id, done := p.pick("")
	done(outcome)
	return id
}

// fail has an instance fail so many times in a row.
func (p pool) fail(id string, times int) {
	p.t.Helper()
	for range times {
		for {
			got, done := p.pick("")
			if got == id {
				done(errDown)
				break
			}
			done(context.Canceled)
		}
	}
}

func TestNobodyToChooseIsAnErrorThatNamesTheModule(t *testing.T) {
	t.Parallel()
	p := newPool(t, directory.RoundRobin)
	_, _, err := p.Pick(t.Context(), "")
	require.ErrorIs(t, err, directory.ErrNoInstance)
	require.Equal(t, errs.Unavailable, errs.KindOf(err))
	require.ErrorContains(t, err, "catalog")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = p.Pick(ctx, "")
	require.ErrorIs(t, err, context.Canceled)
}

func TestRoundRobinTakesEachInTurn(t *testing.T) {
	t.Parallel()
	p := newPool(t, directory.RoundRobin, "a:1", "b:1", "c:1")
	got := map[string]int{}
	for range 30 {
		got[p.once(nil)]++
	}
	require.Equal(t, map[string]int{"a:1": 10, "b:1": 10, "c:1": 10}, got)
}

func TestWeightedTakesEachByItsWeightAndMixesThem(t *testing.T) {
	t.Parallel()
	p := newPool(t, directory.Weighted, "a:1*5", "b:1", "c:1*2")
	var order []string
	got := map[string]int{}
	for range 80 {
		id := p.once(nil)
		got[id]++
		order = append(order, id)
	}
	require.Equal(t, map[string]int{"a:1*5": 50, "b:1": 10, "c:1*2": 20}, got)
	require.Contains(t, order[:4], "c:1*2", "not five of one first")
}

func TestLeastConnectionsTakesWhoHasLeastToDo(t *testing.T) {
	t.Parallel()
	p := newPool(t, directory.LeastConnections, "a:1", "b:1*2")
	got := map[string]int{}
	done := map[string]func(error){}
	for range 9 {
		id, end := p.pick("")
		got[id]++
		done[id] = end
	}
	require.Equal(t, map[string]int{"a:1": 3, "b:1*2": 6}, got)
	done["a:1"](nil)
	id, _ := p.pick("")
	require.Equal(t, "a:1", id)
}

func TestHashFindsTheSameForTheSameKeyAndMovesFew(t *testing.T) {
	t.Parallel()
	three := newPool(t, directory.Hash, "a:1", "b:1", "c:1")
	two := newPool(t, directory.Hash, "a:1", "b:1")
	share := map[string]int{}
	for n := range 3000 {
		key := fmt.Sprint(n)
		id, done := three.pick(key)
		done(nil)
		again, done := three.pick(key)
		done(nil)
		require.Equal(t, id, again)
		share[id]++
		if left, done := two.pick(key); id != "c:1" {
			require.Equal(t, id, left, "only those of c move")
			done(nil)
		}
	}
	for id, n := range share {
		require.InDelta(t, 1000, n, 150, id)
	}
}

func TestOneThatFailsInARowIsLeftOutForLongerEachTime(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{directory.RoundRobin, directory.Weighted, directory.LeastConnections, directory.Hash} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			p := newPool(t, policy, "a:1", "b:1")
			p.fail("a:1", 2)
			sees := func() bool {
				for range 10 {
					id, done := p.pick("")
					done(context.Canceled)
					if id == "a:1" {
						return true
					}
				}
				return false
			}
			require.True(t, sees(), "twice is not enough")
			p.fail("a:1", 1)
			for _, seconds := range []int{1, 2, 4, 8, 16, 30, 30} {
				pause := time.Duration(seconds) * time.Second
				require.False(t, sees())
				p.clock.Advance(pause - time.Microsecond)
				require.False(t, sees(), "%s", pause)
				p.clock.Advance(time.Microsecond)
				require.True(t, sees(), "%s", pause)
				p.fail("a:1", 1) // is enough from now on
			}
			p.clock.Advance(30 * time.Second)
			for p.once(nil) != "a:1" {
				continue
			}
			p.fail("a:1", 2)
			require.True(t, sees(), "what went well is well again")
		})
	}
}

func TestTheLastOneIsNeverLeftOut(t *testing.T) {
	t.Parallel()
	p := newPool(t, directory.LeastConnections, "a:1", "b:1")
	p.fail("a:1", 3)
	p.fail("b:1", 3)
	got := map[string]int{}
	for range 10 {
		got[p.once(context.Canceled)]++
	}
	require.Len(t, got, 2)
	alone := newPool(t, directory.RoundRobin, "a:1")
	alone.fail("a:1", 10)
	require.Equal(t, "a:1", alone.once(nil))
}

func TestThoseTriedBeforeAreTakenOnlyForWantOfOthers(t *testing.T) {
	t.Parallel()
	p := newPool(t, directory.RoundRobin, "a:1", "b:1", "c:1")
	for range 10 {
		id, done := p.pick("", "a:1", "c:1")
		require.Equal(t, "b:1", id)
		done(nil)
	}
	p.fail("b:1", 3)
	for range 10 {
		id, done := p.pick("", "a:1")
		require.Equal(t, "c:1", id)
		done(nil)
		id, done = p.pick("", "a:1", "c:1")
		require.NotEqual(t, "b:1", id, "one that is well and was tried is better than one that is not")
		done(nil)
	}
}

func TestAPoolMayBeAskedByMany(t *testing.T) {
	t.Parallel()
	p := newPool(t, directory.LeastConnections, "a:1", "b:1", "c:1")
	var asking sync.WaitGroup
	for n := range 8 {
		asking.Go(func() {
			for k := range 500 {
				_, done, err := p.Pick(t.Context(), "")
				if err != nil {
					t.Error(err)
					return
				}
				if (n+k)%5 == 0 {
					done(errDown)
				} else {
					done(nil)
				}
				done(nil) // counts once
			}
		})
	}
	asking.Wait()
	p.clock.Advance(time.Hour)
	got := map[string]int{}
	for range 30 {
		id, _ := p.pick("")
		got[id]++
	}
	require.Equal(t, map[string]int{"a:1": 10, "b:1": 10, "c:1": 10}, got, "nothing is counted as running any more")
}
