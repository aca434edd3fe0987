package limit

import (
	"slices"
	"time"
)

// summarise makes one figure of what each caller saw.
func summarise(took [][]time.Duration, in time.Duration) Placed {
	all := slices.Concat(took...)
	if len(all) == 0 {
		return Placed{}
	}
	slices.Sort(all)
	return Placed{
		PerSecond: float64(len(all)) / in.Seconds(),
		P50:       all[len(all)/2],
		P99:       all[len(all)*99/100],
	}
}
