package conformance

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// commands are what the command line promises.
func commands() []promise {
	return []promise{
		{"version says what was built", printsVersion},
		{"help lists the commands", printsHelp},
		{"config show gives every value and where it is from", showsConfig},
		{"a bad configuration is an error that names file, key and what is allowed", checksConfig},
		{"an unknown module is an error that lists the known", unknownModule},
		{"a second shop does not serve from the same data", servesOnce},
		{"migrate brings schemas up and tells where they are", migrates},
		{"create-admin makes the first admin", createsAdmin},
	}
}

func printsVersion(t *testing.T, w *world) {
	r := w.Command(t, "", "version")
	require.Zero(t, r.Exit, "%s", r.Stderr)
	require.Contains(t, r.Stdout, "stoa")
	require.Regexp(t, `go1\.\d+`, r.Stdout)
	require.Contains(t, r.Stdout, "commit")
}

func printsHelp(t *testing.T, w *world) {
	r := w.Command(t, "", "--help")
	require.Zero(t, r.Exit)
	for _, command := range []string{"serve", "migrate", "users", "catalog", "config", "openapi", "version"} {
		require.Contains(t, r.Stdout, command)
	}
	unknown := w.Command(t, "", "nonsense")
	require.NotZero(t, unknown.Exit)
	require.Contains(t, unknown.Stderr, "nonsense")
}

func showsConfig(t *testing.T, w *world) {
	whole := w.Command(t, "", "config", "show")
	require.Zero(t, whole.Exit, "%s", whole.Stderr)
	for _, key := range []string{"addr", "checkout_timeout", "access_ttl", "body_limit", "ratelimit", "provider"} {
		require.Contains(t, whole.Stdout, key)
	}
	require.Contains(t, whole.Stdout, "--set", "the source of each value")

	changed := w.Command(t, "", "config", "show", "--changed", "--set", "mail.smtp.password=swordfish", "--set", "shop.currency=EUR")
	require.Zero(t, changed.Exit, "%s", changed.Stderr)
	require.Contains(t, changed.Stdout, "EUR")
	require.NotContains(t, changed.Stdout, "checkout_timeout")
	require.NotContains(t, changed.Stdout+changed.Stderr, "swordfish", "secrets are masked")

	defaults := w.Command(t, "", "config", "show", "--defaults")
	require.Zero(t, defaults.Exit, "%s", defaults.Stderr)
	require.Contains(t, defaults.Stdout, ":8080")
	require.NotContains(t, defaults.Stdout, w.host(t))
}

// configFile writes a configuration file.
func configFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stoa.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func checksConfig(t *testing.T, w *world) {
	good := w.Command(t, "", "config", "check", "--config", configFile(t, "http:\n  read_timeout: 5s\nlog:\n  level: debug\n"))
	require.Zero(t, good.Exit, "%s%s", good.Stdout, good.Stderr)
	for text, named := range map[string][]string{
		"http:\n  adr: :80\n":                     {"http.adr"},
		"htp:\n  addr: :80\n":                     {"htp"},
		"log:\n  level: loud\n":                   {"log.level", "loud", "debug", "info", "warn", "error"},
		"payments:\n  provider: bank\n":           {"payments.provider", "bank", "sandbox"},
		"mail:\n  driver: pigeon\n":               {"mail.driver", "pigeon", "log", "smtp"},
		"http:\n  read_timeout: soon\n":           {"http.read_timeout", "soon"},
		"http:\n  body_limit: much\n":             {"http.body_limit", "much"},
		"http:\n  read_timeout: 1s\n    odd: 1\n": {"line"},
		"shop:\n  currency: ZZZ\n":                {"shop.currency", "ZZZ"},
		"ratelimit:\n  enabled: perhaps\n":        {"ratelimit.enabled", "perhaps"},
	} {
		path := configFile(t, text)
		for _, command := range [][]string{{"config", "check"}, {"serve"}} {
			r := w.Command(t, "", append(command, "--config", path)...)
			require.NotZero(t, r.Exit, "%q passes", text)
			said := r.Stdout + r.Stderr
			require.Contains(t, said, path, "the file is named")
			for _, n := range named {
				require.Contains(t, said, n, "%q", text)
			}
			require.NotContains(t, said, "goroutine")
		}
	}
	for _, set := range []string{"http.adr=:80", "log.level=loud", "nonsense", "=x"} {
		r := w.Command(t, "", "config", "check", "--set", set)
		require.NotZero(t, r.Exit, "--set %s passes", set)
		require.Contains(t, r.Stdout+r.Stderr, strings.SplitN(set, "=", 2)[0])
	}
	missing := w.Command(t, "", "config", "check", "--config", filepath.Join(t.TempDir(), "missing.yaml"))
	require.NotZero(t, missing.Exit)
	require.Contains(t, missing.Stderr+missing.Stdout, "missing.yaml")
}

