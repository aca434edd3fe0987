package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/config"
)

func show(t *testing.T, loaded *config.Loaded, mode config.Mode) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, loaded.Show(&out, mode))
	return out.String()
}

func TestShowNamesTheSourceOfEachValue(t *testing.T) {
	t.Parallel()
	file := write(t, "stoa.yaml", "http:\n  workers: 8\n  driver: inproc\n  auth: {pin: 1234}\nshop: {shipping: {USD: 5}}\n")
	loaded, err := config.Load(config.Sources{
		Files:   []string{file},
		Environ: []string{"STOA_HTTP_PASSWORD=hunter2", "STOA_DATABASE_URL=postgres://shop:hunter2@db/shop?sslpassword=hunter2"},
		Set:     []string{"http.addr=123", "directory.static.orders=a:1,b"},
	}, newSettings().sections())
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(`modules: [] # default
http:
  addr: "123" # --set http.addr
  read_timeout: 10s # default
  body_limit: 1MiB # default
  trusted_proxies: [10.0.0.1, 10.0.0.2] # default
  workers: 8 # FILE:2
  ratio: 1 # default
  tls: false # default
  level: low # default
  driver: inproc # FILE:3
  password: '***' # STOA_HTTP_PASSWORD
  auth:
    user: shop # default
    pin: '***' # FILE:4
shop:
  shipping:
    USD: 5 # FILE:5
  rates: {} # default
database:
  url: postgres://shop:***@db/shop?sslpassword=*** # STOA_DATABASE_URL
  modules: {} # default
directory:
  static:
    orders: ['a:1', b] # --set directory.static.orders
`, "FILE", file), show(t, loaded, config.All))

	changed := show(t, loaded, config.Changed)
	require.NotContains(t, changed, "driver", "given, but as it was")
	require.NotContains(t, changed, "default")
	require.Contains(t, changed, "  workers: 8 # "+file+":2\n")

	defaults := show(t, loaded, config.Defaults)
	require.Contains(t, defaults, "  # how: inproc, nats\n  driver: inproc\n")
	require.Contains(t, defaults, "  # workers\n  workers: 4\n")
}

func TestWhatIsShownCanBeLoaded(t *testing.T) {
	t.Parallel()
	s := newSettings()
	loaded, err := config.Load(config.Sources{Set: []string{
		"http.addr=yes: # no", "http.auth.user=line\nbreak", "http.trusted_proxies=NO,1,~,{a}", "http.read_timeout=90m",
		"http.body_limit=1500", "shop.rates.NO=high", "database.modules.orders.url=x",
	}}, s.sections())
	require.NoError(t, err)
	again := newSettings()
	shown := strings.Replace(show(t, loaded, config.All), "pin: '***'", "pin: 0", 1)
	_, err = config.Load(config.Sources{Files: []string{write(t, "shown.yaml", shown)}}, again.sections())
	require.NoError(t, err)
	require.Equal(t, s, again)
}

func TestTheSameInOtherWordsIsNoChange(t *testing.T) {
	t.Parallel()
	loaded, err := config.Load(config.Sources{Set: []string{
		"http.read_timeout=10000ms", "http.body_limit=1024KiB", "http.ratio=1.0", "http.tls=FALSE", "http.trusted_proxies=10.0.0.1,10.0.0.2",
	}}, newSettings().sections())
	require.NoError(t, err)
	require.Empty(t, show(t, loaded, config.Changed))
	require.Contains(t, show(t, loaded, config.All), "read_timeout: 10000ms # --set http.read_timeout\n")
}

func TestNothingChangedShowsNothing(t *testing.T) {
	t.Parallel()
	loaded, err := config.Load(config.Sources{}, newSettings().sections())
	require.NoError(t, err)
	require.Empty(t, show(t, loaded, config.Changed))
}

func TestNamesOfFilesCannotForgeLines(t *testing.T) {
	t.Parallel()
	loaded, err := config.Load(config.Sources{Files: []string{write(t, "a\nhttp: #.yaml", "http: {workers: 8}")}}, newSettings().sections())
	require.NoError(t, err)
	require.Contains(t, show(t, loaded, config.Changed), `\nhttp: #.yaml":1`)
}
