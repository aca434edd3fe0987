package service_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/users"
	"stoa/modules/users/internal/service"
	"stoa/platform/errs"
	"stoa/platform/ratelimit"
)

func TestChangingThePasswordEndsAllOtherSessions(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.register(t, "ada@example.com")
	s.register(t, "eve@example.com")
	other, mine, eves := s.signIn(t, "ada@example.com"), s.signIn(t, "ada@example.com"), s.signIn(t, "eve@example.com")
	err := s.ChangePassword(t.Context(), service.ChangePasswordRequest{Identity: s.identity(t, mine), Current: good, New: better, Address: here})
	require.NoError(t, err)

	s.requireEnded(t, other)
	s.requireAlive(t, mine)
	s.requireAlive(t, eves)
	_, err = s.Refresh(t.Context(), mine.RefreshToken)
	require.NoError(t, err)
	_, err = s.SignIn(t.Context(), service.SignInRequest{Email: "ada@example.com", Password: good, Address: here})
	require.ErrorIs(t, err, users.ErrInvalidCredentials)
	_, err = s.SignIn(t.Context(), service.SignInRequest{Email: "ada@example.com", Password: better, Address: here})
	require.NoError(t, err)
}

func TestChangingThePasswordTakesTheCurrentOne(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.register(t, "ada@example.com")
	session := s.signIn(t, "ada@example.com")
	change := func(current, next string) error {
		return s.ChangePassword(t.Context(), service.ChangePasswordRequest{Identity: s.identity(t, session), Current: current, New: next, Address: here})
	}
	require.ErrorIs(t, change(better, better), users.ErrInvalidCredentials)
	err := change(good, "Password123")
	require.ErrorIs(t, err, errs.ErrInvalid)
	e, _ := errs.As(err)
	require.Equal(t, "body.new_password", e.Fields[0].Location)
	s.signIn(t, "ada@example.com")

	for n := 0; !isTooMany(err); n++ {
		require.Less(t, n, 20, "guessing was never slowed down")
		err = change(better, better)
	}
}

func isTooMany(err error) bool {
	e, ok := errs.As(err)
	return ok && e.Is(users.ErrTooManyAttempts)
}

func TestOfTwoPasswordChangesAtOnceOneSucceeds(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.register(t, "ada@example.com")
	session := s.signIn(t, "ada@example.com")
	id := s.identity(t, session)
	next := []string{better, better + " and more"}
	outcomes := together(2, func(i int) error {
		return s.ChangePassword(t.Context(), service.ChangePasswordRequest{Identity: id, Current: good, New: next[i], Address: here})
	})
	require.Equal(t, 1, succeeded(t, outcomes, users.ErrInvalidCredentials))
	for i, err := range outcomes {
		_, signIn := s.SignIn(t.Context(), service.SignInRequest{Email: "ada@example.com", Password: next[i], Address: here})
		require.Equal(t, err == nil, signIn == nil)
	}
}

// mailed has the mailer see to what was asked for.
func (s *shop) mailed(t *testing.T, n int) {
	t.Helper()
	for range 100 {
		s.clock.AwaitTimers(1)
		if len(s.mail.messages()) >= n && s.count(t, `SELECT COUNT(*) FROM reset_requests`) == 0 {
			return
		}
		s.clock.Advance(time.Second)
	}
	require.Fail(t, "nothing was mailed")
}

func TestResettingThePassword(t *testing.T) {
	t.Parallel()
	s := open(t)
	run(t, s.MailResets)
	s.register(t, "Ada@example.com")
	session := s.signIn(t, "ada@example.com")

	require.NoError(t, s.RequestReset(t.Context(), "ADA@EXAMPLE.COM"))
	s.mailed(t, 1)
	m := s.mail.messages()[0]
	require.Equal(t, "Ada@example.com", m.To, "where the account says, not where the caller says")
	token := s.mail.token(t)
	require.Zero(t, s.count(t, `SELECT COUNT(*) FROM reset_tokens WHERE hash = $1`, token), "it is kept hashed")

	require.ErrorIs(t, s.ResetPassword(t.Context(), token, "Password123"), errs.ErrInvalid)
	require.NoError(t, s.ResetPassword(t.Context(), token, better), "a password that will not do uses nothing up")
	s.requireEnded(t, session)
	_, err := s.SignIn(t.Context(), service.SignInRequest{Email: "ada@example.com", Password: better, Address: here})
	require.NoError(t, err)
	_, err = s.SignIn(t.Context(), service.SignInRequest{Email: "ada@example.com", Password: good, Address: here})
	require.ErrorIs(t, err, users.ErrInvalidCredentials)

	require.ErrorIs(t, s.ResetPassword(t.Context(), token, good), users.ErrResetNotFound, "it is good once")
}

func TestAResetTokenIsGoodOnceAlsoAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	run(t, s.MailResets)
	s.register(t, "ada@example.com")
	require.NoError(t, s.RequestReset(t.Context(), "ada@example.com"))
	s.mailed(t, 1)
	token := s.mail.token(t)
	outcomes := together(8, func(i int) error {
		return s.ResetPassword(t.Context(), token, better+strings.Repeat("!", i))
	})
	require.Equal(t, 1, succeeded(t, outcomes, users.ErrResetNotFound))
}

