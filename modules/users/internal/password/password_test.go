package password_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/users/internal/password"
	"stoa/platform/clock"
)

// cheap is a cost that tests can afford.
var cheap = password.Cost{Memory: 64, Passes: 1, Threads: 1}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		password string
		want     error
	}{
		"a good one":                       {"correct horse battery staple", nil},
		"ten characters":                   {"k7#pq9!zLm", nil},
		"nine characters":                  {"k7#pq9!zL", password.ErrShort},
		"ten characters of Unicode":        {"šěčřžýáíé☂", nil},
		"256 characters of Unicode":        {strings.Repeat("пароль☃ü", 32), nil},
		"257 characters":                   {strings.Repeat("a1!", 85) + "zz", password.ErrLong},
		"nine characters said in eighteen": {strings.Repeat("e\u0301", 9), password.ErrShort},
		"nothing":                          {"", password.ErrShort},
		"NUL":                              {"correct horse\x00battery", password.ErrControl},
		"a line break":                     {"correct horse\nbattery", password.ErrControl},
		"one of the list":                  {"qwerty123456", password.ErrCommon},
		"one of the list in capitals":      {"Password123", password.ErrCommon},
		"one of the list in full width":    {"ｐａｓｓｗｏｒｄ１２３", password.ErrCommon},
		"a digit again and again":          {"1111111111", password.ErrCommon},
		"a few letters again and again":    {"qwertyqwertyqw", password.ErrCommon},
		"digits in a row":                  {"1234567890", password.ErrCommon},
		"digits in a row round the end":    {"678901234567890", password.ErrCommon},
		"digits in a row backwards":        {"0987654321", password.ErrCommon},
		"letters in a row":                 {"abcdefghijkl", password.ErrCommon},
		"a row of the keyboard":            {"QWERTYUIOP", password.ErrCommon},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, password.Check(tc.password))
		})
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	h := password.NewHasher(clock.NewFake(start, 1), cheap)
	long := strings.Repeat("a", 72)
	for name, tc := range map[string]struct {
		set, given string
		want       bool
	}{
		"the same":                         {"correct horse", "correct horse", true},
		"another":                          {"correct horse", "correct house", false},
		"another case":                     {"correct horse", "Correct horse", false},
		"a space more":                     {"correct horse", "correct horse ", false},
		"73 bytes, the last of them other": {long + "x", long + "y", false},
		"73 bytes":                         {long + "x", long + "x", true},
		"72 of 73 bytes":                   {long + "x", long, false},
		"composed and decomposed":          {"caf\u00e9 cr\u00e8me", "cafe\u0301 cre\u0300me", true},
		"256 characters of Unicode":        {strings.Repeat("☃", 256), strings.Repeat("☃", 256), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slot := acquire(t, h)
			defer slot.Release()
			hash := slot.Hash(tc.set)
			require.NotContains(t, hash, tc.set)
			ok, err := slot.Verify(tc.given, hash)
			require.NoError(t, err)
			require.Equal(t, tc.want, ok)
		})
	}
}

func acquire(t *testing.T, h *password.Hasher) password.Slot {
	t.Helper()
	slot, err := h.Acquire(t.Context())
	require.NoError(t, err)
	return slot
}

func TestAHashSaysWhatItCost(t *testing.T) {
	t.Parallel()
	h := password.NewHasher(clock.NewFake(start, 1), password.DefaultCost)
	hash := acquire(t, h).Hash("correct horse")
	require.True(t, strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$"), hash)
	require.False(t, h.Outdated(hash))

	later := password.NewHasher(clock.NewFake(start, 1), cheap)
	require.True(t, later.Outdated(hash))
	ok, err := acquire(t, later).Verify("correct horse", hash)
	require.NoError(t, err)
	require.True(t, ok, "an old hash is verified at its own cost")
}

func TestEqualPasswordsHaveUnequalHashes(t *testing.T) {
	t.Parallel()
	slot := acquire(t, password.NewHasher(clock.NewFake(start, 1), cheap))
	one, two := slot.Hash("correct horse"), slot.Hash("correct horse")
	require.NotEqual(t, one, two)
}

func TestTheDummyCostsTheSameAndIsNobodys(t *testing.T) {
	t.Parallel()
	h := password.NewHasher(clock.NewFake(start, 1), cheap)
	require.False(t, h.Outdated(h.Dummy()))
	ok, err := acquire(t, h).Verify("", h.Dummy())
	require.NoError(t, err)
	require.False(t, ok)
}

func TestAMalformedHashIsAnError(t *testing.T) {
	t.Parallel()
	slot := acquire(t, password.NewHasher(clock.NewFake(start, 1), cheap))
	for _, hash := range []string{
		"", "x", "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=18$m=64,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=0,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=4294967295,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=1$AAAA$", "$argon2id$v=19$m=64,t=1,p=1$!$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$x$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
	} {
		_, err := slot.Verify("correct horse", hash)
		require.Error(t, err, hash)
	}
}

func TestWhoeverFindsNoFreeProcessorIsToldToComeBack(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(start, 1)
	h := password.NewHasher(c, cheap)
	held := make([]password.Slot, runtime.GOMAXPROCS(0))
	for i := range held {
		held[i] = acquire(t, h)
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Acquire(ended)
	require.ErrorIs(t, err, password.ErrBusy, "the caller's time is up")

	failed := make(chan error, 1)
	go func() {
		_, err := h.Acquire(context.Background())
		failed <- err
	}()
	c.AwaitTimers(1)
	c.Advance(10 * time.Second)
	require.ErrorIs(t, <-failed, password.ErrBusy)

	waited := make(chan error, 1)
	go func() {
		_, err := h.Acquire(context.Background())
		waited <- err
	}()
	c.AwaitTimers(1)
	held[0].Release()
	require.NoError(t, <-waited)
}
