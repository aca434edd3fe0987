package dbtest

import (
	"flag"
	"strconv"
)

// Examples has pgregory.net/rapid draw so many examples of each property, and a
// quarter of that under the race detector: fewer than it does by itself, because
// each works on a database. -rapid.checks asks for more. Call it in TestMain.
func Examples(n int) {
	if Raced {
		n = max(1, n/4)
	}
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if asked {
		return
	}
	if err := flag.Set("rapid.checks", strconv.Itoa(n)); err != nil {
		panic(err)
	}
}
