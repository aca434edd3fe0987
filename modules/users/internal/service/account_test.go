package service_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/modules/users"
	"stoa/modules/users/internal/password"
	"stoa/modules/users/internal/service"
	"stoa/modules/users/userstest"
	"stoa/platform/errs"
	"stoa/platform/ratelimit"
)

func TestRegister(t *testing.T) {
	t.Parallel()
	s := open(t)
	a, err := s.Register(t.Context(), service.RegisterRequest{Email: " Ada@Example.com ", Password: good, Name: "  Ada Lovelace "})
	require.NoError(t, err)
	require.Equal(t, users.User{
		ID: a.ID, Email: "Ada@Example.com", Name: "Ada Lovelace", Roles: []string{"customer"}, Status: "active", CreatedAt: start, UpdatedAt: start,
	}, a.User)
	require.EqualValues(t, 1, a.Version)

	got, err := s.GetUser(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, a, got)
}

func TestAnEmailIsTakenOnceWhateverItsCase(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.register(t, "ada@example.com")
	for _, email := range []string{"ada@example.com", "ADA@EXAMPLE.COM", " Ada@example.Com ", "ａｄａ@example.com"} {
		_, err := s.Register(t.Context(), service.RegisterRequest{Email: email, Password: good, Name: "Ada"})
		require.ErrorIs(t, err, users.ErrEmailTaken, email)
	}
}

func TestOfManyRegistrationsOfOneEmailAtOnceOneSucceeds(t *testing.T) {
	t.Parallel()
	s := open(t)
	outcomes := together(16, func(i int) error {
		email := "ada@example.com"
		if i%2 == 1 {
			email = "Ada@Example.com"
		}
		_, err := s.Register(t.Context(), service.RegisterRequest{Email: email, Password: good, Name: "Ada"})
		return err
	})
	require.Equal(t, 1, succeeded(t, outcomes, users.ErrEmailTaken))
	require.Equal(t, 1, s.count(t, `SELECT COUNT(*) FROM users`))
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	s := open(t)
	long := strings.Repeat("a", 64)
	for name, tc := range map[string]struct{ email, password, name, location string }{
		"no e-mail address":            {"", good, "Ada", "body.email"},
		"an address without @":         {"ada.example.com", good, "Ada", "body.email"},
		"an address of @ alone":        {"@", good, "Ada", "body.email"},
		"an address without a name":    {"@example.com", good, "Ada", "body.email"},
		"an address without a host":    {"ada@", good, "Ada", "body.email"},
		"an address of a bare word":    {"ada@example", good, "Ada", "body.email"},
		"an address with a space":      {"ada lovelace@example.com", good, "Ada", "body.email"},
		"an address with a line break": {"ada@example.com\nBcc: all@example.com", good, "Ada", "body.email"},
		"an address in brackets":       {"Ada <ada@example.com>", good, "Ada", "body.email"},
		"two addresses":                {"ada@example.com,eve@example.com", good, "Ada", "body.email"},
		"two dots":                     {"ada..l@example.com", good, "Ada", "body.email"},
		"a hyphen at the end":          {"ada@example-.com", good, "Ada", "body.email"},
		"an address literal":           {"ada@[127.0.0.1]", good, "Ada", "body.email"},
		"a name of 65 bytes":           {long + "a@example.com", good, "Ada", "body.email"},
		"an address of 255 bytes":      {"a@" + strings.Repeat("abcdefg.", 31) + "abcde", good, "Ada", "body.email"},
		"no name":                      {"ada@example.com", good, "  ", "body.name"},
		"a name of 201 characters":     {"ada@example.com", good, strings.Repeat("é", 201), "body.name"},
		"a name with a line break":     {"ada@example.com", good, "Ada\r\nX: 1", "body.name"},
		"a name with an escape":        {"ada@example.com", good, "Ada\x1b[31m", "body.name"},
		"a short password":             {"ada@example.com", "k7#pq9!zL", "Ada", "body.password"},
		"a common password":            {"ada@example.com", "Password123", "Ada", "body.password"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Register(t.Context(), service.RegisterRequest{Email: tc.email, Password: tc.password, Name: tc.name})
			e, ok := errs.As(err)
			require.True(t, ok, "%v", err)
			require.ErrorIs(t, err, errs.ErrInvalid)
			require.Len(t, e.Fields, 1)
			require.Equal(t, tc.location, e.Fields[0].Location)
		})
	}
	require.Zero(t, s.count(t, `SELECT COUNT(*) FROM users`))
}

