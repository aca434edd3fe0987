package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoa/platform/config"
	"stoa/platform/errs"
)

// level is a type that reads itself.
type level int

func (l *level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low":
		*l = 1
	case "high":
		*l = 2
	default:
		return errors.New("is neither low nor high")
	}
	return nil
}

func (l level) String() string { return []string{"", "low", "high"}[l] }

type server struct {
	Addr        string        `koanf:"addr" usage:"listener"`
	ReadTimeout time.Duration `koanf:"read_timeout" usage:"longest read"`
	BodyLimit   config.Bytes  `koanf:"body_limit" usage:"largest body" min:"1KiB" max:"1GiB"`
	Proxies     []string      `koanf:"trusted_proxies" usage:"proxies"`
	Workers     int           `koanf:"workers" usage:"workers" min:"1" max:"64"`
	Ratio       float64       `koanf:"ratio" usage:"share" min:"0" max:"1"`
	TLS         bool          `koanf:"tls" usage:"encrypt"`
	Level       level         `koanf:"level" usage:"how much"`
	Driver      string        `koanf:"driver" usage:"how" allowed:"inproc|nats"`
	Password    string        `koanf:"password" usage:"secret" secret:"true"`
	Auth        struct {
		User string `koanf:"user" usage:"who"`
		Pin  int    `koanf:"pin" usage:"number" secret:"true"`
	} `koanf:"auth"`

	ignored string
	Runtime fmt.Stringer `koanf:"-"`
}

func newServer() *server {
	s := &server{
		Addr: ":8080", ReadTimeout: 10 * time.Second, BodyLimit: config.MiB, Proxies: []string{"10.0.0.1", "10.0.0.2"},
		Workers: 4, Ratio: 1, Level: 1, Driver: "inproc", ignored: "kept",
	}
	s.Auth.User = "shop"
	return s
}

type shop struct {
	Shipping map[string]int64 `koanf:"shipping" usage:"by currency" keys:"upper"`
	Rates    map[string]level `koanf:"rates" usage:"by country" keys:"upper"`
}

type database struct {
	URL     string `koanf:"url" usage:"where"`
	Modules map[string]struct {
		URL  string `koanf:"url" usage:"where"`
		Pool int    `koanf:"pool_size" usage:"connections"`
	} `koanf:"modules" usage:"by module"`
}

type directory struct {
	Static map[string][]string `koanf:"static" usage:"addresses by module"`
}

type top struct {
	Modules []string `koanf:"modules" usage:"what runs here"`
}

// settings are what the tests declare.
type settings struct {
	top       top
	server    *server
	shop      shop
	database  database
	directory directory
}

func newSettings() *settings {
	return &settings{server: newServer(), database: database{URL: "sqlite"}}
}

func (s *settings) sections() []config.Section {
	return []config.Section{
		{Key: "", Target: &s.top},
		{Key: "http", Target: s.server},
		{Key: "shop", Target: &s.shop},
		{Key: "database", Target: &s.database},
		{Key: "directory", Target: &s.directory},
	}
}

// write puts a configuration file into a directory of the test's own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// faults gives what Load finds, one line each, with the directories taken off
// the files' names.
func faults(t *testing.T, sources config.Sources) []string {
	t.Helper()
	_, err := config.Load(sources, newSettings().sections())
	var e *config.Error
	require.ErrorAs(t, err, &e)
	var lines []string
	for _, f := range e.Faults {
		line := f.Error()
		for _, file := range sources.Files {
			line = strings.ReplaceAll(line, filepath.Dir(file)+"/", "")
		}
		lines = append(lines, line)
	}
	return lines
}

func TestDefaultsStayWhereNothingIsGiven(t *testing.T) {
	t.Parallel()
	s := newSettings()
	_, err := config.Load(config.Sources{}, s.sections())
	require.NoError(t, err)
	require.Equal(t, newServer(), s.server)
	require.Equal(t, "sqlite", s.database.URL)
	require.Empty(t, s.top.Modules)
}

