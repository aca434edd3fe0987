// Package rest is the users module's part of the HTTP API. The module's wiring
// imports it. It holds no rule: it says what is asked for and who may ask, and
// leaves the rest to the service.
package rest

import (
	"context"
	"errors"

	"stoa/modules/users"
	"stoa/modules/users/internal/service"
	"stoa/platform/auth"
	"stoa/platform/web"
)

// routes are the operations on one service, which is nil where only the
// documents are made.
type routes struct {
	service *service.Service
	router  *web.Router
}

// Register adds the operations of the users module.
func Register(r *web.Router, s *service.Service) {
	h := routes{s, r}
	h.registerAccount()
	h.registerSessions()
	h.registerPasswords()
	h.registerAddresses()
	h.registerAdmin()
}

// accountAnswer is an account and its ETag.
type accountAnswer struct {
	ETag web.ETag `header:"ETag"`
	Body users.User
}

func answer(a service.Account, err error) (*accountAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &accountAnswer{ETag: web.Version(a.Version), Body: a.User}, nil
}

// caller gives who is signed in.
func caller(ctx context.Context) auth.Identity {
	id, _ := auth.From(ctx) // the operation's Access has seen to it that there is one
	return id
}

// ofCaller is the error of a call about the caller's own account: where that is
// gone, so is what the access token says.
func ofCaller(err error) error {
	if errors.Is(err, users.ErrUserNotFound) {
		return auth.ErrUnauthenticated.Because(err)
	}
	return err
}
