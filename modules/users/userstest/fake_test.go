package userstest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/users"
	"stoa/modules/users/userstest"
	"stoa/platform/clock"
	"stoa/platform/errs"
)

func TestTheFakeKeepsTheContract(t *testing.T) {
	t.Parallel()
	userstest.Run(t, func(t *testing.T) userstest.Subject {
		c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
		f := userstest.NewFake()
		return userstest.Subject{
			Service: f,
			AddUser: func(_ *testing.T, email string) users.User {
				u := users.User{ID: c.ID(), Email: email, Roles: []string{users.RoleCustomer}, Status: users.StatusActive, CreatedAt: c.Now(), UpdatedAt: c.Now()}
				f.AddUser(u)
				return u
			},
			AddAddress: func(_ *testing.T, userID string, a users.Address) users.Address {
				a.ID = c.ID()
				f.AddAddress(userID, a)
				return a
			},
			DeleteUser: func(_ *testing.T, id string) { f.DeleteUser(id) },
		}
	})
}

func TestTheFakeFailsWhenItIsTold(t *testing.T) {
	t.Parallel()
	f := userstest.NewFake()
	f.Fail(errs.ErrUnavailable)
	_, err := f.GetUsers(context.Background(), users.GetUsersRequest{})
	require.ErrorIs(t, err, errs.ErrUnavailable)
	f.Fail(nil)
	_, err = f.GetUsers(context.Background(), users.GetUsersRequest{})
	require.NoError(t, err)
}