func TestSourcesOverrideEachOther(t *testing.T) {
	t.Parallel()
	first := write(t, "first.yaml", "http: {addr: ':1', workers: 11, ratio: 0.1, driver: nats}")
	second := write(t, "second.yaml", "http: {addr: ':2', workers: 12, ratio: 0.2}")
	s := newSettings()
	_, err := config.Load(config.Sources{
		Files:   []string{first, second},
		Environ: []string{"STOA_HTTP_ADDR=:3", "STOA_HTTP_WORKERS=13", "PATH=/bin", "STOAT=no", "=weird"},
		Set:     []string{"http.addr=:3.5", "http.addr=:4"},
	}, s.sections())
	require.NoError(t, err)
	require.Equal(t, ":4", s.server.Addr, "the last flag")
	require.Equal(t, 13, s.server.Workers, "the environment")
	require.InDelta(t, 0.2, s.server.Ratio, 0, "the later file")
	require.Equal(t, "nats", s.server.Driver, "the earlier file")
	require.Equal(t, 10*time.Second, s.server.ReadTimeout, "the default")
}

func TestEveryKindOfValue(t *testing.T) {
	t.Parallel()
	file := write(t, "all.yaml", `
modules: [users, catalog]
http:
  addr: 8080             # text that looks like a number
  read_timeout: 1m30s
  body_limit: 64KiB
  trusted_proxies:
    - 192.168.0.0/16
  workers: "8"           # a number that is quoted
  ratio: 0.25
  tls: true
  level: high
  driver: nats
  auth:
    user: admin
    pin: 1234
shop:
  shipping: {usd: 500, EUR: 450}
  rates:
    NO: high             # Norway, not false
    no_region: low
database:
  url: postgres://shop:pw@db/shop
  modules:
    orders: {url: postgres://orders, pool_size: 3}
directory:
  static:
    orders: [a:1, b:2]
`)
	s := newSettings()
	_, err := config.Load(config.Sources{Files: []string{file}}, s.sections())
	require.NoError(t, err)
	require.Equal(t, []string{"users", "catalog"}, s.top.Modules)
	want := newServer()
	want.Addr, want.ReadTimeout, want.BodyLimit, want.Proxies = "8080", 90*time.Second, 64*config.KiB, []string{"192.168.0.0/16"}
	want.Workers, want.Ratio, want.TLS, want.Level, want.Driver = 8, 0.25, true, 2, "nats"
	want.Auth.User, want.Auth.Pin = "admin", 1234
	require.Equal(t, want, s.server)
	require.Equal(t, map[string]int64{"USD": 500, "EUR": 450}, s.shop.Shipping)
	require.Equal(t, map[string]level{"NO": 2, "NO_REGION": 1}, s.shop.Rates)
	require.Equal(t, "postgres://orders", s.database.Modules["orders"].URL)
	require.Equal(t, 3, s.database.Modules["orders"].Pool)
	require.Equal(t, map[string][]string{"orders": {"a:1", "b:2"}}, s.directory.Static)
}

func TestEveryKeyIsAnEnvironmentVariable(t *testing.T) {
	t.Parallel()
	s := newSettings()
	_, err := config.Load(config.Sources{Environ: []string{
		"STOA_MODULES=users, catalog",
		"STOA_HTTP_ADDR=",
		"STOA_HTTP_READ_TIMEOUT=5s",
		"STOA_HTTP_TRUSTED_PROXIES=10.0.0.0/8,::1",
		"STOA_HTTP_AUTH_USER=a=b,c",
		"STOA_SHOP_SHIPPING=usd=500, eur=450",
		"STOA_SHOP_SHIPPING_GBP=400",
		"STOA_SHOP_RATES_NO=low",
		"STOA_DATABASE_MODULES_ORDERS_URL=postgres://orders",
		"STOA_DATABASE_MODULES_ORDERS_POOL_SIZE=7",
		"STOA_DIRECTORY_STATIC_ORDERS=a:1,b:2",
	}}, s.sections())
	require.NoError(t, err)
	require.Equal(t, []string{"users", "catalog"}, s.top.Modules)
	require.Empty(t, s.server.Addr, "an empty variable empties the value")
	require.Equal(t, 5*time.Second, s.server.ReadTimeout)
	require.Equal(t, []string{"10.0.0.0/8", "::1"}, s.server.Proxies)
	require.Equal(t, "a=b,c", s.server.Auth.User)
	require.Equal(t, map[string]int64{"USD": 500, "EUR": 450, "GBP": 400}, s.shop.Shipping)
	require.Equal(t, map[string]level{"NO": 1}, s.shop.Rates)
	require.Equal(t, "postgres://orders", s.database.Modules["orders"].URL)
	require.Equal(t, 7, s.database.Modules["orders"].Pool)
	require.Equal(t, map[string][]string{"orders": {"a:1", "b:2"}}, s.directory.Static)
}

