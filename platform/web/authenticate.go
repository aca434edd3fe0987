package web

import (
	"context"
	"strings"

	"github.com/valyala/fasthttp"

	"stoa/platform/auth"
	"stoa/platform/errs"
)

// Authenticator tells whose a token or an API key is. Its error is of the kind
// errs.Unauthenticated where it is nobody's.
type Authenticator interface {
	Verify(ctx context.Context, token string) (auth.Identity, error)
}

// authenticate finds out who is calling. Whatever else a caller sends about who
// it is (X-User-ID and the like) is not looked at by anything.
func (r *request) authenticate() error {
	if r.op.NoIdentity {
		return nil
	}
	token, key := r.sent.authorization, r.sent.apiKey
	var verifier Authenticator
	var secret string
	switch {
	case token.times+key.times == 0:
		return nil
	case token.times+key.times > 1:
	case key.times == 1:
		verifier, secret = r.server.deps.APIKeys, string(key.value)
	default:
		scheme, value, _ := strings.Cut(string(token.value), " ")
		if strings.EqualFold(scheme, "Bearer") {
			verifier, secret = r.server.deps.Auth, strings.TrimSpace(value)
		}
	}
	if verifier == nil || secret == "" {
		return r.refuseToken(nil)
	}
	id, err := verifier.Verify(r.ctx, secret)
	if errs.KindOf(err) == errs.Unauthenticated || err == nil && id.UserID == "" {
		return r.refuseToken(err)
	}
	if err != nil {
		return err
	}
	r.identity = id
	r.ctx = auth.With(r.ctx, id)
	return nil
}

// refuseToken answers a token that is none (RFC 6750 §3.1).
func (r *request) refuseToken(cause error) error {
	r.http.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, challenge+`, error="invalid_token"`)
	return ErrUnauthenticated.Because(cause)
}
