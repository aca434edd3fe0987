package replay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/orders/internal/replay/history"
	"stoa/platform/clock"
	"stoa/platform/module"
)

// hasty is a clock whose timers go off at once, after moving it on.
type hasty struct{ *clock.Fake }

func (h hasty) NewTimer(d time.Duration) clock.Timer {
	t := h.Fake.NewTimer(d)
	h.Advance(d)
	return t
}

func newClock() hasty {
	return hasty{clock.NewFake(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), 1)}
}

func samplePlan(t *testing.T, limit int) *history.Plan {
	t.Helper()
	f, err := os.Open("history/testdata/sample.csv")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	lines, err := history.Read(f, limit)
	require.NoError(t, err)
	p, err := history.NewPlan(lines, "GBP")
	require.NoError(t, err)
	return p
}

// The sums of the sample, worked out by hand: 100001 is 8 × 2.55 + 4.95 + 3,
// 100002 is 4, 100003 is 5 + 2 × 12.75, 100009 is 25,000 × 2.55 + 1. 100002 and
// 100009 go back, and 8 × 2.55 of 100001.
const (
	sampleIn  = 2835 + 400 + 3050 + 6375100
	sampleOut = 2040 + 400 + 6375100
)

func options4(s *fakeShop) options {
	return options{file: "sample", url: s.URL, email: adminEmail, password: adminPassword, concurrency: 4, seed: "any"}
}

// replayOnce runs a replay against a shop and gives what it printed.
func replayOnce(ctx context.Context, s *fakeShop, p *history.Plan) (string, error) {
	var out bytes.Buffer
	err := carryOut(ctx, newReplay(options4(s), p, s.clock, newProgress(&out)), &outputs{report: &report{out: &out}, account: "-", verify: true})
	return out.String(), err
}

func requireWhole(t *testing.T, s *fakeShop) {
	t.Helper()
	require.Empty(t, s.doubled())
	in, out := s.sums()
	require.EqualValues(t, sampleIn, in)
	require.EqualValues(t, sampleOut, out)
	s.mu.Lock()
	defer s.mu.Unlock()
	for sku, left := range map[string]int64{
		"10001A-255": 25008 - 25008 + 8 + 25000, "10001A-495": 0, "10002-100": 21 - 13 + 4 + 1 - 8, "10004-1275": 0,
	} {
		require.Equal(t, left, s.stock[sku].onHand, sku)
	}
	require.Len(t, s.accounts, 4)
}

func TestReplayCarriesOutTheFile(t *testing.T) {
	t.Parallel()
	s := openShop(t, newClock())
	out, err := replayOnce(t.Context(), s, samplePlan(t, 0))
	require.NoError(t, err, out)
	requireWhole(t, s)
	require.Equal(t, 1, s.crowd, "a customer does one thing after the other")
	require.LessOrEqual(t, s.mostly, passwordsAtOnce)
	for _, text := range []string{
		"OK: the money of 6 orders and the stock of 4 variants are what the file says",
		"placed: 6 of 6 orders, 0 of them by earlier runs",
		"given back: 5 of 5 returns (4 orders cancelled, 1 refunded in part)",
		"refused: nothing",
		"63813.85 GBP  63775.40 GBP  38.45 GBP",
		"charge: the code names no goods (2 lines)\n  line 6: 100001 POST 1 × 18.0\n",
		"line 25: 100011 10002 0 × 1.0: its quantity is no number of pieces",
		"line 17: C100006 10001A -5 × 2.55, 3 of them: 100001",
		"cancels an order (3 lines)",
		"line 15: C100005 10002 -4 × 1.0: 100002",
		"written off (2 lines)\n  line 12: 100004 10002 -7 × 0.0\n  line 13: 100004 10002 -1 × 0.0: ?\n",
		"26 lines on 12 invoices",
		"p50", "p99", "orders/s",
	} {
		require.Contains(t, out, text)
	}
	for _, o := range s.orders {
		require.Regexp(t, `^Online Retail invoice 1000\d\d(/[23])?$`, o.ShippingAddress.Line2)
	}
}

func TestReplayThatIsRunAgainDoublesNothing(t *testing.T) {
	t.Parallel()
	for _, day := range []bool{false, true} {
		s := openShop(t, newClock())
		_, err := replayOnce(t.Context(), s, samplePlan(t, 0))
		require.NoError(t, err)
		if day {
			s.forgetKeys()
		}
		out, err := replayOnce(t.Context(), s, samplePlan(t, 0))
		require.NoError(t, err, out)
		requireWhole(t, s)
		require.Contains(t, out, "6 of them by earlier runs")
		require.Contains(t, out, "made in this run: 0 products, 0 accounts, 0 orders; 0 pieces put in")
		require.Contains(t, out, "OK:")
	}
}

