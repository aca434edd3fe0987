// Package authtest signs people in for tests: it issues real access tokens, by
// keys of its own, and gives the verifier that accepts them. Only tests import it.
package authtest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/auth"
	"stoa/platform/clock"
)

// Authority issues and verifies tokens of one test.
type Authority struct {
	// Authority is what modules are handed; its Verifier accepts what is issued here.
	*auth.Authority
	// Keys are those it signs with.
	Keys *auth.Keys

	clock clock.Clock
}

// New makes an Authority that lives by c.
func New(t testing.TB, c clock.Clock) *Authority {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	a := auth.NewAuthority(auth.DefaultConfig(), t.TempDir(), c, log)
	keys, err := auth.OpenKeys(a.Config, c, log)
	require.NoError(t, err)
	a.Verifier.Follow(published{keys})
	require.NoError(t, a.Verifier.Sync(t.Context()))
	return &Authority{Authority: a, Keys: keys, clock: c}
}

// SignIn makes somebody new with these roles and gives who they are and their
// access token.
func (a *Authority) SignIn(t testing.TB, roles ...string) (auth.Identity, string) {
	t.Helper()
	id := auth.Identity{UserID: a.clock.ID(), SessionID: a.clock.ID(), Roles: append([]string{auth.RoleCustomer}, roles...)}
	return id, a.Token(t, id)
}

// Token gives an access token for somebody.
func (a *Authority) Token(t testing.TB, id auth.Identity) string {
	t.Helper()
	token, err := a.Keys.Issue(auth.Grant{Identity: id})
	require.NoError(t, err)
	return token
}

// published is a source of keys that revokes nothing.
type published struct{ keys *auth.Keys }

func (p published) PublicKeys(context.Context) (auth.JWKS, error) { return p.keys.JWKS(), nil }

func (published) Revoked(context.Context, time.Time) ([]auth.Revocation, error) { return nil, nil }
