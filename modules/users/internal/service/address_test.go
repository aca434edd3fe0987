package service_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/modules/users"
	"stoa/modules/users/userstest"
	"stoa/platform/errs"
)

func addresses(t *testing.T, s *shop, userID string) []users.Address {
	t.Helper()
	list, more, err := s.ListAddresses(t.Context(), userID, "", 200)
	require.NoError(t, err)
	require.False(t, more)
	return list
}

func TestAnAddressComesAndGoes(t *testing.T) {
	t.Parallel()
	s := open(t)
	ada := s.register(t, "ada@example.com").ID
	require.Empty(t, addresses(t, s, ada))

	given := userstest.Home()
	given.City = " London "
	home, err := s.AddAddress(t.Context(), ada, given)
	require.NoError(t, err)
	require.Equal(t, "London", home.City)
	require.Equal(t, []users.Address{home}, addresses(t, s, ada))

	home.Line1, home.Phone = "1 New Street", ""
	replaced, err := s.ReplaceAddress(t.Context(), ada, home)
	require.NoError(t, err)
	require.Equal(t, home, replaced)
	require.Equal(t, []users.Address{home}, addresses(t, s, ada))

	require.NoError(t, s.DeleteAddress(t.Context(), ada, home.ID))
	require.ErrorIs(t, s.DeleteAddress(t.Context(), ada, home.ID), users.ErrAddressNotFound)
	require.Empty(t, addresses(t, s, ada))
}

func TestAForeignAddressIsAsIfThereWereNone(t *testing.T) {
	t.Parallel()
	s := open(t)
	ada, eve := s.register(t, "ada@example.com").ID, s.register(t, "eve@example.com").ID
	home, err := s.AddAddress(t.Context(), ada, userstest.Home())
	require.NoError(t, err)
	evil := home
	evil.Line1 = "Elsewhere"
	_, err = s.ReplaceAddress(t.Context(), eve, evil)
	require.ErrorIs(t, err, users.ErrAddressNotFound)
	require.ErrorIs(t, s.DeleteAddress(t.Context(), eve, home.ID), users.ErrAddressNotFound)
	require.Empty(t, addresses(t, s, eve))
	require.Equal(t, []users.Address{home}, addresses(t, s, ada))
}

func TestOneAddressAtMostIsTheDefault(t *testing.T) {
	t.Parallel()
	s := open(t)
	ada, eve := s.register(t, "ada@example.com").ID, s.register(t, "eve@example.com").ID
	eves, err := s.AddAddress(t.Context(), eve, userstest.Home())
	require.NoError(t, err)
	one, err := s.AddAddress(t.Context(), ada, userstest.Home())
	require.NoError(t, err)
	two, err := s.AddAddress(t.Context(), ada, userstest.Home())
	require.NoError(t, err)
	defaults := func() (ids []string) {
		for _, a := range addresses(t, s, ada) {
			if a.IsDefault {
				ids = append(ids, a.ID)
			}
		}
		return ids
	}
	require.Equal(t, []string{two.ID}, defaults())
	_, err = s.ReplaceAddress(t.Context(), ada, one)
	require.NoError(t, err)
	require.Equal(t, []string{one.ID}, defaults())
	one.IsDefault = false
	_, err = s.ReplaceAddress(t.Context(), ada, one)
	require.NoError(t, err)
	require.Empty(t, defaults())
	require.True(t, addresses(t, s, eve)[0].IsDefault, "another user's stays")
	require.Equal(t, eves, addresses(t, s, eve)[0])

	require.Equal(t, 16, succeeded(t, together(16, func(int) error {
		_, err := s.AddAddress(t.Context(), ada, userstest.Home())
		return err
	}), nil))
	require.Len(t, defaults(), 1)
}

