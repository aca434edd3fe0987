package ratelimit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is a number of requests in a time, such as "600/1m". All of them may
// come at once; then they are allowed again evenly. The zero Rate is no limit,
// which is written "off".
type Rate struct {
	Count int
	Per   time.Duration
}

const (
	off      = "off"
	maxCount = 1_000_000_000
	maxPer   = 31 * 24 * time.Hour
)

// String gives the form that UnmarshalText reads.
func (r Rate) String() string {
	if r.Count == 0 {
		return off
	}
	per := r.Per.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(per, zero) {
			per = per[:len(per)-2]
		}
	}
	return fmt.Sprintf("%d/%s", r.Count, per)
}

// MarshalText is String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads "600/1m": a whole number from 1 to a billion, and a
// duration up to 31 days. "off" is no limit.
func (r *Rate) UnmarshalText(text []byte) error {
	if string(text) == off {
		*r = Rate{}
		return nil
	}
	number, duration, _ := strings.Cut(string(text), "/")
	count, err := strconv.Atoi(number)
	per, perErr := time.ParseDuration(duration)
	switch {
	case err != nil || perErr != nil:
		return errors.New("is not a rate: write a number and a time, such as 600/1m, or off")
	case count < 1 || count > maxCount || per < time.Millisecond || per > maxPer || per < time.Duration(count):
		return errors.New("is not a rate that can be kept: from 1 to 1000000000, in 1ms to 744h; or off")
	}
	*r = Rate{Count: count, Per: per}
	return nil
}
