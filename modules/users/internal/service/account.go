package service

import (
	"context"
	"errors"
	"slices"
	"strings"

	"stoa/modules/users"
	"stoa/modules/users/internal/password"
	"stoa/modules/users/internal/store"
	"stoa/platform/db"
	"stoa/platform/ratelimit"
)

// Account is a user and the version its ETag is made of.
type Account struct {
	users.User
	Version int64
}

func account(u *store.User) Account { return Account{u.Contract(), u.Version} }

// RegisterRequest asks for a new account.
type RegisterRequest struct {
	Email, Password, Name string
	// Address is where the request comes from, which may ask for so many
	// accounts in a time; empty is not limited.
	Address string
}

// Register makes an account of a customer.
// Errors: errs.ErrInvalid, users.ErrEmailTaken, users.ErrTooManyAttempts, password.ErrBusy.
func (s *Service) Register(ctx context.Context, r RegisterRequest) (Account, error) {
	var bad problems
	bad.email("body.email", &r.Email)
	bad.line("body.name", &r.Name, 1, MaxName)
	bad.password("body.password", r.Password)
	if err := bad.error(); err != nil {
		return Account{}, err
	}
	if r.Address != "" {
		if d := s.Limits.Take(ratelimit.Register, r.Address); !d.Allowed {
			return Account{}, users.ErrTooManyAttempts.After(d.RetryAfter)
		}
	}
	return s.create(ctx, r, false)
}

// create adds an account. What r says has been checked.
func (s *Service) create(ctx context.Context, r RegisterRequest, admin bool) (Account, error) {
	key := emailKey(r.Email)
	// A hash is dear: not for an address that is taken anyway.
	if _, err := store.UserByEmail(ctx, s.DB.Read(), key); !errors.Is(err, users.ErrUserNotFound) {
		if err == nil {
			err = users.ErrEmailTaken
		}
		return Account{}, err
	}
	hash, err := s.hash(ctx, r.Password)
	if err != nil {
		return Account{}, err
	}
	now := db.NewTime(s.Clock.Now())
	u := &store.User{
		ID: s.Clock.ID(), Email: r.Email, EmailKey: key, Name: r.Name, PasswordHash: hash,
		IsAdmin: admin, Status: users.StatusActive, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return store.InsertUser(ctx, tx, u, terms(u.Email, u.Name))
	})
	if db.IsUnique(err) {
		return Account{}, users.ErrEmailTaken // somebody was faster
	}
	if err != nil {
		return Account{}, err
	}
	return account(u), nil
}

// GetUser gives one account. Errors: users.ErrUserNotFound.
func (s *Service) GetUser(ctx context.Context, id string) (Account, error) {
	u, err := store.UserByID(ctx, s.DB.Read(), id)
	if err != nil {
		return Account{}, err
	}
	return account(u), nil
}

// ListUsersRequest asks for accounts, the newest first.
type ListUsersRequest struct {
	// Query is words, each the beginning of one of the e-mail address or the
	// name; one with an @ is the beginning of the address.
	Query        string
	Role, Status string
	// After is the id of the last account of the page before.
	After string
	Limit int
}

// ListUsers finds accounts, and tells whether there are more.
func (s *Service) ListUsers(ctx context.Context, r ListUsersRequest) (list []users.User, more bool, err error) {
	list = []users.User{}
	sought := searched(r.Query)
	if len(sought) == 0 && strings.TrimSpace(r.Query) != "" {
		return list, false, nil // it has no word that anything could be found by
	}
	rows, err := store.ListUsers(ctx, s.DB.Read(), store.Filter{
		Terms: sought, Role: r.Role, Status: r.Status, Before: r.After, Limit: int64(r.Limit) + 1,
	})
	if err != nil {
		return nil, false, err
	}
	for i := range rows[:min(len(rows), r.Limit)] {
		list = append(list, rows[i].Contract())
	}
	return list, len(rows) > r.Limit, nil
}

// UpdateUserRequest changes an account; what is nil stays as it is.
type UpdateUserRequest struct {
	ID     string
	Name   *string
	Status *string
	Roles  []string
	// Check is asked whether this version is the one to be changed.
	Check func(version int64) error
}

