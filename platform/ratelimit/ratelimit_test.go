package ratelimit_test

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoa/configs"
	"stoa/platform/clock"
	"stoa/platform/config"
	"stoa/platform/config/configtest"
	"stoa/platform/ratelimit"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestTheReferenceDocumentsTheSection(t *testing.T) {
	t.Parallel()
	cfg := ratelimit.DefaultConfig()
	configtest.Sections(t, configs.Reference, config.Section{Key: "ratelimit", Target: &cfg})
	require.Equal(t, ratelimit.DefaultConfig(), cfg)
}

// only gives limits where the default one is rate.
func only(t *testing.T, rate string) (*ratelimit.Limits, *clock.Fake) {
	t.Helper()
	cfg := ratelimit.DefaultConfig()
	require.NoError(t, cfg.Default.UnmarshalText([]byte(rate)))
	c := clock.NewFake(start, 1)
	return ratelimit.New(cfg, c), c
}

func TestAnAllowanceMayBeUsedAtOnceAndComesBackEvenly(t *testing.T) {
	t.Parallel()
	l, c := only(t, "3/1m")
	policy := `"default";q=3;w=60`
	require.Equal(t, ratelimit.Decision{Allowed: true, Limit: 3, Remaining: 2, Reset: 20 * time.Second, Policy: policy}, l.Take("default", "a"))
	require.Equal(t, ratelimit.Decision{Allowed: true, Limit: 3, Remaining: 1, Reset: 40 * time.Second, Policy: policy}, l.Take("default", "a"))
	require.Equal(t, ratelimit.Decision{Allowed: true, Limit: 3, Remaining: 0, Reset: time.Minute, Policy: policy}, l.Take("default", "a"))
	refused := ratelimit.Decision{Limit: 3, Reset: time.Minute, RetryAfter: 20 * time.Second, Policy: policy}
	require.Equal(t, refused, l.Take("default", "a"))
	require.Equal(t, refused, l.Take("default", "a"), "a refused request uses nothing up")

	c.Advance(20*time.Second - time.Microsecond)
	require.False(t, l.Take("default", "a").Allowed)
	c.Advance(time.Microsecond)
	require.True(t, l.Take("default", "a").Allowed)
	require.False(t, l.Take("default", "a").Allowed)
	c.Advance(time.Hour)
	require.Equal(t, 2, l.Take("default", "a").Remaining, "never more than the whole allowance")
}

func TestKeysAndNamesAreLimitedByThemselves(t *testing.T) {
	t.Parallel()
	cfg := ratelimit.DefaultConfig()
	cfg.Default, cfg.SignIn, cfg.Register = ratelimit.Rate{Count: 1, Per: time.Minute}, ratelimit.Rate{Count: 1, Per: time.Minute}, ratelimit.Rate{}
	l := ratelimit.New(cfg, clock.NewFake(start, 1))
	require.True(t, l.Take(ratelimit.Default, "a").Allowed)
	require.True(t, l.Take(ratelimit.Default, "b").Allowed)
	require.True(t, l.Take(ratelimit.SignIn, "a").Allowed)
	require.False(t, l.Take(ratelimit.SignIn, "a").Allowed)
	require.Equal(t, ratelimit.Decision{Allowed: true}, l.Take(ratelimit.Register, "a"), "off is no limit")

	require.False(t, l.Known("nonsense"))
	require.True(t, l.Known(ratelimit.Register))
	require.False(t, l.Take("nonsense", "a").Allowed, "an unknown name is the default limit")
}

func TestOneHostIsOneKey(t *testing.T) {
	t.Parallel()
	l, _ := only(t, "1/1m")
	for _, same := range [][]string{
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::1", "2001:0DB8:1:2::3%eth0"},
	} {
		require.True(t, l.Take("default", same[0]).Allowed)
		for _, key := range same[1:] {
			require.False(t, l.Take("default", key).Allowed, key)
		}
	}
	require.True(t, l.Take("default", "192.0.2.2").Allowed)
	require.True(t, l.Take("default", "2001:db8:1:3::1").Allowed)
}

