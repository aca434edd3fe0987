package auth_test

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/auth"
	"stoa/platform/clock"
)

const day = 24 * time.Hour

func open(t *testing.T, dir string, c clock.Clock) *auth.Keys {
	t.Helper()
	keys, err := auth.OpenKeys(keptIn(dir), c, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return keys
}

func keptIn(dir string) auth.Config {
	config := auth.DefaultConfig()
	config.KeysDir = dir
	return config
}

func TestKeysAreMadeOnceAndForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	c := clock.NewFake(start, 1)
	first := open(t, dir, c)
	again := open(t, dir, c)

	require.Len(t, first.JWKS().Keys, 1)
	require.Equal(t, first.JWKS(), again.JWKS())
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
	info, err := files[0].Info()
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	text, err := os.ReadFile(filepath.Join(dir, files[0].Name()))
	require.NoError(t, err)
	require.Contains(t, string(text), first.JWKS().Keys[0].X)
}

func TestProcessesThatStartAtOnceAgree(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	found := make([]auth.JWKS, 16)
	var wg sync.WaitGroup
	for i := range found {
		wg.Go(func() {
			keys, err := auth.OpenKeys(keptIn(dir), clock.NewFake(start, uint64(i)), slog.New(slog.DiscardHandler))
			if err == nil {
				found[i] = keys.JWKS()
			}
		})
	}
	wg.Wait()
	for _, set := range found {
		require.Len(t, set.Keys, 1)
		require.Equal(t, found[0], set)
	}
}

// run runs a worker until the test ends, and waits for it.
func run(t *testing.T, worker func(context.Context) error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- worker(t.Context()) }() // which ends just before Cleanup
	t.Cleanup(func() { require.NoError(t, <-done) })
}

// pass lets time go by while keys are looked after, a step at a time.
func pass(c *clock.Fake, d, step time.Duration, each func()) {
	for range d / step {
		c.AwaitTimers(1)
		c.Advance(step)
		c.AwaitTimers(1)
		each()
	}
}

func TestAKeyIsPublishedBeforeItSignsAndForAsLongAsItsTokensLive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := clock.NewFake(start, 1)
	keys := open(t, dir, c)
	run(t, keys.Run)
	old, _ := keys.Signing()

	pass(c, 30*day-2*time.Hour, time.Hour, func() { require.Len(t, keys.JWKS().Keys, 1) })
	var published, signed, retired time.Time
	pass(c, 5*time.Hour, time.Minute, func() {
		set := keys.JWKS().Keys
		id, _ := keys.Signing()
		if published.IsZero() && len(set) == 2 {
			published = c.Now()
		}
		if signed.IsZero() && id != old {
			signed = c.Now()
		}
		if retired.IsZero() && !signed.IsZero() && len(set) == 1 {
			retired = c.Now()
		}
	})
	require.Equal(t, start.Add(30*day), signed)
	require.Equal(t, time.Hour, signed.Sub(published))
	require.Equal(t, auth.DefaultConfig().AccessTTL+time.Hour, retired.Sub(signed))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1, "a retired key's file is gone")
}

func TestKeysRotateEveryThirtyDays(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	keys := open(t, t.TempDir(), c)
	run(t, keys.Run)
	signed := map[string]bool{}
	pass(c, 100*day, time.Hour, func() {
		id, _ := keys.Signing()
		signed[id] = true
		require.LessOrEqual(t, len(keys.JWKS().Keys), 2)
	})
	require.Len(t, signed, 4)
}

func TestATokenIsGoodRightAcrossARotation(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	keys, v, _ := following(t, c)
	run(t, keys.Run)
	run(t, v.Run)
	c.AwaitTimers(2)
	before, _ := keys.Signing()
	for tick := 0; ; tick++ {
		require.Less(t, tick, 60*24*31, "it never rotated")
		token, err := keys.Issue(grant(1, "customer"))
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), token)
		require.NoError(t, err)
		if id, _ := keys.Signing(); id != before {
			return
		}
		step := time.Minute
		if tick < 24*30-4 {
			step = time.Hour
		}
		c.Advance(step)
		c.AwaitTimers(2)
	}
}

func TestProcessesThatShareADirectorySignWithTheSameKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := clock.NewFake(start, 1)
	one, two := open(t, dir, c), open(t, dir, c)
	run(t, one.Run)
	run(t, two.Run)
	c.AwaitTimers(2)
	before, _ := one.Signing()
	for range 31 * 24 {
		c.Advance(time.Hour)
		c.AwaitTimers(2)
	}
	after, _ := one.Signing()
	other, _ := two.Signing()
	require.NotEqual(t, before, after)
	require.Equal(t, after, other)
}

func TestAStartAfterALongPauseGoesOnWithTheOldKeyUntilTheNewIsKnown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := clock.NewFake(start, 1)
	before, _ := open(t, dir, c).Signing()

	c.Advance(200 * day)
	keys := open(t, dir, c)
	id, _ := keys.Signing()
	require.Equal(t, before, id)
	require.Len(t, keys.JWKS().Keys, 2)

	c.Advance(time.Hour)
	id, _ = keys.Signing()
	require.NotEqual(t, before, id)
}

func TestAClockPutBackSignsWithTheOldestKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made, _ := open(t, dir, clock.NewFake(start, 1)).Signing()
	id, _ := open(t, dir, clock.NewFake(start.Add(-time.Hour), 2)).Signing()
	require.Equal(t, made, id)
}

func TestAKeyThatCannotBeReadIsAnErrorThatNamesItsFile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"cut short": `{"kty":"OKP","crv":"Ed`, "empty": "", "no key": `{"d":"AAAA"}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := clock.NewFake(start, 1)
			open(t, dir, c)
			files, err := os.ReadDir(dir)
			require.NoError(t, err)
			path := filepath.Join(dir, files[0].Name())
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))

			_, err = auth.OpenKeys(keptIn(dir), c, slog.New(slog.DiscardHandler))
			require.ErrorContains(t, err, path)
		})
	}
}

func TestWhatIsNoKeyIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"README", ".new-123", "signing-1.json", "signing-x.json", "signing-000001.json.bak"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("hello"), 0o600))
	}
	require.Len(t, open(t, dir, clock.NewFake(start, 1)).JWKS().Keys, 1)
}

func TestPublicKeysAreAllThatIsPublished(t *testing.T) {
	t.Parallel()
	set := open(t, t.TempDir(), clock.NewFake(start, 1)).JWKS()
	key := set.Keys[0]
	require.Equal(t, auth.JWK{KeyType: "OKP", Curve: "Ed25519", KeyID: key.KeyID, Use: "sig", Algorithm: "EdDSA", X: key.X}, key)
	require.Len(t, key.KeyID, 43, "a SHA-256 thumbprint (RFC 7638)")
}