func TestOrderThatWasNotToBeSeenYetIsFoundByItsKey(t *testing.T) {
	t.Parallel()
	for _, forget := range []func(s *fakeShop){func(*fakeShop) {}, (*fakeShop).forgetCarts} {
		s := openShop(t, newClock())
		_, err := replayOnce(t.Context(), s, samplePlan(t, 3))
		require.NoError(t, err)
		forget(s)
		s.blind = true
		r := newReplay(options4(s), samplePlan(t, 3), s.clock, newProgress(io.Discard))
		require.NoError(t, r.lookBack(t.Context()))
		require.Empty(t, r.earlier.orders)
		s.blind = false
		require.NoError(t, r.fillShelves(t.Context()))
		require.NoError(t, r.serve(t.Context()))
		require.Empty(t, r.result.refusals)
		require.Len(t, r.result.placed, 3)
		require.Empty(t, s.doubled())
	}
}

func TestFewPasswordsAreWorkedOnAtOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t, newClock())
	r := newReplay(options4(s), samplePlan(t, 0), s.clock, newProgress(io.Discard))
	for range passwordsAtOnce {
		_, err := r.admin.enter(t.Context())
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, r.openAccount(ctx, r.buyers[0]), context.DeadlineExceeded)
	_, err := r.buyers[0].session.token(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Zero(t, s.count())
}

func TestReplayThatIsCutShortIsFinishedByRunningItAgain(t *testing.T) {
	t.Parallel()
	counted := openShop(t, newClock())
	_, err := replayOnce(t.Context(), counted, samplePlan(t, 0))
	require.NoError(t, err)

	for stopAt := 1; stopAt < counted.count(); stopAt += 3 {
		s := openShop(t, newClock())
		// It is stopped again and again, a little later each time, with keys
		// forgotten between some of the runs.
		for round := 0; ; round++ {
			ctx, stop := context.WithCancel(t.Context())
			at := s.count() + stopAt + 7*round
			s.disturb(func(n int, _ *http.Request) trouble {
				if n == at {
					stop()
					return lost
				}
				return fine
			})
			out, err := replayOnce(ctx, s, samplePlan(t, 0))
			stop()
			if err == nil {
				break
			}
			require.True(t, errors.Is(err, module.ErrReported) || errors.Is(err, context.Canceled), "%v\n%s", err, out)
			require.Contains(t, out, "run it again")
			if round%2 == 1 {
				s.forgetKeys()
			}
		}
		requireWhole(t, s)
	}
}

func TestReplayGoesOnThroughFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		s := openShop(t, newClock())
		random := rand.New(rand.NewPCG(seed, 1))
		s.disturb(func(int, *http.Request) trouble {
			if random.IntN(3) == 0 {
				return trouble(random.IntN(int(strangled) + 1))
			}
			return fine
		})
		out, err := replayOnce(t.Context(), s, samplePlan(t, 0))
		require.NoError(t, err, out)
		requireWhole(t, s)
	}
}

func TestReplayWaitsAsLongAsItIsTold(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := openShop(t, c)
	s.disturb(func(n int, _ *http.Request) trouble {
		if n <= 3 {
			return busy
		}
		return fine
	})
	began := c.Now()
	out, err := replayOnce(t.Context(), s, samplePlan(t, 1))
	require.NoError(t, err)
	require.GreaterOrEqual(t, c.Now().Sub(began), 3*7*time.Second)
	require.Contains(t, out, "3 answered with 429")
}

func TestReplayOfMoreInvoicesAddsWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := openShop(t, newClock())
	_, err := replayOnce(t.Context(), s, samplePlan(t, 2))
	require.NoError(t, err)
	s.products["retail-10002"].Status = "draft"
	s.products["retail-10002"].Variants[0].Price.Amount = 7
	s.forgetKeys()
	out, err := replayOnce(t.Context(), s, samplePlan(t, 0))
	require.NoError(t, err, out)
	in, back := s.sums()
	require.EqualValues(t, sampleIn, in)
	require.EqualValues(t, sampleOut, back)
	require.Equal(t, "active", s.products["retail-10002"].Status)

	// One of fewer would not know what to make of what is there.
	_, err = replayOnce(t.Context(), s, samplePlan(t, 2))
	require.ErrorContains(t, err, "no smaller --limit")
}

