package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size: "1MiB", "64KiB", "10MB", "512B" or plain "512".
type Bytes int64

// Units of Bytes.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

// units from the largest to the smallest; those that String uses come first.
var units = [...]struct {
	name string
	size Bytes
}{
	{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1},
}

// String gives the size in the largest binary unit that leaves no fraction.
func (b Bytes) String() string {
	for _, u := range units[:4] {
		if b >= u.size && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// MarshalText is String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads a whole number and a unit, whose case does not matter.
func (b *Bytes) UnmarshalText(text []byte) error {
	digits := strings.TrimRight(string(text), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	name := strings.TrimSpace(strings.TrimPrefix(string(text), digits))
	for _, u := range units {
		if !strings.EqualFold(u.name, name) {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			break
		}
		if n > math.MaxInt64/int64(u.size) {
			return errors.New("is too large")
		}
		if n >= 0 {
			*b = Bytes(n) * u.size
			return nil
		}
	}
	return errors.New("is not a size: write a whole number and a unit, such as 512B, 64KiB or 1MiB")
}