func TestRegisterAccepts(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, email := range []string{
		"a@b.co", "ada+shop@example.com", "o'neil@example.co.uk", "müller@straße.example", "用户@例子.广告", "ada@localhost",
		strings.Repeat("a", 64) + "@example.com", "a@" + strings.Repeat("abcdefg.", 31) + "abcd",
	} {
		_, err := s.Register(t.Context(), service.RegisterRequest{Email: email, Password: strings.Repeat("пароль☃ü", 32), Name: strings.Repeat("é", 200)})
		require.NoError(t, err, email)
	}
}

func TestAnAddressOpensOnlySoManyAccounts(t *testing.T) {
	t.Parallel()
	config := ratelimit.DefaultConfig()
	config.Register = ratelimit.Rate{Count: 2, Per: time.Minute}
	s := open(t, func(d *service.Deps) { d.Limits = ratelimit.New(config, d.Clock) })
	register := func(n int, address string) error {
		_, err := s.Register(t.Context(), service.RegisterRequest{Email: fmt.Sprintf("u%d@example.com", n), Password: good, Name: "U", Address: address})
		return err
	}
	require.NoError(t, register(1, here))
	require.NoError(t, register(2, here))
	err := register(3, here)
	require.ErrorIs(t, err, users.ErrTooManyAttempts)
	e, _ := errs.As(err)
	require.Positive(t, e.RetryAfter)

	require.NoError(t, register(4, "192.0.2.2"), "another address")
	require.NoError(t, register(5, ""), "an administrator who brings customers")
	s.clock.Advance(time.Minute)
	require.NoError(t, register(6, here))
}

func TestWhoFindsNoProcessorIsToldToComeBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	free := s.Occupy(t)
	failed := make(chan error, 1)
	go func() {
		_, err := s.Register(t.Context(), service.RegisterRequest{Email: "ada@example.com", Password: good, Name: "Ada"})
		failed <- err
	}()
	s.clock.AwaitTimers(1)
	s.clock.Advance(10 * time.Second)
	err := <-failed
	require.ErrorIs(t, err, password.ErrBusy)
	require.Equal(t, errs.Unavailable, errs.KindOf(err))
	e, _ := errs.As(err)
	require.Positive(t, e.RetryAfter)
	free()
	s.register(t, "ada@example.com")
}

func ptr[T any](v T) *T { return &v }

func TestUpdateUserChangesOnlyWhatIsNamed(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.register(t, "ada@example.com")
	s.clock.Advance(time.Minute)

	changed, err := s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Name: ptr(" Countess ")})
	require.NoError(t, err)
	want := a
	want.Name, want.Version, want.UpdatedAt = "Countess", 2, start.Add(time.Minute)
	require.Equal(t, want, changed)

	same, err := s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Name: ptr("Countess"), Status: ptr("active"), Roles: []string{"customer"}})
	require.NoError(t, err)
	require.Equal(t, want, same, "nothing changed, so it has no new version")

	changed, err = s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Roles: []string{"admin", "staff", "staff"}})
	require.NoError(t, err)
	require.Equal(t, []string{"customer", "staff", "admin"}, changed.Roles)
	require.Equal(t, "Countess", changed.Name)
}

func TestUpdateUserRefuses(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.register(t, "ada@example.com")
	for name, r := range map[string]service.UpdateUserRequest{
		"an empty name":      {ID: a.ID, Name: ptr(" ")},
		"an unknown status":  {ID: a.ID, Status: ptr("deleted")},
		"an unknown role":    {ID: a.ID, Roles: []string{"customer", "root"}},
		"a role in capitals": {ID: a.ID, Roles: []string{"Admin"}},
	} {
		_, err := s.UpdateUser(t.Context(), r)
		require.ErrorIs(t, err, errs.ErrInvalid, name)
	}
	_, err := s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: userstest.Nobody, Name: ptr("X")})
	require.ErrorIs(t, err, users.ErrUserNotFound)

	conflict := errs.New(errs.PreconditionFailed, "precondition_failed", "")
	_, err = s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Name: ptr("X"), Check: func(version int64) error {
		require.EqualValues(t, 1, version)
		return conflict
	}})
	require.ErrorIs(t, err, conflict)
	got, err := s.GetUser(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, a, got)
}

func TestADemotedAdminsTokenHasItsNewRolesAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.admin(t, "other@example.com")
	a := s.admin(t, "root@example.com")
	session := s.signIn(t, "root@example.com")
	require.True(t, s.identity(t, session).Has("admin"))

	_, err := s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Roles: []string{"customer"}})
	require.NoError(t, err)

	require.Equal(t, []string{"customer"}, s.identity(t, session).Roles)
	id, err := s.elsewhere(t).Verify(t.Context(), session.AccessToken)
	require.NoError(t, err)
	require.Equal(t, []string{"customer"}, id.Roles)

	renewed, err := s.Refresh(t.Context(), session.RefreshToken)
	require.NoError(t, err, "the session goes on")
	require.Equal(t, []string{"customer"}, s.identity(t, renewed).Roles)

	_, err = s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Roles: []string{"staff"}})
	require.NoError(t, err)
	require.Equal(t, []string{"customer", "staff"}, s.identity(t, session).Roles, "and what is given")
	require.Equal(t, []string{"customer", "staff"}, s.identity(t, s.signIn(t, "root@example.com")).Roles)
}

