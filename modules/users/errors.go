package users

import "stoa/platform/errs"

// What a caller may test for.
var (
	ErrUserNotFound       = errs.New(errs.NotFound, "users.user_not_found", "there is no such user")
	ErrAddressNotFound    = errs.New(errs.NotFound, "users.address_not_found", "there is no such address")
	ErrEmailTaken         = errs.New(errs.Conflict, "users.email_taken", "an account with this e-mail address exists already")
	ErrInvalidCredentials = errs.New(errs.Unauthenticated, "users.invalid_credentials", "e-mail address or password is wrong")
)
