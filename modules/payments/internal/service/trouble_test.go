package service_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	paymentsmigrations "stoa/migrations/payments"
	"stoa/modules/payments"
	"stoa/modules/payments/internal/provider"
	"stoa/modules/payments/internal/service"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/rpc/rpctest"
)

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

func TestMain(m *testing.M) {
	if path := os.Getenv(victimVariable); path != "" {
		victim(path)
		return
	}
	dbtest.Examples(40)
	rpctest.Main(m)
}

func TestProviderThatDoesNotAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	s := openShop(t, c)
	p := s.instance(provider.NewSandbox(c))
	failed := make(chan error)
	go func() {
		_, err := p.Authorize(context.Background(), ask("o1", 500, "tok_timeout"))
		failed <- err
	}()
	c.AwaitTimers(1)
	c.Advance(timeout - time.Microsecond)
	select {
	case err := <-failed:
		require.NoError(t, err, "it was given up too early")
	default:
	}
	c.Advance(time.Microsecond)
	err := <-failed
	require.ErrorIs(t, err, payments.ErrProviderUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	got, err := p.GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: "o1"})
	require.NoError(t, err)
	require.Equal(t, payments.OutcomeFailed, got.Attempts[0].Outcome)
	require.Equal(t, "payments.provider_timeout", got.Attempts[0].Code)
	require.Equal(t, payments.StatusNone, got.Status)

	// Nobody knows whether it holds money: a cancellation makes sure.
	_, err = p.Cancel(t.Context(), payments.CancelRequest{OrderID: "o1"})
	require.NoError(t, err)
	require.Equal(t, books{}, s.balanced(t, "o1"))
}

func TestSlowTokenTakesTwoSecondsOfTheClock(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	s := openShop(t, c)
	p := s.instance(provider.NewSandbox(c))
	answered := make(chan error)
	go func() {
		_, err := p.Authorize(context.Background(), ask("o1", 500, "tok_slow"))
		answered <- err
	}()
	c.AwaitTimers(2) // the deadline and the sleep
	c.Advance(2 * time.Second)
	require.NoError(t, <-answered)
	require.EqualValues(t, 500, s.balanced(t, "o1").authorized)
}

func TestCallerThatGoesAwayLeavesNoDoubt(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	s := openShop(t, c)
	p := s.instance(provider.NewSandbox(c))
	ctx, leave := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := p.Authorize(ctx, ask("o1", 500, "tok_slow"))
		failed <- err
	}()
	c.AwaitTimers(2)
	// Who waits for the same order can leave, too.
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Capture(impatient, payments.CaptureRequest{OrderID: "o1"})
	require.ErrorIs(t, err, context.Canceled)
	leave()
	require.ErrorIs(t, <-failed, payments.ErrProviderUnavailable)
	got, err := p.GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: "o1"})
	require.NoError(t, err)
	require.Equal(t, payments.OutcomeFailed, got.Attempts[0].Outcome, "its end is stored all the same")
}

func TestLostAnswersAreAskedForAgainUnderTheSameKey(t *testing.T) {
	t.Parallel()
	for _, f := range []fault{lostRequest, lostAnswer, crashBefore, crashAfter} {
		c := clock.NewFake(start, 1)
		s := openShop(t, c)
		b := newBank(provider.NewSandbox(c))
		// Every operation goes wrong the first time.
		wrong := map[string]bool{}
		b.fault = func(operation string, _ provider.Request) fault {
			if wrong[operation] {
				return none
			}
			wrong[operation] = true
			return f
		}
		twice := func(do func(p *service.Service) error) {
			t.Helper()
			func() {
				defer func() {
					if p := recover(); p != nil {
						require.Equal(t, any(errCrash), p)
					}
				}()
				require.ErrorIs(t, do(s.instance(b)), payments.ErrProviderUnavailable)
			}()
			require.NoError(t, do(s.instance(b)))
		}
		twice(func(p *service.Service) error {
			_, err := p.Authorize(t.Context(), ask("o1", 500, "tok_approve"))
			return err
		})
		twice(func(p *service.Service) error {
			_, err := p.Capture(t.Context(), payments.CaptureRequest{OrderID: "o1"})
			return err
		})
		twice(func(p *service.Service) error {
			_, err := p.Refund(t.Context(), payments.RefundRequest{RefundID: "r1", OrderID: "o1", Amount: usd(200)})
			return err
		})
		require.Equal(t, books{500, 500, 0, 0, 200}, s.balanced(t, "o1"))
		require.Equal(t, &bankAccount{authorized: 500, captured: 500, refunded: 200, captures: 1}, b.accounts["o1"])
		got, err := s.instance(b).GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: "o1"})
		require.NoError(t, err)
		require.Len(t, got.Attempts, 6)
		for _, a := range got.Attempts {
			require.NotEqual(t, payments.OutcomePending, a.Outcome, "an attempt that was cut short is told to be")
		}
	}
}