// UpdateUser changes an account. Other roles hold at once, also for access
// tokens that were issued before; who is disabled is signed out everywhere.
// Errors: users.ErrUserNotFound, errs.ErrInvalid, users.ErrLastAdmin, and what Check returns.
func (s *Service) UpdateUser(ctx context.Context, r UpdateUserRequest) (Account, error) {
	var bad problems
	if r.Name != nil {
		bad.line("body.name", r.Name, 1, MaxName)
	}
	if r.Status != nil && *r.Status != users.StatusActive && *r.Status != users.StatusDisabled {
		bad.add("body.status", "must be active or disabled")
	}
	for _, role := range r.Roles {
		if !slices.Contains([]string{users.RoleCustomer, users.RoleStaff, users.RoleAdmin}, role) {
			bad.add("body.roles", "must be of customer, staff and admin")
		}
	}
	if err := bad.error(); err != nil {
		return Account{}, err
	}
	var changed Account
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		u, err := store.LockUser(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		if err := r.check(u.Version); err != nil {
			return err
		}
		if err := s.update(ctx, tx, u, r); err != nil {
			return err
		}
		changed = account(u)
		return nil
	})
	return changed, err
}

func (r UpdateUserRequest) check(version int64) error {
	if r.Check == nil {
		return nil
	}
	return r.Check(version)
}

// update changes an account that the transaction holds.
func (s *Service) update(ctx context.Context, tx *db.Tx, u *store.User, r UpdateUserRequest) error {
	before := *u
	if r.Name != nil {
		u.Name = *r.Name
	}
	if r.Status != nil {
		u.Status = *r.Status
	}
	if r.Roles != nil {
		u.IsStaff, u.IsAdmin = slices.Contains(r.Roles, users.RoleStaff), slices.Contains(r.Roles, users.RoleAdmin)
	}
	otherRoles := u.IsStaff != before.IsStaff || u.IsAdmin != before.IsAdmin
	otherStatus := u.Status != before.Status
	if u.Name == before.Name && !otherRoles && !otherStatus {
		return nil
	}
	if isActiveAdmin(&before) && !isActiveAdmin(u) {
		if err := s.spareLastAdmin(ctx, tx, u.ID); err != nil {
			return err
		}
	}
	u.Version++
	u.UpdatedAt = db.NewTime(s.Clock.Now())
	switch {
	case otherStatus && u.Status == users.StatusDisabled:
		u.Epoch++
		if _, err := store.DeleteSessions(ctx, tx, u.ID, ""); err != nil {
			return err
		}
		if err := s.revoke(ctx, tx, store.Revocation{UserID: u.ID, Epoch: u.Epoch}); err != nil {
			return err
		}
	case otherRoles:
		u.Epoch++
		if err := s.revoke(ctx, tx, store.Revocation{UserID: u.ID, Epoch: u.Epoch, Roles: u.Roles()}); err != nil {
			return err
		}
	}
	if u.Name != before.Name {
		if err := store.ReplaceTerms(ctx, tx, u.ID, terms(u.Email, u.Name)); err != nil {
			return err
		}
	}
	return store.UpdateUser(ctx, tx, u)
}

func isActiveAdmin(u *store.User) bool { return u.IsAdmin && u.Status == users.StatusActive }

// spareLastAdmin refuses to take the last active administrator away.
func (s *Service) spareLastAdmin(ctx context.Context, tx *db.Tx, id string) error {
	another, err := store.HasOtherAdmin(ctx, tx, id)
	if err != nil {
		return err
	}
	if !another {
		return users.ErrLastAdmin
	}
	return nil
}

// DeleteUserRequest names an account to be deleted, if Check lets its version pass.
type DeleteUserRequest struct {
	ID    string
	Check func(version int64) error
}

// DeleteUser erases an account with all that is known of the person, ends every
// session, and frees the e-mail address. It publishes users.Deleted.
// Errors: users.ErrUserNotFound, users.ErrLastAdmin, and what Check returns.
func (s *Service) DeleteUser(ctx context.Context, r DeleteUserRequest) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		u, err := store.LockUser(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		if err := (UpdateUserRequest{Check: r.Check}).check(u.Version); err != nil {
			return err
		}
		if isActiveAdmin(u) {
			if err := s.spareLastAdmin(ctx, tx, u.ID); err != nil {
				return err
			}
		}
		if err := store.DeleteUser(ctx, tx, u.ID); err != nil {
			return err
		}
		if err := store.DeleteResetRequests(ctx, tx, u.EmailKey); err != nil {
			return err
		}
		if err := s.revoke(ctx, tx, store.Revocation{UserID: u.ID, Epoch: u.Epoch + 1}); err != nil {
			return err
		}
		return s.Outbox.Add(ctx, tx, u.ID, users.Deleted{UserID: u.ID, DeletedAt: s.Clock.Now()})
	})
}

// hash hashes a new password. Errors: password.ErrBusy.
func (s *Service) hash(ctx context.Context, text string) (string, error) {
	slot, err := s.hasher.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer slot.Release()
	return slot.Hash(text), nil
}

// password says where a new password will not do.
func (p *problems) password(location, text string) {
	if err := password.Check(text); err != nil {
		p.add(location, err.Error())
	}
}
