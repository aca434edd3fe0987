package configtest_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/config"
	"stoa/platform/config/configtest"
)

// probe is a test that may fail without failing the one that runs it.
type probe struct {
	testing.TB
	message string
}

func (p *probe) Errorf(format string, args ...any) { p.message += fmt.Sprintf(format, args...) }

func (p *probe) FailNow() { runtime.Goexit() }

// outcome gives what check complains of; empty is nothing.
func outcome(t *testing.T, check func(t testing.TB)) string {
	t.Helper()
	p := &probe{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		check(p)
	}()
	<-done
	return p.message
}

type settings struct {
	Addr    string           `koanf:"addr" usage:"where"`
	Timeout time.Duration    `koanf:"timeout" usage:"how long"`
	Rates   map[string]int64 `koanf:"rates" usage:"how much"`
}

func sections() []config.Section {
	return []config.Section{{Key: "http", Target: &settings{Addr: ":1", Timeout: time.Minute}}}
}

const good = "# Listener.\nhttp:\n  # Where.\n  addr: ':1'\n  timeout: 60s # How long.\n  # How much.\n  rates: {}\n"

func TestDisagreementsAreFound(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		good: "",
		"# Listener.\nhttp:\n  # Where.\n  addr: ':1'\n  # How much.\n  rates: {}\n": "http.timeout is missing in the file",
		"# Listener.\nhttp:\n  # Where.\n  addr: ':1'\n  timeout: 1s # How long.\n":  "http.timeout has another value in the file than its default",
		good + "  # More.\n  more: 1\n":                                              "http.more: there is no such key",
		"# Listener.\nhttp:\n  addr: ':1'\n  timeout: 1m # x\n  rates: {} # x\n":     "keys without a comment",
	} {
		message := outcome(t, func(t testing.TB) { configtest.Reference(t, []byte(file), sections()...) })
		if want == "" {
			require.Empty(t, message)
		}
		require.Contains(t, message, want)
	}
}

func TestKeysNeedHelp(t *testing.T) {
	t.Parallel()
	message := outcome(t, func(t testing.TB) {
		configtest.Reference(t, []byte("a: b # x\n"), config.Section{Target: &struct {
			A string `koanf:"a"`
		}{"b"}})
	})
	require.Contains(t, message, "a has no usage tag")
}

func TestSectionsMindOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	file := []byte(good + "other:\n  key: 1\n")
	require.Empty(t, outcome(t, func(t testing.TB) { configtest.Sections(t, file, sections()...) }))
	require.Contains(t, outcome(t, func(t testing.TB) { configtest.Reference(t, file, sections()...) }), "other")
	short := []byte("http:\n  addr: ':1'\n")
	require.Contains(t, outcome(t, func(t testing.TB) { configtest.Sections(t, short, sections()...) }), "http.timeout is missing")
}
