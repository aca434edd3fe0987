// Package authrpc has every process follow the signing keys and revocations that
// the users module makes: a source that asks for them elsewhere, and what
// answers it. The users module's wiring and the composition root import it.
//
// What crosses the wire: public keys, and revocations, which name users and
// sessions by id. No token and no private key ever does.
package authrpc

import (
	"context"
	"time"

	"stoa/platform/auth"
	"stoa/platform/rpc"
)

// Name is the service's name in the directory. Whoever runs users answers for
// it.
const Name = "auth"

type (
	keysRequest    struct{}
	revokedRequest struct {
		Since time.Time `json:"since"`
	}
)

var (
	publicKeys = rpc.Method[keysRequest, auth.JWKS]{Module: Name, Name: "PublicKeys", Idempotent: true}
	revoked    = rpc.Method[revokedRequest, []auth.Revocation]{Module: Name, Name: "Revoked", Idempotent: true}
)

type source struct{ rpc *rpc.Client }

// NewSource gives a source for a process in which users does not run; its
// verifier is told to Follow it. Until somebody who runs users is known it has
// who asks wait, as long as that has time: so that a process that starts first
// can judge tokens as soon as the other is there.
func NewSource(c *rpc.Client) auth.Source { return source{c} }

// PublicKeys gives every key by which a token may be verified now or soon.
func (s source) PublicKeys(ctx context.Context) (auth.JWKS, error) {
	if err := s.rpc.Await(ctx, Name); err != nil {
		return auth.JWKS{}, err
	}
	return publicKeys.Call(ctx, s.rpc, keysRequest{})
}

// Revoked gives the revocations recorded at since or later.
func (s source) Revoked(ctx context.Context, since time.Time) ([]auth.Revocation, error) {
	return revoked.Call(ctx, s.rpc, revokedRequest{since})
}

// Serve answers for a source of this process.
func Serve(s *rpc.Server, source auth.Source) {
	publicKeys.Handle(s, func(ctx context.Context, _ keysRequest) (auth.JWKS, error) { return source.PublicKeys(ctx) })
	revoked.Handle(s, func(ctx context.Context, r revokedRequest) ([]auth.Revocation, error) {
		return source.Revoked(ctx, r.Since)
	})
}
