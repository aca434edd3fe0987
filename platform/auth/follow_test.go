package auth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/auth"
	"stoa/platform/auth/authtest"
	"stoa/platform/clock"
)

func grant(epoch int64, roles ...string) auth.Grant {
	return auth.Grant{Identity: auth.Identity{UserID: "user", SessionID: "session", Roles: roles}, Epoch: epoch}
}

func TestRevocations(t *testing.T) {
	t.Parallel()
	until := start.Add(time.Hour)
	session := auth.Revocation{SessionID: "session", At: start, ExpiresAt: until}
	ended := auth.Revocation{UserID: "user", Epoch: 3, At: start, ExpiresAt: until}
	demoted := auth.Revocation{UserID: "user", Epoch: 2, Roles: []string{"customer"}, At: start, ExpiresAt: until}
	promoted := auth.Revocation{UserID: "user", Epoch: 3, Roles: []string{"customer", "staff"}, At: start, ExpiresAt: until}

	for name, tc := range map[string]struct {
		revoked []auth.Revocation
		grant   auth.Grant
		roles   []string // nil: refused
	}{
		"none":                                   {nil, grant(1, "customer", "admin"), []string{"customer", "admin"}},
		"the session":                            {[]auth.Revocation{session}, grant(9, "customer"), nil},
		"another session":                        {[]auth.Revocation{{SessionID: "other", ExpiresAt: until}}, grant(1, "customer"), []string{"customer"}},
		"the user, before":                       {[]auth.Revocation{ended}, grant(2, "customer"), nil},
		"the user, signed in since":              {[]auth.Revocation{ended}, grant(3, "customer"), []string{"customer"}},
		"another user":                           {[]auth.Revocation{{UserID: "other", Epoch: 9, ExpiresAt: until}}, grant(1, "customer"), []string{"customer"}},
		"other roles":                            {[]auth.Revocation{demoted}, grant(1, "customer", "admin"), []string{"customer"}},
		"other roles, issued since":              {[]auth.Revocation{demoted}, grant(2, "customer", "admin"), []string{"customer", "admin"}},
		"other roles twice":                      {[]auth.Revocation{demoted, promoted}, grant(1, "customer", "admin"), []string{"customer", "staff"}},
		"other roles twice, heard of in reverse": {[]auth.Revocation{promoted, demoted}, grant(1, "customer", "admin"), []string{"customer", "staff"}},
		"other roles, then ended":                {[]auth.Revocation{demoted, ended}, grant(2, "customer"), nil},
		"ended, heard of before other roles":     {[]auth.Revocation{ended, demoted}, grant(1, "customer"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := authtest.New(t, clock.NewFake(start, 1))
			token, err := a.Keys.Issue(tc.grant)
			require.NoError(t, err)
			_, err = a.Verifier.Verify(t.Context(), token)
			require.NoError(t, err, "before: it is remembered from here on")

			a.Verifier.Apply(tc.revoked...)

			id, err := a.Verifier.Verify(t.Context(), token)
			if tc.roles == nil {
				require.ErrorIs(t, err, auth.ErrUnauthenticated)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.roles, id.Roles)
		})
	}
}

func TestRunIsAtMostThirtySecondsBehind(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	keys, v, source := following(t, c)
	token, err := keys.Issue(grant(1, "customer"))
	require.NoError(t, err)
	run(t, v.Run)
	c.AwaitTimers(1) // it has asked once, and waits
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)

	source.revoke(auth.Revocation{SessionID: "session", At: c.Now(), ExpiresAt: c.Now().Add(time.Hour)})
	c.Advance(20 * time.Second)
	c.AwaitTimers(1)

	_, err = v.Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrUnauthenticated)
	require.Equal(t, []time.Time{{}, {}}, source.askedSince(), "all of them, as none were known")
}

func TestASourceThatFailsLeavesWhatIsKnown(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	keys, v, source := following(t, c)
	require.NoError(t, v.Sync(t.Context()))
	v.Apply(auth.Revocation{SessionID: "gone", At: c.Now(), ExpiresAt: c.Now().Add(time.Hour)})
	source.fail.Store(true)
	require.Error(t, v.Sync(t.Context()))

	live, err := keys.Issue(grant(1, "customer"))
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), live)
	require.NoError(t, err)

	revoked := grant(1, "customer")
	revoked.SessionID = "gone"
	token, err := keys.Issue(revoked)
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrUnauthenticated)
}

func TestWhatWasRecordedJustBeforeIsAskedForAgain(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	_, v, source := following(t, c)
	v.Apply(auth.Revocation{SessionID: "a", At: start, ExpiresAt: start.Add(time.Hour)})
	require.NoError(t, v.Sync(t.Context()))
	require.Equal(t, []time.Time{start.Add(-time.Minute)}, source.askedSince())
}

func TestARevocationIsForgottenOnlyWhenItsTokensHaveExpired(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	keys, v, _ := following(t, c)
	token, err := keys.Issue(grant(1, "customer"))
	require.NoError(t, err)
	v.Apply(auth.Revocation{SessionID: "session", At: start, ExpiresAt: start.Add(15 * time.Minute)})
	c.Advance(15*time.Minute - time.Microsecond)
	require.NoError(t, v.Sync(t.Context()))
	_, err = v.Verify(t.Context(), token)
	require.ErrorContains(t, err, "revoked")

	c.Advance(time.Minute)
	require.NoError(t, v.Sync(t.Context()))
	_, err = v.Verify(t.Context(), token)
	require.ErrorContains(t, err, "expired")
}

func TestAKeyThatIsWithdrawnTakesItsTokensWithIt(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	keys, v, source := following(t, c)
	require.NoError(t, v.Sync(t.Context()))
	token, err := keys.Issue(grant(1, "customer"))
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)

	source.keys = authtest.New(t, clock.NewFake(start, 2)).Keys
	require.NoError(t, v.Sync(t.Context()))
	_, err = v.Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrUnauthenticated)
}
