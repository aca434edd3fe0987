package conformance

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Member is a process of a split shop.
type Member struct {
	// Binary is the program: `stoa`, or that of one module.
	Binary string
	// Modules are those that it runs; empty is all that the binary links.
	Modules string
}

// Split is a shop of several processes on this machine. They meet over a NATS
// server that runs within the first of them.
type Split struct {
	// Called is the topology's name.
	Called string
	// Members are the processes. Callers reach the last, which runs the gateway.
	Members []Member
	// Command is the binary whose commands act on the whole shop.
	Command string
	// Given configures all of them besides; nil is nothing.
	Given func(t testing.TB) []string
	// Shared tells that several processes may share a database.
	Shared bool
}

// Name is what the topology is called.
func (s Split) Name() string { return s.Called }

// AtOnce is how many tests run at the same time.
func (s Split) AtOnce() int { return max(1, processes/len(s.Members)) }

// Recovery is how long what was under way at a kill may lie still: processes find
// each other again first.
func (s Split) Recovery() time.Duration { return takenOver(s.Shared) + 10*time.Second }

// Start runs all processes at once and waits until each is ready.
func (s Split) Start(t testing.TB, dir string, set ...string) Shop {
	t.Helper()
	var given []string
	if s.Given != nil {
		given = s.Given(t)
	}
	return begin(t, func() *fleet {
		f := &fleet{command: s.Command}
		common := slices.Concat([]string{
			"data.dir=" + dir, "bus.driver=nats", "nats.url=nats://" + freeAddress(t), "rpc.addr=127.0.0.1:0",
			"http.trusted_proxies=127.0.0.1/32", "gateway.modules=users,catalog,orders,payments",
		}, given, set)
		for i, m := range s.Members {
			own := slices.Clone(common)
			if i == 0 {
				own = append(own, "nats.embedded=true")
			}
			if m.Modules != "" {
				own = append(own, "modules="+m.Modules)
			}
			f.members = append(f.members, newProcess(t, m.Binary, own...))
		}
		f.front = f.members[len(f.members)-1]
		for _, one := range append(common, "http.addr="+f.front.addr) {
			if !strings.HasPrefix(one, "--") {
				f.set = append(f.set, "--set", one)
			}
		}
		return f
	})
}

// fleet is a shop in several processes.
type fleet struct {
	members []*process
	front   *process
	command string
	set     []string // for commands
}

func (f *fleet) URL() string    { return f.front.URL() }
func (f *fleet) OpsURL() string { return f.front.OpsURL() }

func (f *fleet) processes() []*process { return f.members }

func (f *fleet) Output() string {
	var all strings.Builder
	for _, p := range f.members {
		all.WriteString(p.Output())
	}
	return all.String()
}

// run starts every process and waits until all are ready.
func (f *fleet) run() error {
	return errors.Join(each(f.members, (*process).run)...)
}

// end sends every process a signal and waits until all have ended. It gives the
// first exit status that is not 0.
func (f *fleet) end(signal syscall.Signal) int {
	for _, code := range each(f.members, func(p *process) int { return p.end(signal) }) {
		if code != 0 {
			return code
		}
	}
	return 0
}

// each asks every process at once.
func each[T any](list []*process, ask func(p *process) T) []T {
	answers := make([]T, len(list))
	var all sync.WaitGroup
	for i, p := range list {
		all.Go(func() { answers[i] = ask(p) })
	}
	all.Wait()
	return answers
}

// Kill ends every process, and the broker within the first, without notice.
func (f *fleet) Kill(testing.TB) {
	f.end(syscall.SIGKILL)
	f.front.client.CloseIdleConnections()
}

// Stop stops the gateway first, as one would: what it has taken is still served.
func (f *fleet) Stop(t testing.TB) string {
	t.Helper()
	f.front.Stop(t)
	for i, code := range each(f.members[:len(f.members)-1], func(p *process) int { return p.end(syscall.SIGTERM) }) {
		require.Zero(t, code, "exit status after SIGTERM of process %d; it printed:\n%s", i, tail(f.members[i].Output(), 4000))
	}
	return f.Output()
}

func (f *fleet) Restart(t testing.TB) {
	t.Helper()
	require.NoError(t, f.run())
}

func (f *fleet) Command(t testing.TB, stdin string, args ...string) Result {
	t.Helper()
	return command(t, f.command, f.set, stdin, args)
}
