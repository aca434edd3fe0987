package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/config"
)

func TestFilesThatSayNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "comments": "# nothing\n\n", "a null": "~\n", "only a marker": "---\n",
		"a section whose keys are commented out": "http:\n  # addr: x\nshop:\n  shipping:\n",
	} {
		s := newSettings()
		_, err := config.Load(config.Sources{Files: []string{write(t, "stoa.yaml", text)}}, s.sections())
		require.NoError(t, err, name)
		require.Equal(t, newServer(), s.server, name)
	}
}

func TestOddFilesAreExplained(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"hello":                               `stoa.yaml: line 1: is not a map of sections, such as "http:" with keys indented below it`,
		"- a\n- b":                            `stoa.yaml: line 1: is not a map of sections, such as "http:" with keys indented below it`,
		"http:\n\taddr: x":                    `stoa.yaml: is not YAML: line 2: found character that cannot start any token`,
		"http: {addr: x}\n---\nhttp: {}":      `stoa.yaml: holds more than one document`,
		"http:\n  addr: x\n  addr: y":         `stoa.yaml:3: http.addr: is given twice, first in line 2`,
		"shop: {shipping: {usd: 1, USD: 2}}":  `stoa.yaml:1: shop.shipping.USD: is given twice, first in line 1`,
		"http: 5":                             `stoa.yaml:1: http: is a section: give its keys indented below it`,
		"shop: {shipping: [1]}":               `stoa.yaml:1: shop.shipping: is a map: give its keys indented below it`,
		"http: {addr: }":                      `stoa.yaml:1: http.addr: has no value: write "" for an empty one, or leave the key out`,
		"http: {addr: [a]}":                   `stoa.yaml:1: http.addr: is one value, not a list or a map`,
		"http: {trusted_proxies: a}":          `stoa.yaml:1: http.trusted_proxies: is a list: write [a, b], or a line with - for each`,
		"http: {trusted_proxies: }":           `stoa.yaml:1: http.trusted_proxies: has no value: write [] for an empty list`,
		"http: {trusted_proxies: [a, [b]]}":   `stoa.yaml:1: http.trusted_proxies: each element of the list is one value`,
		"http.addr: x":                        `stoa.yaml:1: http.addr: a key holds no dots and is not empty: nest sections, one level a line`,
		"[http]: x":                           `stoa.yaml:1: a key is one word, not a list or a map`,
		"http: {read_timeout: !!binary aGk=}": `stoa.yaml:1: http.read_timeout: "aGk=" is not a duration: write a number and a unit, such as 250ms, 10s, 5m or 1h30m`,
		"http: {workers: 0x10}":               `stoa.yaml:1: http.workers: "0x10" is not a whole number`,
		"http: {workers: 1_0}":                `stoa.yaml:1: http.workers: "1_0" is not a whole number`,
		"http: {ratio: .nan}":                 `stoa.yaml:1: http.ratio: ".nan" is not a number`,
		"http: {<<: 5}":                       `stoa.yaml:1: http: << merges a map, or a list of maps`,
	} {
		require.Equal(t, []string{want}, faults(t, config.Sources{Files: []string{write(t, "stoa.yaml", text)}}), text)
	}
}

func TestADirectoryIsNoFile(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Sources{Files: []string{t.TempDir()}}, newSettings().sections())
	require.ErrorContains(t, err, "cannot be read: is a directory")
}

func TestAnchorsAndMergesWork(t *testing.T) {
	t.Parallel()
	file := write(t, "stoa.yaml", `
database:
  modules:
    orders: &pg {url: &url postgres://db, pool_size: 5}
    catalog:
      <<: *pg
      pool_size: 9
    users:
      <<: [{pool_size: 1}, *pg]
  url: *url
`)
	s := newSettings()
	_, err := config.Load(config.Sources{Files: []string{file}}, s.sections())
	require.NoError(t, err)
	require.Equal(t, "postgres://db", s.database.URL)
	require.Equal(t, 9, s.database.Modules["catalog"].Pool, "its own key wins, wherever it stands")
	require.Equal(t, "postgres://db", s.database.Modules["catalog"].URL)
	require.Equal(t, 1, s.database.Modules["users"].Pool, "the first of several wins")
}

func TestBombsAreRefused(t *testing.T) {
	t.Parallel()
	var merges, aliases strings.Builder
	merges.WriteString("database:\n  modules:\n    m0: &m0 {url: x}\n")
	aliases.WriteString("http:\n  trusted_proxies: [x]\nshop:\n  shipping:\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&merges, "    m%d: &m%d {<<: [*m%d, *m%d, *m%d, *m%d]}\n", i, i, i-1, i-1, i-1, i-1)
	}
	for i := range 20_000 {
		fmt.Fprintf(&aliases, "    c%d: 1\n", i)
	}
	for name, text := range map[string]string{
		"merges":      merges.String(),
		"many values": aliases.String(),
		"a circle":    "http: &a {<<: *a}",
	} {
		lines := faults(t, config.Sources{Files: []string{write(t, "stoa.yaml", text)}})
		require.Contains(t, lines[len(lines)-1], "is too deeply nested or, with its aliases, too large", name)
	}
	large := write(t, "stoa.yaml", strings.Repeat("# nothing\n", 200_000))
	require.Equal(t, []string{"stoa.yaml: is larger than 1MiB"}, faults(t, config.Sources{Files: []string{large}}))
}

func FuzzFilesNeverPanic(f *testing.F) {
	for _, seed := range []string{"", "http: {addr: x}", "a: &a [*a]", "http: &a {<<: *a}", "shop: {shipping: {USD: 5}}", "? [x]\n: y", "%YAML 1.1\n---\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "f.yaml")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		loaded, err := config.Load(config.Sources{Files: []string{path}}, newSettings().sections())
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		var out strings.Builder
		require.NoError(t, loaded.Show(&out, config.All))
	})
}
