// Package usersrpc is the contract of users between processes: a client that is
// a users.Service, and what answers it. Wirings import it. Package rpc says
// what crosses the wire; here nothing of the contract is lost.
package usersrpc

import (
	"context"

	"stoa/modules/users"
	"stoa/platform/rpc"
)

var (
	getUsers   = rpc.Method[users.GetUsersRequest, []users.User]{Module: users.Name, Name: "GetUsers", Idempotent: true}
	getAddress = rpc.Method[users.GetAddressRequest, users.Address]{Module: users.Name, Name: "GetAddress", Idempotent: true}
)

type client struct{ rpc *rpc.Client }

// NewClient gives the users that run elsewhere.
func NewClient(c *rpc.Client) users.Service { return client{c} }

func (c client) GetUsers(ctx context.Context, r users.GetUsersRequest) ([]users.User, error) {
	return getUsers.Call(ctx, c.rpc, r)
}

func (c client) GetAddress(ctx context.Context, r users.GetAddressRequest) (users.Address, error) {
	return getAddress.Call(ctx, c.rpc, r)
}

// Serve answers those who have a client.
func Serve(s *rpc.Server, service users.Service) {
	getUsers.Handle(s, service.GetUsers)
	getAddress.Handle(s, service.GetAddress)
}
