package service

import (
	"context"

	"stoa/modules/users"
	"stoa/modules/users/internal/store"
	"stoa/platform/country"
	"stoa/platform/db"
)

const (
	// maxAddresses is how many addresses an account can have.
	maxAddresses = 100

	maxLine   = 200
	maxShort  = 100
	maxPostal = 20
	maxPhone  = 40
)

// check says where an address will not do, and trims it.
func check(a *users.Address) error {
	var bad problems
	bad.line("body.name", &a.Name, 1, maxLine)
	bad.line("body.line1", &a.Line1, 1, maxLine)
	bad.line("body.line2", &a.Line2, 0, maxLine)
	bad.line("body.city", &a.City, 1, maxShort)
	bad.line("body.region", &a.Region, 0, maxShort)
	bad.line("body.postal_code", &a.PostalCode, 0, maxPostal)
	bad.line("body.phone", &a.Phone, 0, maxPhone)
	if !country.Valid(a.Country) {
		bad.add("body.country", "is no country's code of two capital letters (ISO 3166-1 alpha-2)")
	}
	return bad.error()
}

// AddAddress adds an address to an account. One that is the default takes that
// from another. Errors: errs.ErrInvalid, users.ErrAddressLimit.
func (s *Service) AddAddress(ctx context.Context, userID string, a users.Address) (users.Address, error) {
	if err := check(&a); err != nil {
		return users.Address{}, err
	}
	a.ID = s.Clock.ID()
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		added, err := store.InsertAddress(ctx, tx, userID, a, maxAddresses)
		if err == nil && !added {
			return users.ErrAddressLimit
		}
		return err
	})
	return a, err
}

// ReplaceAddress replaces an address of an account by one with the same id.
// Errors: errs.ErrInvalid, users.ErrAddressNotFound.
func (s *Service) ReplaceAddress(ctx context.Context, userID string, a users.Address) (users.Address, error) {
	if err := check(&a); err != nil {
		return users.Address{}, err
	}
	err := s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return store.UpdateAddress(ctx, tx, userID, a)
	})
	return a, err
}

// DeleteAddress removes an address of an account. Errors: users.ErrAddressNotFound.
func (s *Service) DeleteAddress(ctx context.Context, userID, id string) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return store.DeleteAddress(ctx, tx, userID, id)
	})
}

// ListAddresses gives so many of an account's addresses, the oldest first, that
// come after an id, and tells whether there are more.
func (s *Service) ListAddresses(ctx context.Context, userID, after string, limit int) (list []users.Address, more bool, err error) {
	list, err = store.ListAddresses(ctx, s.DB.Read(), userID, after, limit+1)
	if err != nil {
		return nil, false, err
	}
	return list[:min(len(list), limit)], len(list) > limit, nil
}
