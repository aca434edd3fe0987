package config

import (
	"errors"
	"fmt"
	"strings"
)

// Default is the source of values that nobody gave.
const Default = "default"

// Fault is one thing that is wrong with the configuration.
type Fault struct {
	// Source is the file and line, the variable or the flag: "shop.yaml:12",
	// "STOA_HTTP_ADDR", "--set http.addr". It is Default where the fault is that
	// nothing was given.
	Source string
	// Key is the full key, such as "http.addr"; empty where the source as a whole
	// is at fault.
	Key string
	// Problem says what is wrong and what would be right.
	Problem string
}

// Error gives source, key and problem in one line. A flag names its key already.
func (f *Fault) Error() string {
	text := f.Problem
	if f.Key != "" && !strings.HasSuffix(f.Source, " "+f.Key) {
		text = f.Key + ": " + text
	}
	if f.Source != "" {
		text = f.Source + ": " + text
	}
	return text
}

// BadValue is how Validate reports a field: key is relative to the section,
// such as "smtp.host". Load adds where the value came from.
func BadValue(key, format string, args ...any) error {
	return &Fault{Key: key, Problem: fmt.Sprintf(format, args...)}
}

// Error lists all that is wrong with a configuration.
type Error struct{ Faults []*Fault }

// Error gives a fault per line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("the configuration has a fault")
	if len(e.Faults) > 1 {
		b.Reset()
		fmt.Fprintf(&b, "the configuration has %d faults", len(e.Faults))
	}
	for _, f := range e.Faults {
		b.WriteString("\n  " + f.Error())
	}
	return b.String()
}

// flatten gives the faults in an error of Validate: Faults, joined or not, and
// anything else as a fault of the section as a whole.
func flatten(err error) []*Fault {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var faults []*Fault
		for _, e := range joined.Unwrap() {
			faults = append(faults, flatten(e)...)
		}
		return faults
	}
	if f := (*Fault)(nil); errors.As(err, &f) {
		return []*Fault{{Key: f.Key, Problem: f.Problem}}
	}
	return []*Fault{{Problem: err.Error()}}
}