func TestDefaultsThatAreSharedAreNotWrittenTo(t *testing.T) {
	t.Parallel()
	lists, maps := []string{"a", "b"}, map[string]int64{"USD": 1}
	s := newSettings()
	s.server.Proxies, s.shop.Shipping = lists, maps
	_, err := config.Load(config.Sources{Set: []string{"http.trusted_proxies=x", "shop.shipping.EUR=2"}}, s.sections())
	require.NoError(t, err)
	require.Equal(t, []string{"x"}, s.server.Proxies)
	require.Equal(t, map[string]int64{"USD": 1, "EUR": 2}, s.shop.Shipping)
	require.Equal(t, []string{"a", "b"}, lists)
	require.Equal(t, map[string]int64{"USD": 1}, maps)
}

func TestFlagsNameKeysAsFilesDo(t *testing.T) {
	t.Parallel()
	s := newSettings()
	_, err := config.Load(config.Sources{Set: []string{
		"http.trusted_proxies=", "shop.shipping.usd=5", "database.modules.Orders.url=x=y", "modules=users",
	}}, s.sections())
	require.NoError(t, err)
	require.Equal(t, []string{}, s.server.Proxies, "an empty list replaces the default")
	require.Equal(t, map[string]int64{"USD": 5}, s.shop.Shipping)
	require.Equal(t, "x=y", s.database.Modules["orders"].URL)
	require.Equal(t, []string{"users"}, s.top.Modules)
}

func TestMapsMergeAndListsReplace(t *testing.T) {
	t.Parallel()
	first := write(t, "first.yaml", "shop: {shipping: {USD: 1, EUR: 2}}\nhttp: {trusted_proxies: [a, b, c]}\ndatabase: {modules: {orders: {url: x}}}")
	second := write(t, "second.yaml", "shop: {shipping: {EUR: 3}}\nhttp: {trusted_proxies: [d]}\ndatabase: {modules: {orders: {pool_size: 2}}}")
	s := newSettings()
	_, err := config.Load(config.Sources{Files: []string{first, second}}, s.sections())
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"USD": 1, "EUR": 3}, s.shop.Shipping)
	require.Equal(t, []string{"d"}, s.server.Proxies)
	require.Equal(t, "x", s.database.Modules["orders"].URL)
	require.Equal(t, 2, s.database.Modules["orders"].Pool)
}

func TestAllFaultsAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	file := write(t, "stoa.yaml", `
http:
  adr: ":80"
  read_timeout: 10
  body_limit: lots
  workers: 0
  driver: nast
  tls: yes
  level: medium
  ratio: 2
htp: {}
shop:
  shipping: {USD: free}
`)
	require.Equal(t, []string{
		`stoa.yaml:3: http.adr: there is no such key; did you mean http.addr?`,
		`stoa.yaml:4: http.read_timeout: "10" is not a duration: write a number and a unit, such as 250ms, 10s, 5m or 1h30m`,
		`stoa.yaml:5: http.body_limit: "lots" is not a size: write a whole number and a unit, such as 512B, 64KiB or 1MiB`,
		`stoa.yaml:6: http.workers: "0" is out of range: from 1 to 64`,
		`stoa.yaml:7: http.driver: "nast" is not allowed; allowed: inproc, nats; did you mean nats?`,
		`stoa.yaml:8: http.tls: "yes" is neither true nor false`,
		`stoa.yaml:9: http.level: "medium" is neither low nor high`,
		`stoa.yaml:10: http.ratio: "2" is out of range: from 0 to 1`,
		`stoa.yaml:11: htp: there is no such key; did you mean http?`,
		`stoa.yaml:13: shop.shipping.USD: "free" is not a whole number`,
		`missing.yaml: there is no such file`,
		`STOA_HTTP_WORKERS: http.workers: "9999999999999999999" is out of range`,
		`STOA_HTT_ADDR: no key has this environment variable; did you mean STOA_HTTP_ADDR?`,
		`STOA_ZZZ: no key has this environment variable`,
		`--set http.read_timeout: "-1s" is out of range: at least 0`,
		`--set read_timeout: there is no such key; did you mean http.read_timeout?`,
		`--set nonsense: is not an assignment: write --set key=value`,
		`--set http: is a section: give a key below it`,
	}, faults(t, config.Sources{
		Files:   []string{file, "missing.yaml"},
		Environ: []string{"STOA_ZZZ=1", "STOA_HTT_ADDR=1", "STOA_HTTP_WORKERS=9999999999999999999"},
		Set:     []string{"http.read_timeout=-1s", "read_timeout=1s", "nonsense", "http=x"},
	}))
}

