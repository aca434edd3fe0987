package service_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/users"
	"stoa/modules/users/internal/service"
	"stoa/modules/users/userstest"
)

func TestTheServiceKeepsTheContract(t *testing.T) {
	t.Parallel()
	userstest.Run(t, func(t *testing.T) userstest.Subject {
		s := open(t)
		return userstest.Subject{
			Service: s.Service,
			AddUser: func(t *testing.T, email string) users.User { return s.register(t, email).User },
			AddAddress: func(t *testing.T, userID string, a users.Address) users.Address {
				added, err := s.AddAddress(t.Context(), userID, a)
				require.NoError(t, err)
				return added
			},
			DeleteUser: func(t *testing.T, id string) {
				require.NoError(t, s.Service.DeleteUser(t.Context(), service.DeleteUserRequest{ID: id}))
			},
		}
	})
}
