package module_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"stoa/modules/users"
	usersmodule "stoa/modules/users/module"
	"stoa/modules/users/usersrpc"
	"stoa/platform/auth"
	"stoa/platform/auth/authrpc"
	"stoa/platform/clock"
	"stoa/platform/db/dbtest"
	"stoa/platform/mail/mailtest"
	"stoa/platform/module"
	"stoa/platform/outbox"
	"stoa/platform/rpc"
	"stoa/platform/rpc/rpctest"
	"stoa/platform/web/webtest"
)

const (
	good   = "correct horse battery"
	better = "staple of the 2nd horse"
)

// host is a process with the users module in it.
func host(t *testing.T, m module.Module) *module.Host {
	t.Helper()
	c := clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 1)
	d := dbtest.Open(t, m.Name, m.Migrations)
	log := slog.New(slog.DiscardHandler)
	h := &module.Host{
		Module: m.Name, Clock: c, Log: log, DB: d, Outbox: outbox.New(m.Name, d, nil, c, log, outbox.Options{}),
		Auth: auth.NewAuthority(auth.DefaultConfig(), t.TempDir(), c, log), Mail: &mailtest.Outbox{},
		DataDir: t.TempDir(),
	}
	h.Bind(module.NewServices())
	return h
}

func TestOtherProcessesFollowTheKeysThatItMadeAndAskItForUsers(t *testing.T) {
	t.Parallel()
	rpctest.Each(t, func(t *testing.T, driver string) {
		m := usersmodule.New()
		h := host(t, m)
		l := rpctest.New(t, driver).Start(t, func(s *rpc.Server) {
			h.Server = s
			require.NoError(t, m.Start(t.Context(), h))
		})
		require.Equal(t, []string{authrpc.Name, users.Name}, l.Server.Modules())
		elsewhere := auth.NewVerifier(auth.DefaultConfig(), h.Clock, h.Log)
		elsewhere.Follow(authrpc.NewSource(l.Client))
		require.NoError(t, elsewhere.Sync(t.Context()))
		require.NotEmpty(t, elsewhere.JWKS().Keys)
		require.Equal(t, h.Auth.Verifier.JWKS(), elsewhere.JWKS())

		other := &module.Host{Module: "orders", Remote: l.Client}
		other.Bind(module.NewServices())
		service, err := module.Use(other, users.Name, usersrpc.NewClient)
		require.NoError(t, err)
		_, err = service.GetAddress(t.Context(), users.GetAddressRequest{UserID: h.Clock.ID(), AddressID: h.Clock.ID()})
		require.ErrorIs(t, err, users.ErrAddressNotFound)
	})
}

func TestTheModuleServesWithTheKeysThatItMade(t *testing.T) {
	t.Parallel()
	m := usersmodule.New()
	h := host(t, m)
	require.NoError(t, m.Start(t.Context(), h))
	keys, err := os.ReadDir(h.Auth.Config.KeysDir)
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Equal(t, "keys", filepath.Base(h.Auth.Config.KeysDir))
	require.Len(t, h.Work(), 3)

	service, err := module.Use(h, users.Name, usersrpc.NewClient)
	require.NoError(t, err)
	server := webtest.New(t, m.Name, m.Routes, func(o *webtest.Options) { o.Deps.Clock, o.Deps.Auth = h.Clock, h.Auth.Verifier })
	require.Equal(t, http.StatusCreated, server.Do(t, http.MethodPost, "/users", `{"email":"ada@example.com","password":"`+good+`","name":"Ada"}`).Status)
	a := server.Do(t, http.MethodPost, "/sessions", `{"email":"ada@example.com","password":"`+good+`"}`)
	require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
	var in struct {
		AccessToken string     `json:"access_token"`
		User        users.User `json:"user"`
	}
	a.JSON(t, &in)
	require.Equal(t, http.StatusOK, server.Do(t, http.MethodGet, "/users/me", nil, "Authorization", "Bearer "+in.AccessToken).Status)
	known, err := service.GetUsers(t.Context(), users.GetUsersRequest{IDs: []string{in.User.ID}})
	require.NoError(t, err)
	require.Equal(t, []users.User{in.User}, known)
}

func TestItsBackgroundWorkEndsWithItsContext(t *testing.T) {
	t.Parallel()
	m := usersmodule.New()
	h := host(t, m)
	require.NoError(t, m.Start(t.Context(), h))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	for _, w := range h.Work() {
		go func() { done <- w.Do(ctx) }()
	}
	h.Clock.(*clock.Fake).AwaitTimers(len(h.Work()))
	cancel()
	for range h.Work() {
		require.NoError(t, <-done)
	}
}