func TestErrorGivesOneFaultALine(t *testing.T) {
	t.Parallel()
	one, two := &config.Fault{Source: "a.yaml:1", Key: "k", Problem: "is bad"}, &config.Fault{Source: "B", Problem: "is worse"}
	require.Equal(t, "the configuration has a fault\n  a.yaml:1: k: is bad", (&config.Error{Faults: []*config.Fault{one}}).Error())
	require.Equal(t, "the configuration has 2 faults\n  a.yaml:1: k: is bad\n  B: is worse", (&config.Error{Faults: []*config.Fault{one, two}}).Error())
}

func TestFaultsNeverShowSecrets(t *testing.T) {
	t.Parallel()
	lines := faults(t, config.Sources{Set: []string{
		"http.auth.pin=hunter2",
		"http.driver=nats://user:hunter2@broker",
		"http.level=nats://hunter2@broker",
		"http.passwort=hunter2",
	}})
	require.Len(t, lines, 4)
	require.Equal(t, "--set http.auth.pin: will not do (the value is secret)", lines[0])
	require.NotContains(t, strings.Join(lines, "\n"), "hunter2")
	require.Contains(t, lines[1], `"nats://user:***@broker"`)
}

func TestErrorsOfTheVocabularyGiveTheirMessage(t *testing.T) {
	t.Parallel()
	s := shop{}
	_, err := config.Load(config.Sources{Set: []string{"shop.shares.NO=lots"}}, []config.Section{{Key: "shop", Target: &struct {
		Shares map[string]share `koanf:"shares" keys:"upper"`
	}{}}, {Key: "shop", Target: &s}})
	require.ErrorContains(t, err, "--set shop.shares.NO: \"lots\" is no share")
	require.NotContains(t, err.Error(), "test.bad_share")
}

// share is a type whose errors have an identity.
type share string

func (s *share) UnmarshalText(text []byte) error {
	return errs.New(errs.Invalid, "test.bad_share", "it is bad").With("%q is no share", text)
}

func TestSectionsOfOtherModulesAreAcceptedUnread(t *testing.T) {
	t.Parallel()
	reference := []byte("http: {addr: x}\norders: {checkout_timeout: 30s, limits: {}}\nshop: {shipping: {}, currency: USD, tax: {}}\ncarts: {ttl: 1h}\n")
	file := write(t, "stoa.yaml", "orders: {checkout_timeout: 1s, anything: [1, 2]}\nshop: {currency: EUR, tax: {DE: 19}}\n")
	s := newSettings()
	loaded, err := config.Load(config.Sources{
		Files:     []string{file},
		Environ:   []string{"STOA_ORDERS_CHECKOUT_TIMEOUT=2s", "STOA_CARTS_WHATEVER=1", "STOA_SHOP_CURRENCY=EUR", "STOA_SHOP_TAX_DE=19"},
		Set:       []string{"orders.checkout_timeout=3s", "shop.currency=EUR", "shop.tax.DE=19"},
		Reference: reference,
	}, s.sections())
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, loaded.Show(&out, config.All))
	require.Contains(t, out.String(), "# orders is for a module that is not part of this program: "+file+":1\n")

	// In a section that this program reads too, only keys of the reference pass,
	// and a section that the reference does not hold is a misspelling.
	require.Equal(t, []string{
		`stoa.yaml:1: shop.curency: there is no such key; did you mean shop.currency?`,
		`stoa.yaml:2: ordres: there is no such key; did you mean orders?`,
		`STOA_ORDRES_CHECKOUT_TIMEOUT: no key has this environment variable; did you mean STOA_ORDERS_CHECKOUT_TIMEOUT?`,
		`STOA_SHOP_CURENCY: no key has this environment variable; did you mean STOA_SHOP_CURRENCY?`,
	}, faults(t, config.Sources{
		Files:     []string{write(t, "stoa.yaml", "shop: {curency: EUR}\nordres: {}\n")},
		Environ:   []string{"STOA_SHOP_CURENCY=EUR", "STOA_ORDRES_CHECKOUT_TIMEOUT=1s"},
		Reference: reference,
	}))
}

