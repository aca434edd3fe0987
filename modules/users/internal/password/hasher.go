package password

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"stoa/platform/clock"
	"stoa/platform/errs"
)

// ErrBusy says that too many passwords are being hashed to begin with another.
var ErrBusy = errs.New(errs.Unavailable, "users.busy", "too many people are signing in at this moment").After(2 * time.Second)

// Cost is what one hash costs (RFC 9106 §3.1).
type Cost struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// DefaultCost is what OWASP's Password Storage Cheat Sheet asks for: 19 MiB,
// two passes, one thread. It takes some 50 ms.
var DefaultCost = Cost{Memory: 19 * 1024, Passes: 2, Threads: 1}

const (
	saltLength = 16
	keyLength  = 32
	// maxMemory bounds what a stored hash may ask for, in KiB.
	maxMemory = 1 << 20
	// maxWait is how long a caller waits for a free processor: on two of them
	// the last of 400 people who sign in at once finds one.
	maxWait = 10 * time.Second
)

// Hasher hashes passwords, as many at once as there are processors: it is the
// dearest thing a stranger can ask for. It is safe for concurrent use.
type Hasher struct {
	clock clock.Clock
	cost  Cost
	slots chan struct{}
	dummy string
}

// NewHasher makes a hasher whose new hashes have this cost.
func NewHasher(c clock.Clock, cost Cost) *Hasher {
	h := &Hasher{clock: c, cost: cost, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	// What it is a hash of does not matter: nobody can know a password for it.
	random := make([]byte, saltLength+keyLength)
	_, _ = c.Read(random) // never fails
	h.dummy = encode(cost, random[:saltLength], random[saltLength:])
	return h
}

// Dummy gives a hash that no password has, to be verified where there is no
// account, so that this takes as long as where there is one.
func (h *Hasher) Dummy() string { return h.dummy }

// Outdated tells whether a hash is of another cost than new ones have.
func (h *Hasher) Outdated(hash string) bool {
	cost, _, _, err := decode(hash)
	return err != nil || cost != h.cost
}

// Slot is a processor that its holder may hash on, until it is released.
type Slot struct{ of *Hasher }

// Acquire waits for a processor, until ctx ends and no longer than 10 seconds.
// The caller releases the slot. Errors: ErrBusy.
func (h *Hasher) Acquire(ctx context.Context) (Slot, error) {
	select {
	case h.slots <- struct{}{}:
		return Slot{h}, nil
	default:
	}
	timer := h.clock.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
		return Slot{h}, nil
	case <-timer.C():
		return Slot{}, ErrBusy
	case <-ctx.Done():
		return Slot{}, ErrBusy.Because(ctx.Err())
	}
}

// Release lets somebody else hash.
func (s Slot) Release() { <-s.of.slots }

// Hash gives a password's argon2id hash as a PHC string.
func (s Slot) Hash(password string) string {
	salt := make([]byte, saltLength)
	_, _ = s.of.clock.Read(salt) // never fails
	return encode(s.of.cost, salt, derive(password, salt, s.of.cost, keyLength))
}

// Verify tells whether a hash is the password's. Its error says that the hash
// is malformed.
func (s Slot) Verify(password, hash string) (bool, error) {
	cost, salt, want, err := decode(hash)
	if err != nil {
		return false, err
	}
	got := derive(password, salt, cost, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

func derive(password string, salt []byte, c Cost, length uint32) []byte {
	return argon2.IDKey([]byte(normalize(password)), salt, c.Passes, c.Memory, c.Threads, length)
}

// encode writes a hash as a PHC string.
func encode(c Cost, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, c.Memory, c.Passes, c.Threads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

// decode reads a PHC string. It refuses what no hash of ours can be.
func decode(hash string) (c Cost, salt, key []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return Cost{}, nil, nil, fmt.Errorf("password hash is no argon2id string of version %d", argon2.Version)
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.Memory, &c.Passes, &c.Threads); err != nil {
		return Cost{}, nil, nil, fmt.Errorf("password hash: %w", err)
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	key, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(key) < 16 || len(key) > 64 ||
		c.Memory > maxMemory || c.Passes == 0 || c.Passes > 64 || c.Threads == 0 {
		return Cost{}, nil, nil, fmt.Errorf("password hash is malformed")
	}
	return c, salt, key, nil
}