func TestAnAddressThatCouldNotBeReplacedLeavesTheDefault(t *testing.T) {
	t.Parallel()
	s := open(t)
	ada := s.register(t, "ada@example.com").ID
	home, err := s.AddAddress(t.Context(), ada, userstest.Home())
	require.NoError(t, err)
	none := userstest.Home()
	none.ID = userstest.Nobody
	_, err = s.ReplaceAddress(t.Context(), ada, none)
	require.ErrorIs(t, err, users.ErrAddressNotFound)
	require.Equal(t, []users.Address{home}, addresses(t, s, ada))
}

func TestAddressesAreListedInPages(t *testing.T) {
	t.Parallel()
	s := open(t)
	ada := s.register(t, "ada@example.com").ID
	var want []string
	for range 5 {
		a, err := s.AddAddress(t.Context(), ada, userstest.Home())
		require.NoError(t, err)
		want = append(want, a.ID)
	}
	var got []string
	after := ""
	for more := true; more; {
		var list []users.Address
		var err error
		list, more, err = s.ListAddresses(t.Context(), ada, after, 2)
		require.NoError(t, err)
		for _, a := range list {
			got = append(got, a.ID)
		}
		after = got[len(got)-1]
	}
	require.Equal(t, want, got)
}

func TestAnAccountHasAHundredAddressesAtMost(t *testing.T) {
	t.Parallel()
	s := open(t)
	ada := s.register(t, "ada@example.com").ID
	for range 100 {
		_, err := s.AddAddress(t.Context(), ada, userstest.Home())
		require.NoError(t, err)
	}
	before := addresses(t, s, ada)
	_, err := s.AddAddress(t.Context(), ada, userstest.Home())
	require.ErrorIs(t, err, users.ErrAddressLimit)
	require.Equal(t, before, addresses(t, s, ada))
}

func TestAnAddressThatWillNotDoIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	ada := s.register(t, "ada@example.com").ID
	for name, tc := range map[string]struct {
		change   func(*users.Address)
		location string
	}{
		"no name":              {func(a *users.Address) { a.Name = " " }, "body.name"},
		"no street":            {func(a *users.Address) { a.Line1 = "" }, "body.line1"},
		"no city":              {func(a *users.Address) { a.City = "" }, "body.city"},
		"a long line":          {func(a *users.Address) { a.Line2 = strings.Repeat("x", 201) }, "body.line2"},
		"a line break":         {func(a *users.Address) { a.Region = "a\nb" }, "body.region"},
		"a long postal code":   {func(a *users.Address) { a.PostalCode = strings.Repeat("1", 21) }, "body.postal_code"},
		"a NUL":                {func(a *users.Address) { a.Phone = "1\x002" }, "body.phone"},
		"no country":           {func(a *users.Address) { a.Country = "" }, "body.country"},
		"a country's name":     {func(a *users.Address) { a.Country = "Greece" }, "body.country"},
		"alpha-3":              {func(a *users.Address) { a.Country = "GRC" }, "body.country"},
		"small letters":        {func(a *users.Address) { a.Country = "gr" }, "body.country"},
		"no country's code":    {func(a *users.Address) { a.Country = "XX" }, "body.country"},
		"UK, which is GB":      {func(a *users.Address) { a.Country = "UK" }, "body.country"},
		"parts of two codes":   {func(a *users.Address) { a.Country = "D " }, "body.country"},
		"a space and a letter": {func(a *users.Address) { a.Country = " A" }, "body.country"},
	} {
		t.Run(name, func(t *testing.T) {
			a := userstest.Home()
			tc.change(&a)
			_, err := s.AddAddress(t.Context(), ada, a)
			require.ErrorIs(t, err, errs.ErrInvalid)
			e, _ := errs.As(err)
			require.Len(t, e.Fields, 1)
			require.Equal(t, tc.location, e.Fields[0].Location)
		})
	}
	for _, country := range []string{"GR", "NA", "US", "AX", "ZW", "AD"} {
		a := userstest.Home()
		a.Country = country
		_, err := s.AddAddress(t.Context(), ada, a)
		require.NoError(t, err, country)
	}
}