func TestTurnedOffEverythingIsAllowed(t *testing.T) {
	t.Parallel()
	cfg := ratelimit.DefaultConfig()
	cfg.Enabled, cfg.Default, cfg.AccountFailures = false, ratelimit.Rate{Count: 1, Per: time.Hour}, ratelimit.Rate{Count: 1, Per: time.Hour}
	for _, l := range []*ratelimit.Limits{ratelimit.New(cfg, clock.NewFake(start, 1)), nil} {
		for range 10 {
			require.Equal(t, ratelimit.Decision{Allowed: true}, l.Take("default", "a"))
			attempt, wait := l.Failures().Begin("a", "b")
			require.NotNil(t, attempt)
			require.Zero(t, wait)
		}
		attempt, _ := l.Failures().Begin("a", "b")
		attempt.Succeeded()
		require.True(t, l.Known("default"))
	}
}

func TestManyAtOnceGetNoMoreThanTheAllowance(t *testing.T) {
	t.Parallel()
	l, _ := only(t, "100/1h")
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if l.Take("default", "a").Allowed {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 100, allowed.Load())
}

// Whatever the requests, in any span of the rate's period no more than twice
// its number passes, and over the long run no more than the rate.
func TestNoPatternOfRequestsBeatsTheRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 20).Draw(t, "count")
		cfg := ratelimit.DefaultConfig()
		cfg.Default = ratelimit.Rate{Count: count, Per: time.Minute}
		c := clock.NewFake(start, 1)
		l := ratelimit.New(cfg, c)
		passed, elapsed := 0, time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			d := l.Take("default", "a")
			if d.Allowed {
				passed++
				require.Zero(t, d.RetryAfter)
			} else {
				require.Zero(t, d.Remaining)
				require.Positive(t, d.RetryAfter)
			}
			require.LessOrEqual(t, d.Reset, time.Minute)
			pause := time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "pause")).Truncate(time.Microsecond)
			c.Advance(pause)
			elapsed += pause
		}
		require.LessOrEqual(t, passed, count+int(elapsed*time.Duration(count)/time.Minute)+1)
	})
}

func TestWaitingAsToldIsEnough(t *testing.T) {
	t.Parallel()
	l, c := only(t, "7/1s") // does not divide evenly
	for range 50 {
		d := l.Take("default", "a")
		if !d.Allowed {
			c.Advance((d.RetryAfter + time.Microsecond - 1).Truncate(time.Microsecond))
			require.True(t, l.Take("default", "a").Allowed)
		}
	}
}

func TestMemoryStaysBoundedWhateverKeysCome(t *testing.T) {
	l, c := only(t, "10/1h")
	for range 10 {
		l.Take("default", "busy")
	}
	before := heap()
	for i := range 400_000 {
		l.Take("default", "key-"+strconv.Itoa(i))
		if i%1000 == 0 {
			c.Advance(time.Microsecond)
		}
	}
	grown := heap() - before
	require.Less(t, grown, int64(16<<20))
	require.False(t, l.Take("default", "busy").Allowed, "what weighs most is kept longest")
	runtime.KeepAlive(l)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestRatesReadBackWhatTheyWrite(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"600/1m", "1/1ms", "30/1h30m", "5/1h", "7/1m30s", "off", "1000000/1s"} {
		var r ratelimit.Rate
		require.NoError(t, r.UnmarshalText([]byte(text)))
		require.Equal(t, text, r.String())
	}
	for _, text := range []string{"", "600", "/1m", "600/", "600/m", "-1/1m", "0/1m", "1/0s", "1/-1m", "1.5/1m", "1/1us", "1/745h", "1000000001/1h", "2000000/1ms", "OFF"} {
		var r ratelimit.Rate
		require.Error(t, r.UnmarshalText([]byte(text)), text)
	}
}

func BenchmarkTake(b *testing.B) {
	l := ratelimit.New(ratelimit.DefaultConfig(), clock.System())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Take("default", "192.0.2.17")
		}
	})
}

func ExampleLimits_Take() {
	l := ratelimit.New(ratelimit.DefaultConfig(), clock.NewFake(start, 1))
	d := l.Take(ratelimit.Reset, "192.0.2.1")
	fmt.Println(d.Allowed, d.Remaining, d.Policy)
	// Output: true 29 "reset";q=30;w=60
}
