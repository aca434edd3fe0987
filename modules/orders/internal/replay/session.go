package replay

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// renewBefore is how long before its end an access token is renewed.
const renewBefore = 30 * time.Second

// session is an account of the shop that is signed in when it is needed. It
// is safe for concurrent use; a nil session is nobody.
type session struct {
	client    *client
	passwords chan struct{} // bounds sign-ins: each costs the shop dearly
	email     string
	password  string

	mu      sync.Mutex
	access  string
	refresh string
	ends    time.Time
}

// tokens are the answer of signing in and of renewing.
type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
}

// token gives an access token that is good for a while.
func (s *session) token(ctx context.Context) (string, error) {
	if s == nil {
		return "", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access != "" && s.client.clock.Now().Add(renewBefore).Before(s.ends) {
		return s.access, nil
	}
	if s.refresh != "" {
		err := s.take(ctx, call{method: http.MethodPost, path: "/sessions/refresh", body: map[string]string{"refresh_token": s.refresh}})
		if p := refusal(err); p == nil || p.Status != http.StatusUnauthorized {
			return s.access, err
		}
	}
	release, err := s.enter(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	err = s.take(ctx, call{method: http.MethodPost, path: "/sessions", body: map[string]string{"email": s.email, "password": s.password}})
	return s.access, err
}

// take asks for tokens and keeps them.
func (s *session) take(ctx context.Context, r call) error {
	var t tokens
	s.access, s.refresh = "", ""
	if _, err := s.client.do(ctx, r, &t); err != nil {
		return err
	}
	s.access, s.refresh = t.AccessToken, t.RefreshToken
	s.ends = s.client.clock.Now().Add(time.Duration(t.ExpiresIn) * time.Second)
	return nil
}

// forget has a token renewed that the shop does not take any more.
func (s *session) forget(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.access == token {
		s.access = ""
	}
}

// enter waits until few enough others have the shop work on a password.
func (s *session) enter(ctx context.Context) (release func(), err error) {
	select {
	case s.passwords <- struct{}{}:
		return func() { <-s.passwords }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
