package auth

import (
	"sync"
	"time"
)

// Revocation takes back what access tokens say before they expire. It names
// either a session, whose tokens are refused, or a user.
type Revocation struct {
	// SessionID is the session that ended.
	SessionID string `json:"session_id,omitempty"`
	// UserID is the user whose tokens of an epoch below Epoch are refused, or
	// act with Roles where there are any.
	UserID string   `json:"user_id,omitempty"`
	Epoch  int64    `json:"epoch,omitempty"`
	Roles  []string `json:"roles,omitempty"`
	// At is when it was recorded, by the issuer's clock. It never runs back.
	At time.Time `json:"at"`
	// ExpiresAt is when every token it concerns has expired, so that it need
	// not be remembered.
	ExpiresAt time.Time `json:"expires_at"`
}

// revocations is what one process knows of them. Reading takes no lock.
type revocations struct {
	mu       sync.Mutex // of writers
	latest   time.Time  // the latest At
	sessions sync.Map   // session id to time.Time: until when it is remembered
	users    sync.Map   // user id to userRevocation
}

// userRevocation is all that is known of one user.
type userRevocation struct {
	endedBefore int64 // tokens of an earlier epoch are refused
	rolesBefore int64 // tokens of an earlier epoch have roles instead of their own
	roles       []string
	until       time.Time
}

// apply takes up revocations; those it knows already change nothing.
func (r *revocations) apply(list []Revocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range list {
		if one.At.After(r.latest) {
			r.latest = one.At
		}
		if one.SessionID != "" {
			r.sessions.Store(one.SessionID, one.ExpiresAt)
		}
		if one.UserID == "" {
			continue
		}
		var known userRevocation
		if v, ok := r.users.Load(one.UserID); ok {
			known = v.(userRevocation)
		}
		switch {
		case len(one.Roles) == 0:
			known.endedBefore = max(known.endedBefore, one.Epoch)
		case one.Epoch > known.rolesBefore:
			known.rolesBefore, known.roles = one.Epoch, one.Roles
		}
		if one.ExpiresAt.After(known.until) {
			known.until = one.ExpiresAt
		}
		r.users.Store(one.UserID, known)
	}
}

// judge gives who a token's bearer is now, and false where the token is revoked.
func (r *revocations) judge(g Grant) (Identity, bool) {
	if _, revoked := r.sessions.Load(g.SessionID); revoked {
		return Identity{}, false
	}
	v, ok := r.users.Load(g.UserID)
	if !ok {
		return g.Identity, true
	}
	known := v.(userRevocation)
	if g.Epoch < known.endedBefore {
		return Identity{}, false
	}
	if g.Epoch < known.rolesBefore {
		g.Roles = known.roles
	}
	return g.Identity, true
}

// forget drops what concerns only tokens that have expired.
func (r *revocations) forget(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions.Range(func(id, until any) bool {
		if until.(time.Time).Before(now) {
			r.sessions.Delete(id)
		}
		return true
	})
	r.users.Range(func(id, known any) bool {
		if known.(userRevocation).until.Before(now) {
			r.users.Delete(id)
		}
		return true
	})
}

func (r *revocations) newest() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest
}