func TestMoneyOnItsWayBackIsNotThereToBeRefundedAgain(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.NewFake(start, 1))
	b := newBank(provider.NewSandbox(s.clock))
	p := s.instance(b)
	_, err := p.Authorize(t.Context(), ask("o1", 500, "tok_approve"))
	require.NoError(t, err)
	_, err = p.Capture(t.Context(), payments.CaptureRequest{OrderID: "o1"})
	require.NoError(t, err)
	b.fault = func(string, provider.Request) fault { return lostAnswer }
	_, err = p.Refund(t.Context(), payments.RefundRequest{RefundID: "r1", OrderID: "o1", Amount: usd(400)})
	require.ErrorIs(t, err, payments.ErrProviderUnavailable)

	b.fault = nil
	_, err = p.Refund(t.Context(), payments.RefundRequest{RefundID: "r2", OrderID: "o1", Amount: usd(101)})
	require.ErrorIs(t, err, payments.ErrRefundExceedsCapture)
	_, err = p.Refund(t.Context(), payments.RefundRequest{RefundID: "r2", OrderID: "o1", Amount: usd(100)})
	require.NoError(t, err)
	_, err = p.Cancel(t.Context(), payments.CancelRequest{OrderID: "o1"})
	require.NoError(t, err)
	require.Equal(t, books{500, 500, 0, 0, 500}, s.balanced(t, "o1"))
	require.EqualValues(t, 500, b.accounts["o1"].refunded)
}

func TestSettleBringsToRestWhatADeadProcessLeft(t *testing.T) {
	t.Parallel()
	c := sleeper{clock.NewFake(start, 1), make(chan struct{}, 8)}
	s := openShop(t, c)
	b := newBank(provider.NewSandbox(c))
	for _, order := range []string{"refund", "cancel"} {
		_, err := s.instance(b).Authorize(t.Context(), ask(order, 500, "tok_approve"))
		require.NoError(t, err)
		_, err = s.instance(b).Capture(t.Context(), payments.CaptureRequest{OrderID: order})
		require.NoError(t, err)
	}
	b.fault = func(string, provider.Request) fault { return crashAfter }
	require.Panics(t, func() {
		_, _ = s.instance(b).Refund(t.Context(), payments.RefundRequest{RefundID: "r1", OrderID: "refund", Amount: usd(200)})
	})
	b.fault = func(string, provider.Request) fault { return crashBefore }
	require.Panics(t, func() {
		_, _ = s.instance(b).Cancel(t.Context(), payments.CancelRequest{OrderID: "cancel"})
	})
	require.Equal(t, books{500, 500, 0, 200, 0}, s.balanced(t, "refund"))
	require.Equal(t, books{500, 500, 0, 500, 0}, s.balanced(t, "cancel"))

	b.fault = nil
	calls := b.calls
	p := s.instance(b)
	require.NoError(t, p.SettleDue(t.Context()))
	require.Equal(t, calls, b.calls, "whoever began may still be at it")

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Settle(ctx) }()
	<-c.asleep
	c.Advance(timeout + service.SettlePause)
	<-c.asleep // it has looked again
	stop()
	require.NoError(t, <-ended)
	require.Equal(t, books{500, 500, 0, 0, 200}, s.balanced(t, "refund"))
	require.Equal(t, books{500, 500, 0, 0, 500}, s.balanced(t, "cancel"))
	require.EqualValues(t, 200, b.accounts["refund"].refunded)
	require.EqualValues(t, 500, b.accounts["cancel"].refunded)
	require.Len(t, s.events(t), 2)
}

// sleeper is a clock that tells when Settle goes to sleep.
type sleeper struct {
	*clock.Fake
	asleep chan struct{}
}

func (s sleeper) NewTimer(d time.Duration) clock.Timer {
	timer := s.Fake.NewTimer(d)
	if d == service.SettleEvery {
		s.asleep <- struct{}{}
	}
	return timer
}

