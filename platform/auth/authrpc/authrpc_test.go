package authrpc_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/auth"
	"stoa/platform/auth/authrpc"
	"stoa/platform/auth/authtest"
	"stoa/platform/clock"
	"stoa/platform/directory"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

func TestMain(m *testing.M) { rpctest.Main(m) }

// issuer is what users is to others: keys, and what was revoked.
type issuer struct {
	keys *auth.Keys
	mu   sync.Mutex
	list []auth.Revocation
}

func (i *issuer) PublicKeys(context.Context) (auth.JWKS, error) { return i.keys.JWKS(), nil }

func (i *issuer) Revoked(_ context.Context, since time.Time) ([]auth.Revocation, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var list []auth.Revocation
	for _, r := range i.list {
		if !r.At.Before(since) {
			list = append(list, r)
		}
	}
	return list, nil
}

func (i *issuer) revoke(r auth.Revocation) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.list = append(i.list, r)
}

func elsewhere(c clock.Clock) *auth.Verifier {
	return auth.NewVerifier(auth.DefaultConfig(), c, slog.New(slog.DiscardHandler))
}

func TestAnotherProcessFollowsKeysAndRevocations(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
		a := authtest.New(t, c)
		users := &issuer{keys: a.Keys}
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) { authrpc.Serve(s, users) })
		v := elsewhere(c)
		v.Follow(authrpc.NewSource(l.Client))
		require.NoError(t, v.Sync(t.Context()))
		require.Equal(t, a.Keys.JWKS(), v.JWKS())

		id, token := a.SignIn(t, auth.RoleStaff)
		got, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, id, got)

		other, otherToken := a.SignIn(t, auth.RoleStaff)
		users.revoke(auth.Revocation{SessionID: id.SessionID, At: c.Now(), ExpiresAt: c.Now().Add(time.Hour)})
		users.revoke(auth.Revocation{UserID: other.UserID, Epoch: 1, Roles: []string{auth.RoleCustomer}, At: c.Now(), ExpiresAt: c.Now().Add(time.Hour)})
		require.NoError(t, v.Sync(t.Context()))
		_, err = v.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrUnauthenticated)
		got, err = v.Verify(t.Context(), otherToken)
		require.NoError(t, err)
		require.Equal(t, []string{auth.RoleCustomer}, got.Roles)
	})
}

func TestAProcessThatStartsFirstIsReadyAsSoonAsTheOtherIsThere(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1) // stands still: nothing is tried again
		l := rpctest.New(t, driver)
		client, err := rpc.NewClient(l.Config, l.ClientDeps)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		v := elsewhere(c)
		v.Follow(authrpc.NewSource(client))
		require.ErrorIs(t, v.Ready(), auth.ErrNoKeys)

		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = v.Run(ctx) })
		t.Cleanup(func() {
			stop()
			running.Wait()
		})
		a := authtest.New(t, c)
		rpctest.Serve(t, l.Config, l.ServerDeps, func(s *rpc.Server) { authrpc.Serve(s, &issuer{keys: a.Keys}) })
		c.AwaitTimers(1) // of the next time that it asks
		require.NoError(t, v.Ready())
	})
}

func TestWhatIsKnownHoldsWhileNobodyAnswers(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
	a := authtest.New(t, c)
	l := rpctest.New(t, rpc.DriverHTTP).Start(t, func(s *rpc.Server) { authrpc.Serve(s, &issuer{keys: a.Keys}) })
	v := elsewhere(c)
	v.Follow(authrpc.NewSource(l.Client))
	require.NoError(t, v.Sync(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, l.Server.Shutdown(ctx))
	gone, end := context.WithTimeout(t.Context(), time.Millisecond)
	defer end()
	require.ErrorIs(t, v.Sync(gone), directory.ErrNoInstance)
	_, token := a.SignIn(t)
	_, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
}
