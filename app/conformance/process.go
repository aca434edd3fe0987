package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/clock"
)

// One is the whole shop in one process.
type One struct {
	// Called is the topology's name.
	Called string
	// Command is the binary `stoa`.
	Command string
	// Given configures it besides; nil is nothing.
	Given func(t testing.TB) []string
	// Shared tells that several processes may share its databases.
	Shared bool
}

// Name is what the topology is called.
func (o One) Name() string { return o.Called }

// AtOnce is how many tests run at the same time.
func (One) AtOnce() int { return processes }

// Recovery is how long what was under way at a kill may lie still.
func (o One) Recovery() time.Duration { return takenOver(o.Shared) }

// takenOver is how long what a process that was killed had begun is left alone
// where another may have it: until leases of three kinds, one after the other,
// have run out.
func takenOver(shared bool) time.Duration {
	if shared {
		return 30 * time.Second
	}
	return 0
}

// processes is about how many a small machine runs at once without the times
// that are promised suffering.
const processes = 20

// Start runs it and waits until it is ready.
func (o One) Start(t testing.TB, dir string, set ...string) Shop {
	t.Helper()
	var given []string
	if o.Given != nil {
		given = o.Given(t)
	}
	return begin(t, func() *process {
		return newProcess(t, o.Command, slices.Concat([]string{"data.dir=" + dir}, given, set)...)
	})
}

// starter is a shop that has not begun.
type starter interface {
	Shop
	run() error
	end(signal syscall.Signal) int
	processes() []*process
}

// begin runs a shop and has it end with the test. Between finding a free port
// and taking it somebody else may have taken it; then another shop is made.
func begin[S starter](t testing.TB, another func() S) S {
	t.Helper()
	for attempt := 1; ; attempt++ {
		s := another()
		err := s.run()
		if err != nil && attempt < 3 && strings.Contains(s.Output(), "address already in use") {
			s.end(syscall.SIGKILL)
			continue
		}
		t.Cleanup(func() {
			s.end(syscall.SIGKILL)
			if t.Failed() {
				for _, p := range s.processes() {
					t.Logf("%s at %s last printed:\n%s", filepath.Base(p.binary), p.addr, tail(p.unasked(), 6000))
				}
			}
		})
		require.NoError(t, err)
		return s
	}
}

// freeAddress finds a loopback port outside the range that the system hands
// out to clients, so that it is still free after a restart.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12000+random(20000))
		if l, err := net.Listen("tcp", addr); err == nil {
			require.NoError(t, l.Close())
			return addr
		}
	}
	require.FailNow(t, "there is no free port")
	return ""
}

// process is a shop in one process.
type process struct {
	binary, addr, ops string
	set, flags        []string
	client            *http.Client
	printed           transcript

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

func (s *process) processes() []*process { return []*process{s} }

// unasked is what the process printed less the requests that it served.
func (s *process) unasked() string {
	var b strings.Builder
	for l := range strings.Lines(s.Output()) {
		if !strings.Contains(l, `"msg":"request"`) {
			b.WriteString(l)
		}
	}
	return b.String()
}

// newProcess gives a process that has not begun, on addresses of its own. Each
// set is a "key=value" of the configuration, or a flag of `stoa serve`.
func newProcess(t testing.TB, binary string, set ...string) *process {
	t.Helper()
	s := &process{binary: binary, addr: freeAddress(t), ops: freeAddress(t), client: &http.Client{Timeout: 5 * time.Second}}
	for _, one := range append([]string{"http.addr=" + s.addr, "ops.addr=" + s.ops}, set...) {
		if strings.HasPrefix(one, "--") {
			s.flags = append(s.flags, one)
		} else {
			s.set = append(s.set, "--set", one)
		}
	}
	return s
}

func (s *process) URL() string    { return "http://" + s.addr }
func (s *process) OpsURL() string { return "http://" + s.ops }
func (s *process) Output() string { return s.printed.String() }

// readyWithin is long for a machine that does much else; the goal is 300 ms.
const readyWithin = 30 * time.Second

// run starts the process and waits until it says that it is ready.
func (s *process) run() error {
	cmd := exec.Command(s.binary, append(append([]string{"serve"}, s.set...), s.flags...)...)
	cmd.Stdout, cmd.Stderr = &s.printed, &s.printed
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its state is read by who waits for exited
		close(exited)
	}()
	s.mu.Lock()
	s.cmd, s.exited = cmd, exited
	s.mu.Unlock()

	timeout := system().NewTimer(readyWithin)
	defer timeout.Stop()
	for !s.ready() {
		poll := system().NewTimer(5 * time.Millisecond)
		select {
		case <-poll.C():
		case <-exited:
			return fmt.Errorf("the shop ended while starting: %s\n%s", cmd.ProcessState, tail(s.Output(), 4000))
		case <-timeout.C():
			s.end(syscall.SIGKILL)
			return fmt.Errorf("the shop was not ready within %s:\n%s", readyWithin, tail(s.Output(), 4000))
		}
	}
	return nil
}

func (s *process) ready() bool {
	response, err := s.client.Get(s.URL() + "/readyz")
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// end sends a signal and waits until the process has ended, or has not within
// 30 s. It gives the exit status, −1 where there is none.
func (s *process) end(signal syscall.Signal) int {
	s.mu.Lock()
	cmd, exited := s.cmd, s.exited
	s.mu.Unlock()
	if cmd == nil {
		return -1
	}
	if err := cmd.Process.Signal(signal); err != nil {
		<-exited
		return cmd.ProcessState.ExitCode()
	}
	timeout := system().NewTimer(30 * time.Second)
	defer timeout.Stop()
	select {
	case <-exited:
		return cmd.ProcessState.ExitCode()
	case <-timeout.C():
		_ = cmd.Process.Kill() // it may have ended meanwhile
		<-exited
		return -1
	}
}

func (s *process) Kill(testing.TB) {
	s.end(syscall.SIGKILL)
	s.client.CloseIdleConnections()
}

func (s *process) Stop(t testing.TB) string {
	t.Helper()
	code := s.end(syscall.SIGTERM)
	s.client.CloseIdleConnections()
	require.Zero(t, code, "exit status after SIGTERM; it printed:\n%s", tail(s.Output(), 4000))
	return s.Output()
}

func (s *process) Restart(t testing.TB) {
	t.Helper()
	require.NoError(t, s.run())
}

// commandTimeout bounds every command of the suite.
const commandTimeout = time.Minute

func (s *process) Command(t testing.TB, stdin string, args ...string) Result {
	t.Helper()
	return command(t, s.binary, s.set, stdin, args)
}

// command runs a command of a binary with a configuration.
func command(t testing.TB, binary string, set []string, stdin string, args []string) Result {
	t.Helper()
	ctx, cancel := clock.WithDeadline(t.Context(), system(), system().Now().Add(commandTimeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append(slices.Clone(set), args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err, "stoa %s", strings.Join(args, " "))
	}
	require.NoError(t, ctx.Err(), "stoa %s: %s", strings.Join(args, " "), stderr.String())
	return Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// transcript gathers what a process prints.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *transcript) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *transcript) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// tail gives the end of a text, from the beginning of a line.
func tail(text string, most int) string {
	if len(text) <= most {
		return text
	}
	text = text[len(text)-most:]
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[i+1:]
	}
	return "…\n" + text
}