func TestAuthorisationThatArrivesAfterACancellationIsVoided(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	s := openShop(t, c)
	b := newBank(provider.NewSandbox(c))
	other := s.instance(b)
	late := s.instance(lateAuthorization{b, func() {
		// Another instance cancels while this one waits for its answer.
		_, err := other.Cancel(context.Background(), payments.CancelRequest{OrderID: "o1"})
		require.NoError(t, err)
	}})
	_, err := late.Authorize(t.Context(), ask("o1", 500, "tok_approve"))
	require.ErrorIs(t, err, payments.ErrClosed)
	require.Equal(t, books{500, 0, 500, 0, 0}, s.balanced(t, "o1"))
	require.EqualValues(t, 500, b.accounts["o1"].voided)
}

// lateAuthorization does something else between an authorisation and its answer.
type lateAuthorization struct {
	*bank
	meanwhile func()
}

func (l lateAuthorization) Authorize(ctx context.Context, r provider.Request) (string, error) {
	reference, err := l.bank.Authorize(ctx, r)
	l.meanwhile()
	// That void took the hold that was there. The provider may be slower than
	// that: the hold comes after it.
	l.accounts[r.OrderID].voided = 0
	return reference, err
}

// victimVariable names the directory of a process that is to be killed.
const victimVariable = "STOA_TEST_PAYMENTS_VICTIM"

// TestKilledProcessChargesOnce kills a process between the provider's effect
// and its own record of it, and has another one go on.
func TestKilledProcessChargesOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), victimVariable+"="+dir)
	out, err := victim.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	status, ok := exit.Sys().(syscall.WaitStatus)
	require.True(t, ok && status.Signaled(), "it was killed: %s", out)
	require.Equal(t, []string{"o1:authorize"}, keysOf(t, dir), "the provider had done it")

	d := openIn(t, dir)
	p := killable(d, &notebook{dir: dir})
	got, err := p.GetPayment(t.Context(), payments.GetPaymentRequest{OrderID: "o1"})
	require.NoError(t, err)
	require.Equal(t, payments.OutcomePending, got.Attempts[0].Outcome, "the attempt was on disk before")
	paid, err := p.Authorize(t.Context(), ask("o1", 500, "tok_approve"))
	require.NoError(t, err)
	require.Equal(t, payments.StatusAuthorized, paid.Status)
	require.Equal(t, payments.OutcomeFailed, paid.Attempts[0].Outcome)
	require.Equal(t, "payments.interrupted", paid.Attempts[0].Code)
	require.Equal(t, []string{"o1:authorize", "o1:authorize"}, keysOf(t, dir), "asked again under the same key")
	require.NoError(t, d.Close())
}

func openIn(t *testing.T, dir string) *db.DB {
	t.Helper()
	d, err := db.OpenSQLite(context.Background(), payments.Name, filepath.Join(dir, "payments.db"), db.Options{})
	require.NoError(t, err)
	require.NoError(t, d.Migrate(context.Background(), paymentsmigrations.FS))
	return d
}

func killable(d *db.DB, p provider.Provider) *service.Service {
	return shop{d, clock.System()}.instance(p)
}

// victim authorises a payment and is killed by the provider.
func victim(dir string) {
	d, err := db.OpenSQLite(context.Background(), payments.Name, filepath.Join(dir, "payments.db"), db.Options{})
	if err == nil {
		err = d.Migrate(context.Background(), paymentsmigrations.FS)
	}
	if err == nil {
		_, err = killable(d, &notebook{dir: dir, deadly: true}).Authorize(context.Background(), ask("o1", 500, "tok_approve"))
	}
	_, _ = os.Stderr.WriteString("not killed: " + errors.Join(err, errors.New("alive")).Error())
}

// notebook is a provider that writes what it did into a file, which outlives
// the process; where it is deadly, it kills it then.
type notebook struct {
	provider.Sandbox
	dir    string
	deadly bool
}

func (*notebook) Local() bool { return false }

func (n *notebook) Authorize(_ context.Context, r provider.Request) (string, error) {
	f, err := os.OpenFile(filepath.Join(n.dir, "keys"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	if _, err := f.WriteString(r.Key + "\n"); err != nil {
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	if n.deadly {
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return "", err
		}
		select {} // until the signal is delivered
	}
	return "noted_" + r.Key, nil
}

func keysOf(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "keys"))
	require.NoError(t, err)
	return strings.Fields(string(text))
}