func unknownModule(t *testing.T, w *world) {
	r := w.Command(t, "", "serve", "--modules", "users,nonsense", "--set", "data.dir="+t.TempDir())
	require.NotZero(t, r.Exit)
	for _, name := range []string{"nonsense", "users", "catalog", "orders", "payments"} {
		require.Contains(t, r.Stderr, name)
	}
}

func servesOnce(t *testing.T, w *world) {
	r := w.Command(t, "", "serve")
	require.NotZero(t, r.Exit, "it would write to the same files")
	require.NotEmpty(t, r.Stderr)
	w.anyone.Get(t, "/products?limit=1").Want(t, http.StatusOK)
}

func migrates(t *testing.T, w *world) {
	elsewhere := "data.dir=" + t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		r := w.Command(t, "", append(args, "--set", elsewhere, "--set", "database.url=sqlite")...)
		require.Zero(t, r.Exit, "%v: %s", args, r.Stderr)
		return r.Stdout
	}
	before := run("migrate", "status")
	for _, module := range []string{"users", "catalog", "orders", "payments"} {
		require.Contains(t, before, module)
	}
	up := run("migrate", "up")
	require.NotEqual(t, before, run("migrate", "status"))
	require.NotEmpty(t, up)
	again := run("migrate", "up")
	require.NotEmpty(t, again)
	only := run("migrate", "status", "--modules", "orders")
	require.Contains(t, only, "orders")
	require.NotContains(t, only, "catalog")
	run("migrate", "down", "--modules", "orders")
	run("migrate", "up")
	require.NotContains(t, w.Command(t, "", "migrate", "status").Stdout, "pending", "the running shop is up to date")
}

func createsAdmin(t *testing.T, w *world) {
	email := unique("boss") + "@example.com"
	create := func(email, password string) Result {
		return w.Command(t, password, "users", "create-admin", "--email", email, "--password-stdin")
	}
	r := create(email, goodPassword+"\n")
	require.Zero(t, r.Exit, "%s", r.Stderr)
	require.NotContains(t, r.Stdout+r.Stderr, goodPassword)
	boss := w.signIn(t, email, goodPassword)
	require.Contains(t, boss.User.Roles, "admin")
	boss.Get(t, "/users").Want(t, http.StatusOK)

	for _, bad := range [][2]string{{email, goodPassword}, {"nobody", goodPassword}, {unique("x") + "@example.com", "short"}, {unique("x") + "@example.com", ""}, {unique("x") + "@example.com", "1234567890"}} {
		r := create(bad[0], bad[1])
		require.NotZero(t, r.Exit, "%v: %s", bad, r.Stdout)
		require.NotEmpty(t, r.Stderr)
	}
	require.NotZero(t, w.Command(t, "", "users", "create-admin").Exit)
}

func importsByCommand(t *testing.T, w *world) {
	prefix := unique("command")
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	good := write("good.csv", shopifyFile(prefix))
	dry := w.Command(t, "", "catalog", "import", good, "--format", "shopify", "--dry-run")
	require.Zero(t, dry.Exit, "%s%s", dry.Stdout, dry.Stderr)
	w.staff.Get(t, "/products/"+prefix+"-lamp").Want(t, http.StatusNotFound)

	r := w.Command(t, "", "catalog", "import", good, "--format", "shopify")
	require.Zero(t, r.Exit, "%s%s", r.Stdout, r.Stderr)
	require.NotContains(t, r.Stdout+r.Stderr, "\r", "plain lines where there is no terminal")
	require.Equal(t, "Floor Lamp", get[Product](t, w.staff, "/products/"+prefix+"-lamp").Title)
	w.wantStock(t, prefix+"-S", 3, 0)

	bad := write("bad.csv", shopifyFile(prefix+"2")+prefix+"-price,Bad Price,,V,T,,true,Title,Default Title,"+prefix+"-P,1,1,abc,,,,,,g,active\n")
	r = w.Command(t, "", "catalog", "import", bad, "--format", "shopify")
	require.Equal(t, 1, r.Exit, "%s%s", r.Stdout, r.Stderr)
	said := r.Stdout + r.Stderr
	require.Contains(t, said, "Variant Price", "a table of bad rows")
	require.Regexp(t, `(?m)\b[456]\b.*Variant Price`, said, "with their numbers")
	require.Equal(t, "Floor Lamp", get[Product](t, w.staff, "/products/"+prefix+"2-lamp").Title, "the rest is imported")

	require.NotZero(t, w.Command(t, "", "catalog", "import", filepath.Join(t.TempDir(), "missing.csv"), "--format", "shopify").Exit)
	require.NotZero(t, w.Command(t, "", "catalog", "import", good, "--format", "xml").Exit)
	export := w.Command(t, "", "catalog", "export", "--format", "json")
	require.Zero(t, export.Exit, "%s", export.Stderr)
	require.Equal(t, w.exported(t, "json"), export.Stdout)
}
