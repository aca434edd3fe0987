// Package userstest stands in for the users module in the tests of its
// neighbours: a Fake in memory, and the contract that it and the module itself
// both keep. Only tests import it.
package userstest

import (
	"context"
	"slices"
	"sync"

	"stoa/modules/users"
	"stoa/platform/errs"
)

// Fake is users.Service in memory. It is safe for concurrent use.
type Fake struct {
	mu        sync.Mutex
	users     map[string]users.User
	addresses map[string]map[string]users.Address
	err       error
}

var _ users.Service = (*Fake)(nil)

// NewFake makes a Fake that knows these users.
func NewFake(known ...users.User) *Fake {
	f := &Fake{users: map[string]users.User{}, addresses: map[string]map[string]users.Address{}}
	for _, u := range known {
		f.AddUser(u)
	}
	return f
}

// AddUser adds a user, or replaces the one with the same id.
func (f *Fake) AddUser(u users.User) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users[u.ID] = u
}

// AddAddress adds an address of a user.
func (f *Fake) AddAddress(userID string, a users.Address) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.addresses[userID] == nil {
		f.addresses[userID] = map[string]users.Address{}
	}
	f.addresses[userID][a.ID] = a
}

// DeleteUser removes a user and all that belongs to them.
func (f *Fake) DeleteUser(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.users, id)
	delete(f.addresses, id)
}

// Fail has every call fail with err, as when the module is away; nil ends that.
func (f *Fake) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// GetUsers is in the contract.
func (f *Fake) GetUsers(ctx context.Context, r users.GetUsersRequest) ([]users.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fails(ctx); err != nil {
		return nil, err
	}
	if len(r.IDs) > 200 {
		return nil, errs.ErrInvalid.Field("ids", "must be at most 200")
	}
	list := []users.User{}
	for i, id := range r.IDs {
		if u, ok := f.users[id]; ok && !slices.Contains(r.IDs[:i], id) {
			u.Roles = slices.Clone(u.Roles)
			list = append(list, u)
		}
	}
	return list, nil
}

// GetAddress is in the contract.
func (f *Fake) GetAddress(ctx context.Context, r users.GetAddressRequest) (users.Address, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fails(ctx); err != nil {
		return users.Address{}, err
	}
	a, ok := f.addresses[r.UserID][r.AddressID]
	if !ok {
		return users.Address{}, users.ErrAddressNotFound
	}
	return a, nil
}

func (f *Fake) fails(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.err
}