func TestWhoIsDisabledIsSignedOutUntilEnabled(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.register(t, "ada@example.com")
	session := s.signIn(t, "ada@example.com")

	_, err := s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Status: ptr(users.StatusDisabled)})
	require.NoError(t, err)
	s.requireEnded(t, session)
	_, err = s.SignIn(t.Context(), service.SignInRequest{Email: "ada@example.com", Password: good, Address: here})
	require.ErrorIs(t, err, users.ErrInvalidCredentials)

	for n := 0; !isTooMany(err); n++ {
		require.Less(t, n, 20, "the right password of a disabled account is a guess like any other")
		_, err = s.SignIn(t.Context(), service.SignInRequest{Email: "ada@example.com", Password: good, Address: here})
	}

	_, err = s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Status: ptr(users.StatusActive)})
	require.NoError(t, err)
	s.requireEnded(t, session)
	s.clock.Advance(time.Hour)
	s.requireAlive(t, s.signIn(t, "ada@example.com"))
}

func TestTheLastActiveAdminStays(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.admin(t, "root@example.com")
	b := s.admin(t, "disabled@example.com")
	_, err := s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: b.ID, Status: ptr(users.StatusDisabled)})
	require.NoError(t, err)

	_, err = s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Roles: []string{"customer", "staff"}})
	require.ErrorIs(t, err, users.ErrLastAdmin)
	_, err = s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Status: ptr(users.StatusDisabled)})
	require.ErrorIs(t, err, users.ErrLastAdmin)
	require.ErrorIs(t, s.Service.DeleteUser(t.Context(), service.DeleteUserRequest{ID: a.ID}), users.ErrLastAdmin)
	got, err := s.GetUser(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, a, got)

	_, err = s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Name: ptr("Renamed")})
	require.NoError(t, err)
	require.NoError(t, s.Service.DeleteUser(t.Context(), service.DeleteUserRequest{ID: b.ID}), "one that is not active")
}

func TestOfTwoAdminsWhoRemoveEachOtherOneStays(t *testing.T) {
	t.Parallel()
	s := open(t)
	ids := []string{s.admin(t, "a@example.com").ID, s.admin(t, "b@example.com").ID}
	outcomes := together(2, func(i int) error {
		return s.Service.DeleteUser(t.Context(), service.DeleteUserRequest{ID: ids[i]})
	})
	require.Equal(t, 1, succeeded(t, outcomes, users.ErrLastAdmin))
	require.Equal(t, 1, s.count(t, `SELECT COUNT(*) FROM users WHERE is_admin`))
}

func TestDeletingErasesThePersonAndTellsTheShop(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.register(t, "ada@example.com")
	session := s.signIn(t, "ada@example.com")
	_, err := s.AddAddress(t.Context(), a.ID, userstest.Home())
	require.NoError(t, err)
	require.NoError(t, s.RequestReset(t.Context(), "ada@example.com"))

	s.clock.Advance(time.Second)
	require.NoError(t, s.Service.DeleteUser(t.Context(), service.DeleteUserRequest{ID: a.ID}))

	s.requireEnded(t, session)
	_, err = s.GetUser(t.Context(), a.ID)
	require.ErrorIs(t, err, users.ErrUserNotFound)
	for _, table := range []string{"users", "user_terms", "sessions", "refresh_tokens", "reset_requests", "reset_tokens", "addresses"} {
		require.Zero(t, s.count(t, `SELECT COUNT(*) FROM `+table), table)
	}
	require.Equal(t, 1, s.count(t, `SELECT COUNT(*) FROM outbox WHERE type = 'stoa.users.user_deleted.v1' AND aggregate = $1`, a.ID))
	require.Zero(t, s.count(t, `SELECT COUNT(*) FROM outbox WHERE event LIKE '%ada%'`))
	require.ErrorIs(t, s.Service.DeleteUser(t.Context(), service.DeleteUserRequest{ID: a.ID}), users.ErrUserNotFound)

	require.NotEqual(t, a.ID, s.register(t, "ada@example.com").ID, "the address is free again")
}

