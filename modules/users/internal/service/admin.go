package service

import (
	"context"
	"errors"

	"stoa/modules/users"
	"stoa/modules/users/internal/store"
)

// CreateAdmin makes an account of an administrator.
// Errors: errs.ErrInvalid, users.ErrEmailTaken.
func (s *Service) CreateAdmin(ctx context.Context, r RegisterRequest) (Account, error) {
	var bad problems
	bad.email("body.email", &r.Email)
	bad.line("body.name", &r.Name, 1, MaxName)
	bad.password("body.password", r.Password)
	if err := bad.error(); err != nil {
		return Account{}, err
	}
	return s.create(ctx, r, true)
}

// Promote makes an administrator of the account with an e-mail address, and
// enables it. Errors: users.ErrUserNotFound.
func (s *Service) Promote(ctx context.Context, email string) (Account, error) {
	u, err := store.UserByEmail(ctx, s.DB.Read(), emailKey(email))
	if err != nil {
		return Account{}, err
	}
	active := users.StatusActive
	return s.UpdateUser(ctx, UpdateUserRequest{ID: u.ID, Status: &active, Roles: append(u.Roles(), users.RoleAdmin)})
}

// HasAccount tells whether there is an account with an e-mail address.
func (s *Service) HasAccount(ctx context.Context, email string) (bool, error) {
	_, err := store.UserByEmail(ctx, s.DB.Read(), emailKey(email))
	if errors.Is(err, users.ErrUserNotFound) {
		return false, nil
	}
	return err == nil, err
}