func TestReplayAddsVariantsToAProductThatIsThere(t *testing.T) {
	t.Parallel()
	s := openShop(t, newClock())
	header := "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
	for _, file := range []string{"1,10001,A,2,d,1.00,7,X\n", "1,10001,A,2,d,1.00,7,X\n2,10001,A,3,d,1.50,7,X\n"} {
		lines, err := history.Read(strings.NewReader(header+file), 0)
		require.NoError(t, err)
		p, err := history.NewPlan(lines, "GBP")
		require.NoError(t, err)
		out, err := replayOnce(t.Context(), s, p)
		require.NoError(t, err, out)
		require.Contains(t, out, "OK:")
	}
	require.Len(t, s.products["retail-10001"].Variants, 2)
	require.Equal(t, []string{"1.00", "1.50"}, s.products["retail-10001"].Options[0].Values)
	require.Empty(t, s.doubled())
}

func TestStockOfOthersIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := openShop(t, newClock())
	_, err := replayOnce(t.Context(), s, samplePlan(t, 0))
	require.NoError(t, err)
	s.stock["10002-100"].move(movement{Quantity: 40, Reason: "counted again"})
	s.stock["10002-100"].move(movement{Quantity: -3, OrderID: "somebody else's"})
	out, err := replayOnce(t.Context(), s, samplePlan(t, 0))
	require.NoError(t, err, out)
}

func TestOrdersThatAreRejectedAreToldAndPlacedByTheNextRun(t *testing.T) {
	t.Parallel()
	s := openShop(t, newClock())
	s.reject = func(mark string) string {
		if mark == "100001" {
			return "orders.checkout_timeout"
		}
		return ""
	}
	out, err := replayOnce(t.Context(), s, samplePlan(t, 0))
	require.NoError(t, err, out)
	require.Contains(t, out, "order 100001: 0 orders.checkout_timeout: says the fake")
	require.Contains(t, out, "return C100006 of 100001: not tried: order 100001 was not placed")
	require.Contains(t, out, "placed: 5 of 6 orders")
	require.Contains(t, out, "OK: the money of 5 orders")

	s.reject = nil
	out, err = replayOnce(t.Context(), s, samplePlan(t, 0))
	require.NoError(t, err, out)
	require.Contains(t, out, "placed: 6 of 6 orders, 5 of them by earlier runs")
	in, back := s.sums()
	require.EqualValues(t, sampleIn, in)
	require.EqualValues(t, sampleOut, back)
	require.Equal(t, []string{"order 100001: 2 times"}, s.doubled(), "once in vain")
}

func TestDifferencesAreFound(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func(s *fakeShop){
		"10002-100: 6 on hand and 0 reserved; the file leaves 5": func(s *fakeShop) { s.stock["10002-100"].onHand++ },
		"10004-1275: 0 on hand and 1 reserved":                   func(s *fakeShop) { s.stock["10004-1275"].reserved++ },
		"payments has taken 28.34 GBP and given back 20.40 GBP":  func(s *fakeShop) { s.orders[0].Payment.Captured.Amount-- },
		"payments has taken 28.35 GBP and given back 20.41 GBP":  func(s *fakeShop) { s.orders[0].Payment.Refunded.Amount++ },
		"the stock of 10001A-495: 404 catalog.variant_not_found": func(s *fakeShop) { delete(s.stock, "10001A-495") },
	} {
		s := openShop(t, newClock())
		plan := samplePlan(t, 0)
		var out bytes.Buffer
		r := newReplay(options4(s), plan, s.clock, newProgress(&out))
		require.NoError(t, r.run(t.Context()))
		// The order of the first invoice may not be the first of all.
		for i, o := range s.orders {
			if mark, _ := markOf(o.ShippingAddress.Line2); mark == "100001" {
				s.orders[0], s.orders[i] = s.orders[i], s.orders[0]
			}
		}
		tamper(s)
		differences, _, err := r.verify(t.Context())
		require.NoError(t, err)
		require.Len(t, differences, 1, name)
		require.Contains(t, "the "+differences[0], strings.TrimPrefix(name, "the "))
	}
	s := openShop(t, newClock())
	var once atomic.Bool
	s.disturb(func(_ int, r *http.Request) trouble {
		if strings.HasPrefix(r.URL.Path, "/api/v1/payments") && once.CompareAndSwap(false, true) {
			s.stock["10002-100"].onHand++
		}
		return fine
	})
	out, err := replayOnce(t.Context(), s, samplePlan(t, 0))
	require.ErrorIs(t, err, module.ErrReported, "it has said so itself, and exits with 1")
	require.Contains(t, out, "1 difference\n")
}

func TestTokensAreRenewedWithoutThePassword(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := openShop(t, c)
	signIns := 0
	s.disturb(func(_ int, r *http.Request) trouble {
		if r.URL.Path == "/api/v1/sessions" {
			signIns++
		}
		if r.URL.Path == "/api/v1/orders" && r.Method == http.MethodPost {
			c.Advance(20 * time.Minute) // all tokens run out
		}
		return fine
	})
	out, err := replayOnce(t.Context(), s, samplePlan(t, 0))
	require.NoError(t, err, out)
	requireWhole(t, s)
	require.Equal(t, 4, signIns)
	require.Positive(t, s.writes["refresh"])
}