func TestListUsers(t *testing.T) {
	t.Parallel()
	s := open(t)
	add := func(email, name string, roles ...string) string {
		a, err := s.Register(t.Context(), service.RegisterRequest{Email: email, Password: good, Name: name})
		require.NoError(t, err)
		if len(roles) > 0 {
			_, err = s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Roles: roles})
			require.NoError(t, err)
		}
		return a.ID
	}
	ada := add("ada@example.com", "Ada Lovelace")
	grace := add("grace.hopper@navy.example", "Grace Hopper", "staff")
	olga := add("olga@example.com", "Ольга Ладыженская", "admin")
	off := add("off_100%@example.com", "Switched Off")
	_, err := s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: off, Status: ptr(users.StatusDisabled)})
	require.NoError(t, err)
	_, err = s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: ada, Name: ptr("Augusta King")})
	require.NoError(t, err)

	for name, tc := range map[string]struct {
		r    service.ListUsersRequest
		want []string
	}{
		"all, the newest first":              {service.ListUsersRequest{}, []string{off, olga, grace, ada}},
		"a word of the address":              {service.ListUsersRequest{Query: "navy"}, []string{grace}},
		"the whole address, in capitals":     {service.ListUsersRequest{Query: "GRACE.HOPPER@NAVY.EXAMPLE"}, []string{grace}},
		"the beginning of an address":        {service.ListUsersRequest{Query: "ada@exa"}, []string{ada}},
		"an address that goes on elsewhere":  {service.ListUsersRequest{Query: "a@example.com"}, nil},
		"an address and a name":              {service.ListUsersRequest{Query: "king ada@example.com"}, []string{ada}},
		"the beginning of a name":            {service.ListUsersRequest{Query: "aug"}, []string{ada}},
		"a name of before":                   {service.ListUsersRequest{Query: "lovelace"}, nil},
		"two words, in any order":            {service.ListUsersRequest{Query: "king ada"}, []string{ada}},
		"two words of which one is no one's": {service.ListUsersRequest{Query: "ada hopper"}, nil},
		"another script, another case":       {service.ListUsersRequest{Query: "ЛАДЫЖ"}, []string{olga}},
		"what many have":                     {service.ListUsersRequest{Query: "example"}, []string{off, olga, grace, ada}},
		"a wildcard":                         {service.ListUsersRequest{Query: "%%%"}, nil},
		"a wildcard in a word":               {service.ListUsersRequest{Query: "100%"}, []string{off}},
		"SQL":                                {service.ListUsersRequest{Query: "' OR 1=1 --"}, nil},
		"spaces":                             {service.ListUsersRequest{Query: "   "}, []string{off, olga, grace, ada}},
		"staff":                              {service.ListUsersRequest{Role: "staff"}, []string{grace}},
		"admins":                             {service.ListUsersRequest{Role: "admin"}, []string{olga}},
		"customers: everyone":                {service.ListUsersRequest{Role: "customer"}, []string{off, olga, grace, ada}},
		"disabled":                           {service.ListUsersRequest{Status: "disabled"}, []string{off}},
		"active staff of a name":             {service.ListUsersRequest{Status: "active", Role: "staff", Query: "hop"}, []string{grace}},
		"disabled staff":                     {service.ListUsersRequest{Status: "disabled", Role: "staff"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tc.r.Limit = 20
			list, more, err := s.ListUsers(t.Context(), tc.r)
			require.NoError(t, err)
			require.False(t, more)
			var ids []string
			for _, u := range list {
				ids = append(ids, u.ID)
			}
			require.Equal(t, tc.want, ids)
		})
	}

	list, more, err := s.ListUsers(t.Context(), service.ListUsersRequest{Limit: 3})
	require.NoError(t, err)
	require.True(t, more)
	require.Len(t, list, 3)
	add("new@example.com", "Somebody New")
	list, more, err = s.ListUsers(t.Context(), service.ListUsersRequest{Limit: 3, After: list[2].ID})
	require.NoError(t, err)
	require.False(t, more)
	require.Len(t, list, 1)
	require.Equal(t, ada, list[0].ID)
}

func TestPromote(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.register(t, "ada@example.com")
	_, err := s.UpdateUser(t.Context(), service.UpdateUserRequest{ID: a.ID, Status: ptr(users.StatusDisabled), Roles: []string{"staff"}})
	require.NoError(t, err)

	promoted, err := s.Promote(t.Context(), "ADA@example.com")
	require.NoError(t, err)
	require.Equal(t, []string{"customer", "staff", "admin"}, promoted.Roles)
	require.Equal(t, users.StatusActive, promoted.Status)
	s.signIn(t, "ada@example.com")

	_, err = s.Promote(t.Context(), "nobody@example.com")
	require.ErrorIs(t, err, users.ErrUserNotFound)
}
