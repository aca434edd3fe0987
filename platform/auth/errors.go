package auth

import (
	"time"

	"stoa/platform/errs"
)

// What a caller may test for.
var (
	// ErrUnauthenticated is the one answer to every token that will not do; why
	// is for the log only.
	ErrUnauthenticated = errs.New(errs.Unauthenticated, "unauthenticated", "a valid access token is needed")
	// ErrNoKeys says that this process has not heard of any signing key yet, so
	// that it can judge no token.
	ErrNoKeys = errs.New(errs.Unavailable, "auth_unavailable", "signing in is not possible right now").After(time.Second)
)