type validated struct {
	Driver string `koanf:"driver" usage:"how" allowed:"log|smtp"`
	SMTP   struct {
		Host string `koanf:"host" usage:"server"`
		Port int    `koanf:"port" usage:"port"`
	} `koanf:"smtp"`
}

func (v *validated) Validate() error {
	if v.Driver != "smtp" {
		return nil
	}
	var err error
	if v.SMTP.Host == "" {
		err = config.BadValue("smtp.host", "is needed with mail.driver smtp")
	}
	if v.SMTP.Port == 26 {
		err = errors.Join(err, config.BadValue("smtp.port", "%d is not a port", v.SMTP.Port), fmt.Errorf("wrapped: %w", config.BadValue("driver", "why")))
	}
	if v.SMTP.Port == 27 {
		err = errors.New("something else")
	}
	return err
}

func TestTargetsValidateThemselves(t *testing.T) {
	t.Parallel()
	load := func(set ...string) string {
		_, err := config.Load(config.Sources{Set: set}, []config.Section{{Key: "mail", Target: &validated{Driver: "log"}}})
		if err == nil {
			return ""
		}
		return err.Error()
	}
	require.Empty(t, load("mail.smtp.port=26"))
	require.Equal(t, "the configuration has 3 faults"+
		"\n  default: mail.smtp.host: is needed with mail.driver smtp"+
		"\n  --set mail.smtp.port: 26 is not a port"+
		"\n  --set mail.driver: why", load("mail.driver=smtp", "mail.smtp.port=26"))
	require.Contains(t, load("mail.driver=smtp", "mail.smtp.port=27"), "mail: something else")
	// What a fault has left empty is not reported again as missing.
	require.NotContains(t, load("mail.driver=smtp", "mail.smtp.hots=x"), "is needed")
	_, err := config.Load(config.Sources{Files: []string{"missing.yaml"}, Set: []string{"mail.driver=smtp"}},
		[]config.Section{{Key: "mail", Target: &validated{Driver: "log"}}})
	require.EqualError(t, err, "the configuration has a fault\n  missing.yaml: there is no such file")
}

func TestSectionsMayShareAKey(t *testing.T) {
	t.Parallel()
	type catalog struct {
		Currency string        `koanf:"currency"`
		TTL      time.Duration `koanf:"ttl"`
	}
	type orders struct {
		Currency string `koanf:"currency"`
		Tax      string `koanf:"tax"`
	}
	c, o := catalog{"USD", time.Hour}, orders{"USD", "none"}
	_, err := config.Load(config.Sources{Set: []string{"shop.currency=EUR", "shop.tax=some"}}, []config.Section{{"shop", &c}, {"shop", &o}})
	require.NoError(t, err)
	require.Equal(t, catalog{"EUR", time.Hour}, c)
	require.Equal(t, orders{"EUR", "some"}, o)

	c, o = catalog{"USD", time.Hour}, orders{"EUR", "none"}
	_, err = config.Load(config.Sources{}, []config.Section{{"shop", &c}, {"shop", &o}})
	require.ErrorContains(t, err, "shop.currency is declared elsewhere with another type or default")
}

func TestWrongDeclarationsAreRefused(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]any{
		"not a pointer": top{},
		"no tag":        &struct{ A string }{},
		"a name in capital": &struct {
			A string `koanf:"Name"`
		}{},
		"a channel": &struct {
			A chan int `koanf:"a"`
		}{},
		"a map of maps": &struct {
			A map[string]map[string]string `koanf:"a"`
		}{},
		"a bound without order": &struct {
			A string `koanf:"a" min:"b"`
		}{},
		"a default out of bounds": &struct {
			A int `koanf:"a" min:"1"`
		}{},
		"a default that is not allowed": &struct {
			A string `koanf:"a" allowed:"x|y"`
		}{},
		"two keys with one variable": &struct {
			A string `koanf:"a_b"`
			B struct {
				C string `koanf:"b"`
			} `koanf:"a"`
		}{},
	} {
		_, err := config.Load(config.Sources{}, []config.Section{{Key: "x", Target: target}})
		require.Error(t, err, name)
	}
}
