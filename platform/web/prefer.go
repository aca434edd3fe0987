package web

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// MaxWait is how long a caller may prefer to wait at most.
const MaxWait = 30 * time.Second

// Prefer is embedded in the inputs of operations that can wait for an outcome.
type Prefer struct {
	Prefer string `header:"Prefer" doc:"wait=N: answer when it has been decided, or after N seconds (at most 30)."`
}

// Wait tells how long the caller prefers to wait for an outcome (RFC 7240
// §4.3): at most MaxWait, and not at all where it does not say.
func (p Prefer) Wait() time.Duration { return Wait(p.Prefer) }

// Wait reads the wait of a Prefer header. What it does not understand it
// ignores, as preferences are (RFC 7240 §2); the first wait holds.
func Wait(prefer string) time.Duration {
	for preference := range strings.FieldsFuncSeq(prefer, func(r rune) bool { return r == ',' || r == ';' }) {
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		n, err := strconv.ParseUint(value, 10, 64) // the greatest where it is greater
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0
		}
		return time.Duration(min(n, uint64(MaxWait/time.Second))) * time.Second
	}
	return 0
}