func TestWrongAdministratorIsTold(t *testing.T) {
	t.Parallel()
	s := openShop(t, newClock())
	o := options4(s)
	o.password = "another"
	var out bytes.Buffer
	err := carryOut(t.Context(), newReplay(o, samplePlan(t, 0), s.clock, newProgress(&out)), &outputs{report: &report{out: &out}})
	require.ErrorContains(t, err, "sign in as admin@example.com: 401 users.invalid_credentials")
	require.Empty(t, s.orders)
}

func TestAccountThatIsSomebodyElsesIsRefusedWithItsInvoices(t *testing.T) {
	t.Parallel()
	s := openShop(t, newClock())
	s.accounts["customer-501@"+domain] = &fakeAccount{"not ours", "x"}
	out, err := replayOnce(t.Context(), s, samplePlan(t, 0))
	require.NoError(t, err, out)
	require.Contains(t, out, "account customer-501@replay.example.com: 401 users.invalid_credentials")
	require.Contains(t, out, "order 100001: not tried: the account cannot be used")
	require.Contains(t, out, "placed: 4 of 6 orders")
	require.Contains(t, out, "OK:")
}

func TestShopThatIsAwayEndsTheRun(t *testing.T) {
	t.Parallel()
	s := openShop(t, newClock())
	s.disturb(func(n int, _ *http.Request) trouble {
		if n > 40 {
			return failing
		}
		return fine
	})
	out, err := replayOnce(t.Context(), s, samplePlan(t, 0))
	require.ErrorIs(t, err, errAway)
	require.Contains(t, out, "not finished; run it again to finish it")
	s.disturb(nil)
	_, err = replayOnce(t.Context(), s, samplePlan(t, 0))
	require.NoError(t, err)
	requireWhole(t, s)
}

func TestAddressWithoutAShopIsToldAtOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.System())
	s.Close()
	out, err := replayOnce(t.Context(), s, samplePlan(t, 0))
	require.ErrorIs(t, err, errAway)
	require.Contains(t, out, "0 requests")
}

func TestPasswordsFollowFromTheSeed(t *testing.T) {
	t.Parallel()
	require.Equal(t, password("a", "x@y"), password("a", "x@y"))
	require.NotEqual(t, password("a", "x@y"), password("b", "x@y"))
	require.NotEqual(t, password("a", "x@y"), password("a", "z@y"))
	require.GreaterOrEqual(t, len(password("a", "x@y")), 10)
}

func TestCountriesHaveCodes(t *testing.T) {
	t.Parallel()
	require.Equal(t, "IE", countryCode("EIRE"))
	require.Equal(t, "GB", countryCode("United Kingdom"))
	require.Equal(t, "JE", countryCode("Channel Islands"))
	require.Equal(t, "GB", countryCode("Unspecified"))
}

func run(t *testing.T, in string, args ...string) (string, error) {
	t.Helper()
	cmd := Command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetIn(strings.NewReader(in))
	cmd.SetArgs(args)
	cmd.SilenceErrors = true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestCommandReplaysAFile(t *testing.T) {
	t.Parallel()
	s := openShop(t, clock.System())
	account := t.TempDir() + "/account.txt"
	out, err := run(t, adminPassword+"\n", "history/testdata/sample.csv", "--url", s.URL+"/", "--email", adminEmail, "--password-stdin",
		"--account", account, "--concurrency", "2")
	require.NoError(t, err, out)
	requireWhole(t, s)
	require.NotContains(t, out, "line 6:")
	text, err := os.ReadFile(account)
	require.NoError(t, err)
	require.Contains(t, string(text), "line 6: 100001 POST")
}

func TestCommandRefusesBadFlags(t *testing.T) {
	t.Parallel()
	for text, args := range map[string][]string{
		"arg":             {"--email", "a"},
		"email":           {"x.csv"},
		"--url":           {"x.csv", "--email", "a", "--password-stdin", "--url", "shop"},
		"--concurrency":   {"x.csv", "--email", "a", "--password-stdin", "--concurrency", "0"},
		"--limit":         {"x.csv", "--email", "a", "--password-stdin", "--limit", "-1"},
		"no such file":    {"not there.csv", "--email", "a", "--password-stdin"},
		"currency":        {"history/testdata/sample.csv", "--email", "a", "--password-stdin", "--currency", "XXX"},
		"REPLAY_PASSWORD": {"x.csv", "--email", "a"},
		"format":          {"replay_test.go", "--email", "a", "--password-stdin"},
	} {
		_, err := run(t, "secret", args...)
		require.ErrorContains(t, err, text)
	}
}
