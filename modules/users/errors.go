package users

import "stoa/platform/errs"

// What a caller may test for.
var (
	ErrUserNotFound        = errs.New(errs.NotFound, "users.user_not_found", "there is no such user")
	ErrAddressNotFound     = errs.New(errs.NotFound, "users.address_not_found", "there is no such address")
	ErrAddressLimit        = errs.New(errs.Conflict, "users.address_limit", "there are as many addresses as an account can have")
	ErrEmailTaken          = errs.New(errs.Conflict, "users.email_taken", "an account with this e-mail address exists already")
	ErrLastAdmin           = errs.New(errs.Conflict, "users.last_admin", "this is the last active administrator")
	ErrInvalidCredentials  = errs.New(errs.Unauthenticated, "users.invalid_credentials", "e-mail address or password is wrong")
	ErrInvalidRefreshToken = errs.New(errs.Unauthenticated, "users.invalid_refresh_token", "the refresh token is not good, or not any more")
	ErrResetNotFound       = errs.New(errs.NotFound, "users.reset_not_found", "this password reset does not exist, was used or has expired")
	ErrTooManyAttempts     = errs.New(errs.TooMany, "users.too_many_attempts", "there were too many attempts")
)
