package usersrpc_test

import (
	"testing"
	"time"

	"stoa/modules/users"
	"stoa/modules/users/usersrpc"
	"stoa/modules/users/userstest"
	"stoa/platform/clock"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
)

func TestTheClientKeepsTheContract(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		userstest.Run(t, func(t *testing.T) userstest.Subject {
			c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
			f := userstest.NewFake()
			l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) { usersrpc.Serve(s, f) })
			return userstest.Subject{
				Service: usersrpc.NewClient(l.Client),
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
	})
}
