package service_test

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	usersmigrations "stoa/migrations/users"
	"stoa/modules/users"
	"stoa/modules/users/internal/password"
	"stoa/modules/users/internal/service"
	"stoa/platform/auth"
	"stoa/platform/clock"
	"stoa/platform/db"
	"stoa/platform/db/dbtest"
	"stoa/platform/mail"
	"stoa/platform/outbox"
	"stoa/platform/ratelimit"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	good   = "correct horse battery"
	better = "staple of the 2nd horse"
	here   = "192.0.2.1"
)

// shop is a users module in a test.
type shop struct {
	*service.Service
	clock    *clock.Fake
	db       *db.DB
	verifier *auth.Verifier
	mail     *postbox
}

func open(t *testing.T, change ...func(*service.Deps)) *shop {
	t.Helper()
	c := clock.NewFake(start, 1)
	d := dbtest.Open(t, "users", usersmigrations.FS)
	log := slog.New(slog.DiscardHandler)
	authority := auth.NewAuthority(auth.DefaultConfig(), t.TempDir(), c, log)
	keys, err := auth.OpenKeys(authority.Config, c, log)
	require.NoError(t, err)
	post := &postbox{}
	deps := service.Deps{
		DB: d, Outbox: outbox.New("users", d, nil, c, log, outbox.Options{}), Clock: c, Log: log, Mail: post,
		Limits: ratelimit.New(ratelimit.DefaultConfig(), c),
		Auth:   authority.Config, Keys: keys, Verifier: authority.Verifier,
		Cost: password.Cost{Memory: 64, Passes: 1, Threads: 1},
	}
	for _, f := range change {
		f(&deps)
	}
	s := service.New(deps)
	authority.Verifier.Follow(s)
	require.NoError(t, authority.Verifier.Sync(t.Context()))
	return &shop{Service: s, clock: c, db: d, verifier: authority.Verifier, mail: post}
}

// register opens an account whose password is good.
func (s *shop) register(t *testing.T, email string) service.Account {
	t.Helper()
	a, err := s.Register(t.Context(), service.RegisterRequest{Email: email, Password: good, Name: "Somebody"})
	require.NoError(t, err)
	return a
}

// admin opens an account of an administrator.
func (s *shop) admin(t *testing.T, email string) service.Account {
	t.Helper()
	a, err := s.CreateAdmin(t.Context(), service.RegisterRequest{Email: email, Password: good, Name: "Somebody"})
	require.NoError(t, err)
	return a
}

// signIn begins a session of an account whose password is good.
func (s *shop) signIn(t *testing.T, email string) service.Session {
	t.Helper()
	session, err := s.SignIn(t.Context(), service.SignInRequest{Email: email, Password: good, Address: here})
	require.NoError(t, err)
	return session
}

// identity gives who an access token is of.
func (s *shop) identity(t *testing.T, session service.Session) auth.Identity {
	t.Helper()
	id, err := s.verifier.Verify(t.Context(), session.AccessToken)
	require.NoError(t, err)
	return id
}

// requireEnded requires that neither token of a session is good, here and for
// a process that hears of revocations only by asking.
func (s *shop) requireEnded(t *testing.T, session service.Session) {
	t.Helper()
	_, err := s.verifier.Verify(t.Context(), session.AccessToken)
	require.ErrorIs(t, err, auth.ErrUnauthenticated)
	_, err = s.elsewhere(t).Verify(t.Context(), session.AccessToken)
	require.ErrorIs(t, err, auth.ErrUnauthenticated)
	_, err = s.Refresh(t.Context(), session.RefreshToken)
	require.ErrorIs(t, err, users.ErrInvalidRefreshToken)
}

// elsewhere is the verifier of another process that has just asked.
func (s *shop) elsewhere(t *testing.T) *auth.Verifier {
	t.Helper()
	v := auth.NewVerifier(s.Auth, s.clock, s.Log)
	v.Follow(s.Service)
	require.NoError(t, v.Sync(t.Context()))
	return v
}

// requireAlive requires that a session's access token is good.
func (s *shop) requireAlive(t *testing.T, session service.Session) {
	t.Helper()
	_, err := s.verifier.Verify(t.Context(), session.AccessToken)
	require.NoError(t, err)
	_, err = s.elsewhere(t).Verify(t.Context(), session.AccessToken)
	require.NoError(t, err)
}

// count counts rows.
func (s *shop) count(t *testing.T, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, db.NewStatement(query).QueryRow(t.Context(), s.db.Read(), args...).Scan(&n))
	return n
}

// postbox is a mail.Sender that keeps what is sent.
type postbox struct {
	mu   sync.Mutex
	sent []mail.Message
	fail int // so many times
}

func (p *postbox) Send(_ context.Context, m mail.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail > 0 {
		p.fail--
		return errors.New("the post office is closed")
	}
	p.sent = append(p.sent, m)
	return nil
}

func (p *postbox) messages() []mail.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]mail.Message(nil), p.sent...)
}

var tokenInMail = regexp.MustCompile(`(?m)^[A-Za-z0-9_-]{43}$`)

// token reads the token from the last mail.
func (p *postbox) token(t *testing.T) string {
	t.Helper()
	sent := p.messages()
	require.NotEmpty(t, sent)
	token := tokenInMail.FindString(sent[len(sent)-1].Text)
	require.NotEmpty(t, token)
	return token
}

// run runs background work until the test ends, and waits for it.
func run(t *testing.T, work func(context.Context) error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- work(t.Context()) }() // which ends just before Cleanup
	t.Cleanup(func() { require.NoError(t, <-done) })
}

// together does something n times at once and gives what came of each.
func together(n int, do func(i int) error) []error {
	outcomes := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { outcomes[i] = do(i) })
	}
	wg.Wait()
	return outcomes
}

// succeeded counts those that did, and requires that the others failed with err.
func succeeded(t *testing.T, outcomes []error, err error) (n int) {
	t.Helper()
	for _, outcome := range outcomes {
		if outcome == nil {
			n++
			continue
		}
		require.ErrorIs(t, outcome, err)
	}
	return n
}
