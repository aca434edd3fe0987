// Package load asks a server for as much as it gives over some connections, and
// says how much that was and how long each answer took.
//
// Only app/bench imports it. It judges nothing and knows nothing of the shop.
package load

import (
	"math/bits"
	"time"
)

// Of a time in microseconds the first bits count exactly and the others not: a
// histogram tells 64 steps between a power of two and the next, so that what it
// says is never off by more than 1.6 %.
const (
	exactBits = 7
	steps     = 1 << (exactBits - 1)
	buckets   = 1<<exactBits + (64-exactBits)*steps
)

// Histogram counts times. The zero value is empty. It is not safe for
// concurrent use: each connection has its own, and they are added up.
type Histogram struct {
	counts [buckets]int64
	total  int64
	sum    time.Duration
	max    time.Duration
}

// Record counts a time; a negative one counts as nothing.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d.Microseconds()))]++
	h.total++
	h.sum += d
	h.max = max(h.max, d)
}

// Add counts what another has counted.
func (h *Histogram) Add(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.sum += other.sum
	h.max = max(h.max, other.max)
}

// Count is how many times there are.
func (h *Histogram) Count() int64 { return h.total }

// Max is the longest time, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Mean is the average, exactly.
func (h *Histogram) Mean() time.Duration {
	if h.total == 0 {
		return 0
	}
	return h.sum / time.Duration(h.total)
}

// Quantile is a time that a share q of all, 0 to 1, does not exceed; 0 where
// there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := int64(q * float64(h.total))
	if float64(rank) < q*float64(h.total) {
		rank++
	}
	rank = max(rank, 1)
	var seen int64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return min(middleOf(i), h.max)
		}
	}
	return h.max
}

func bucketOf(us uint64) int {
	if us < 1<<exactBits {
		return int(us)
	}
	shift := bits.Len64(us) - exactBits
	return 1<<exactBits + (shift-1)*steps + int(us>>shift) - steps
}

// middleOf gives the time in the middle of a bucket.
func middleOf(bucket int) time.Duration {
	if bucket < 1<<exactBits {
		return time.Duration(bucket) * time.Microsecond
	}
	shift := (bucket-1<<exactBits)/steps + 1
	low := uint64((bucket-1<<exactBits)%steps+steps) << shift
	return time.Duration(low+1<<(shift-1)) * time.Microsecond
}