func TestAResetTokenExpiresAndEndsWithAnotherChange(t *testing.T) {
	t.Parallel()
	s := open(t)
	run(t, s.MailResets)
	s.register(t, "ada@example.com")
	ask := func(n int) string {
		require.NoError(t, s.RequestReset(t.Context(), "ada@example.com"))
		s.mailed(t, n)
		return s.mail.token(t)
	}
	expired := ask(1)
	s.clock.Advance(time.Hour)
	require.ErrorIs(t, s.ResetPassword(t.Context(), expired, better), users.ErrResetNotFound)

	first, second := ask(2), ask(3)
	require.NotEqual(t, first, second)
	require.NoError(t, s.ResetPassword(t.Context(), first, better))
	require.ErrorIs(t, s.ResetPassword(t.Context(), second, good), users.ErrResetNotFound)

	third := ask(4)
	session, err := s.SignIn(t.Context(), service.SignInRequest{Email: "ada@example.com", Password: better, Address: here})
	require.NoError(t, err)
	require.NoError(t, s.ChangePassword(t.Context(), service.ChangePasswordRequest{Identity: s.identity(t, session), Current: better, New: good, Address: here}))
	require.ErrorIs(t, s.ResetPassword(t.Context(), third, better), users.ErrResetNotFound)

	for _, token := range []string{"", "x", strings.Repeat("A", 43), "../../etc/passwd"} {
		require.ErrorIs(t, s.ResetPassword(t.Context(), token, better), users.ErrResetNotFound)
	}
}

func TestAskingForAResetDoesTheSameForWhoeverHasNoAccount(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.register(t, "ada@example.com")
	off := s.register(t, "off@example.com")
	_, err := s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: off.ID, Status: ptr(users.StatusDisabled)})
	require.NoError(t, err)
	for n, email := range []string{"ada@example.com", "off@example.com", "nobody@example.com"} {
		require.NoError(t, s.RequestReset(t.Context(), email))
		require.NoError(t, s.RequestReset(t.Context(), strings.ToUpper(email)))
		require.Equal(t, 2*(n+1), s.count(t, `SELECT COUNT(*) FROM reset_requests`), "all that a request does")
		require.Zero(t, s.count(t, `SELECT COUNT(*) FROM reset_tokens`))
	}
	require.ErrorIs(t, s.RequestReset(t.Context(), "no address"), errs.ErrInvalid)
	require.Equal(t, 6, s.count(t, `SELECT COUNT(*) FROM reset_requests`))

	run(t, s.MailResets)
	s.mailed(t, 1)
	require.Len(t, s.mail.messages(), 1, "one for all requests that waited")
	require.Equal(t, "ada@example.com", s.mail.messages()[0].To)
}

func TestWhatAPreviousProcessLeftIsMailed(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.register(t, "ada@example.com")
	require.NoError(t, s.RequestReset(t.Context(), "ada@example.com"))
	another := service.New(s.Deps)
	run(t, another.MailResets)
	s.mailed(t, 1)
}

func TestAMailThatCouldNotBeSentIsTriedAgainAndThenGivenUp(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.register(t, "ada@example.com")
	s.mail.fail = 4
	run(t, s.MailResets)
	require.NoError(t, s.RequestReset(t.Context(), "ada@example.com"))
	for range 5 {
		s.clock.AwaitTimers(1)
		s.clock.Advance(time.Minute)
	}
	s.mailed(t, 1)
	require.NoError(t, s.ResetPassword(t.Context(), s.mail.token(t), better))

	s.mail.mu.Lock()
	s.mail.fail = 5
	s.mail.mu.Unlock()
	require.NoError(t, s.RequestReset(t.Context(), "ada@example.com"))
	for range 8 {
		s.clock.AwaitTimers(1)
		s.clock.Advance(time.Minute)
	}
	s.clock.AwaitTimers(1)
	require.Len(t, s.mail.messages(), 1)
	require.Zero(t, s.count(t, `SELECT COUNT(*) FROM reset_requests`))
}

func TestAnAccountIsNotFloodedWithMail(t *testing.T) {
	t.Parallel()
	config := ratelimit.DefaultConfig()
	config.ResetAccount = ratelimit.Rate{Count: 2, Per: time.Hour}
	s := open(t, func(d *service.Deps) { d.Limits = ratelimit.New(config, d.Clock) })
	s.register(t, "ada@example.com")
	run(t, s.MailResets)
	for n := range 5 {
		require.NoError(t, s.RequestReset(t.Context(), "ada@example.com"))
		s.mailed(t, min(n+1, 2))
	}
	require.Len(t, s.mail.messages(), 2)
}

func TestTheMailLeadsToTheShopsPage(t *testing.T) {
	t.Parallel()
	s := open(t, func(d *service.Deps) { d.Config.ResetURL = "https://shop.example/reset?token={token}" })
	run(t, s.MailResets)
	s.register(t, "ada@example.com")
	require.NoError(t, s.RequestReset(t.Context(), "ada@example.com"))
	s.mailed(t, 1)
	require.Regexp(t, `(?m)^https://shop\.example/reset\?token=[A-Za-z0-9_-]{43}$`, s.mail.messages()[0].Text)
}

func TestConfigRefusesAResetURLThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"": true, "https://shop.example/reset?token={token}": true, "http://localhost:3000/#/reset/{token}": true,
		"https://shop.example/reset": false, "{token}": false, "javascript:alert({token})": false, "/reset/{token}": false,
	} {
		config := service.Config{ResetURL: url}
		require.Equal(t, ok, config.Validate() == nil, url)
	}
}