func TestRoutesAreMadeWithoutStarting(t *testing.T) {
	t.Parallel()
	server := webtest.New(t, users.Name, usersmodule.New().Routes)
	require.Equal(t, http.StatusOK, server.Raw(t, http.MethodGet, "/openapi.json", nil).Status)
}

func TestTheDemoMakesTwoAccountsInAnEmptyShopOnly(t *testing.T) {
	t.Parallel()
	m := usersmodule.New()
	h := host(t, m)
	require.NoError(t, m.Start(t.Context(), h))
	notes, err := h.Demos()[0](t.Context())
	require.NoError(t, err)
	require.Len(t, notes, 2)
	server := webtest.New(t, m.Name, m.Routes, func(o *webtest.Options) { o.Deps.Clock = h.Clock })
	for _, note := range notes {
		words := strings.Fields(note)
		a := server.Do(t, http.MethodPost, "/sessions", map[string]string{"email": words[3], "password": words[7]})
		require.Equal(t, http.StatusCreated, a.Status, "%s: %s", note, a.Body)
	}
	again, err := h.Demos()[0](t.Context())
	require.NoError(t, err)
	require.Equal(t, notes, again, "what was said is said again, and no account is made")
}

// createAdmin runs the command and gives what it printed.
func createAdmin(t *testing.T, m module.Module, stdin string, args ...string) (string, error) {
	t.Helper()
	group := &cobra.Command{Use: m.Name, SilenceUsage: true, SilenceErrors: true}
	group.AddCommand(m.Commands(func(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) })...)
	var out bytes.Buffer
	group.SetOut(&out)
	group.SetErr(&out)
	group.SetIn(strings.NewReader(stdin))
	group.SetArgs(append([]string{"create-admin"}, args...))
	err := group.ExecuteContext(t.Context())
	return out.String(), err
}

func TestCreateAdmin(t *testing.T) {
	t.Parallel()
	m := usersmodule.New()
	h := host(t, m)
	require.NoError(t, m.Start(t.Context(), h))
	server := webtest.New(t, m.Name, m.Routes, func(o *webtest.Options) { o.Deps.Clock, o.Deps.Auth = h.Clock, h.Auth.Verifier })
	roles := func(email, password string) []string {
		a := server.Do(t, http.MethodPost, "/sessions", map[string]string{"email": email, "password": password})
		require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
		var in struct {
			User users.User `json:"user"`
		}
		a.JSON(t, &in)
		return in.User.Roles
	}

	out, err := createAdmin(t, m, good+"\r\nmore", "--email", "root@example.com", "--password-stdin")
	require.NoError(t, err)
	require.Contains(t, out, "root@example.com is an administrator now")
	require.NotContains(t, out, good)
	require.Equal(t, []string{"customer", "admin"}, roles("root@example.com", good))

	for name, tc := range map[string]struct {
		stdin string
		args  []string
		want  string
	}{
		"no address":             {good, []string{"--password-stdin"}, "email"},
		"an address that is bad": {good, []string{"--email", "root", "--password-stdin"}, "email is no e-mail address"},
		"a password that is bad": {"1234567890\n", []string{"--email", "b@example.com", "--password-stdin"}, "password is one of the commonest"},
		"no password":            {"", []string{"--email", "b@example.com", "--password-stdin"}, "password must have at least 10"},
		"no terminal":            {good, []string{"--email", "b@example.com"}, "--password-stdin"},
		"an account that exists": {better, []string{"--email", "Root@example.com", "--password-stdin"}, "--promote"},
		"more words":             {good, []string{"now", "--email", "b@example.com", "--password-stdin"}, "now"},
	} {
		_, err := createAdmin(t, m, tc.stdin, tc.args...)
		require.ErrorContains(t, err, tc.want, name)
	}
	require.Equal(t, []string{"customer", "admin"}, roles("root@example.com", good), "its password is as it was")

	require.Equal(t, http.StatusCreated, server.Do(t, http.MethodPost, "/users", `{"email":"ada@example.com","password":"`+good+`","name":"Ada"}`).Status)
	out, err = createAdmin(t, m, "", "--email", "ADA@example.com", "--promote")
	require.NoError(t, err)
	require.Contains(t, out, "ada@example.com")
	require.Equal(t, []string{"customer", "admin"}, roles("ada@example.com", good))
}
