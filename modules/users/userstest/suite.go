package userstest

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/users"
	"stoa/platform/errs"
)

// Subject is an implementation of users.Service and how a test fills it.
type Subject struct {
	Service users.Service
	// AddUser makes a user with an e-mail address and gives it as it is known.
	AddUser func(t *testing.T, email string) users.User
	// AddAddress makes an address of a user and gives it as it is known.
	AddAddress func(t *testing.T, userID string, a users.Address) users.Address
	// DeleteUser deletes a user.
	DeleteUser func(t *testing.T, id string)
}

// Nobody is an id that no user and no address has.
const Nobody = "0193f6a8-0000-7000-8000-000000000000"

// Run holds an implementation of users.Service against the contract. Each test
// is given a subject of its own.
func Run(t *testing.T, subject func(t *testing.T) Subject) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Subject){
		"GetUsers gives those that are known, each once":    getsUsers,
		"GetUsers gives nobody for nothing":                 getsNobody,
		"GetUsers leaves out who was deleted":               leavesOutDeleted,
		"GetUsers takes 200 ids and no more":                takesTwoHundred,
		"GetAddress gives the address of its user":          getsAddress,
		"GetAddress tells a foreign address from none not":  hidesForeignAddresses,
		"GetAddress gives nothing of a user who is deleted": forgetsAddresses,
		"a call whose context has ended fails":              endsWithItsContext,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, subject(t))
		})
	}
}

// Home is an address as a test may give it.
func Home() users.Address {
	return users.Address{
		Name: "Ada Lovelace", Line1: "12 St James's Square", Line2: "Flat 3", City: "London", Region: "Westminster",
		PostalCode: "SW1Y 4JH", Country: "GB", Phone: "+44 20 7946 0000", IsDefault: true,
	}
}

func getsUsers(t *testing.T, s Subject) {
	ada, eve := s.AddUser(t, "ada@example.com"), s.AddUser(t, "eve@example.com")
	s.AddUser(t, "third@example.com")
	got, err := s.Service.GetUsers(t.Context(), users.GetUsersRequest{IDs: []string{eve.ID, Nobody, ada.ID, eve.ID}})
	require.NoError(t, err)
	require.ElementsMatch(t, []users.User{ada, eve}, got)
	require.Equal(t, []string{users.RoleCustomer}, ada.Roles)
	require.Equal(t, users.StatusActive, ada.Status)
}

func getsNobody(t *testing.T, s Subject) {
	s.AddUser(t, "ada@example.com")
	for _, ids := range [][]string{nil, {}, {Nobody}, {"'; DROP TABLE users --"}} {
		got, err := s.Service.GetUsers(t.Context(), users.GetUsersRequest{IDs: ids})
		require.NoError(t, err)
		require.Empty(t, got)
	}
}

func leavesOutDeleted(t *testing.T, s Subject) {
	ada := s.AddUser(t, "ada@example.com")
	s.DeleteUser(t, ada.ID)
	got, err := s.Service.GetUsers(t.Context(), users.GetUsersRequest{IDs: []string{ada.ID}})
	require.NoError(t, err)
	require.Empty(t, got)
}

func takesTwoHundred(t *testing.T, s Subject) {
	ids := slices.Repeat([]string{Nobody}, 200)
	_, err := s.Service.GetUsers(t.Context(), users.GetUsersRequest{IDs: ids})
	require.NoError(t, err)
	_, err = s.Service.GetUsers(t.Context(), users.GetUsersRequest{IDs: append(ids, Nobody)})
	require.ErrorIs(t, err, errs.ErrInvalid)
}

func getsAddress(t *testing.T, s Subject) {
	ada := s.AddUser(t, "ada@example.com")
	home := s.AddAddress(t, ada.ID, Home())
	got, err := s.Service.GetAddress(t.Context(), users.GetAddressRequest{UserID: ada.ID, AddressID: home.ID})
	require.NoError(t, err)
	require.Equal(t, home, got)
	want := Home()
	want.ID = home.ID
	require.Equal(t, want, got)
}

func hidesForeignAddresses(t *testing.T, s Subject) {
	ada, eve := s.AddUser(t, "ada@example.com"), s.AddUser(t, "eve@example.com")
	home := s.AddAddress(t, ada.ID, Home())
	_, foreign := s.Service.GetAddress(t.Context(), users.GetAddressRequest{UserID: eve.ID, AddressID: home.ID})
	_, none := s.Service.GetAddress(t.Context(), users.GetAddressRequest{UserID: eve.ID, AddressID: Nobody})
	require.ErrorIs(t, foreign, users.ErrAddressNotFound)
	require.Equal(t, none, foreign)
}

func forgetsAddresses(t *testing.T, s Subject) {
	ada := s.AddUser(t, "ada@example.com")
	home := s.AddAddress(t, ada.ID, Home())
	s.DeleteUser(t, ada.ID)
	_, err := s.Service.GetAddress(t.Context(), users.GetAddressRequest{UserID: ada.ID, AddressID: home.ID})
	require.ErrorIs(t, err, users.ErrAddressNotFound)
}

func endsWithItsContext(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Service.GetUsers(ctx, users.GetUsersRequest{IDs: []string{Nobody}})
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Service.GetAddress(ctx, users.GetAddressRequest{UserID: Nobody, AddressID: Nobody})
	require.ErrorIs(t, err, context.Canceled)
}
