package architecture_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/app/architecture"
)

const house = "../.."

func TestTheHouseKeepsToItsArrows(t *testing.T) {
	t.Parallel()
	packages, err := architecture.List(house)
	require.NoError(t, err)
	require.Greater(t, len(packages), 40, "go list did not see the house")
	require.Empty(t, architecture.Check(packages))
}

func TestNoSQLNamesATableOfAnotherModule(t *testing.T) {
	t.Parallel()
	packages, err := architecture.List(house)
	require.NoError(t, err)
	found, err := architecture.CheckSQL(house, packages)
	require.NoError(t, err)
	require.Empty(t, found)
}

// Each fixture is a house of its own that breaks the rule it is named after,
// and no other.
func TestEveryRuleCanFire(t *testing.T) {
	t.Parallel()
	fixtures, err := os.ReadDir("testdata")
	require.NoError(t, err)
	fired := map[string]bool{}
	for _, f := range fixtures {
		dir := filepath.Join("testdata", f.Name())
		packages, err := architecture.List(dir)
		require.NoError(t, err)
		found := architecture.Check(packages)
		sql, err := architecture.CheckSQL(dir, packages)
		require.NoError(t, err)
		found = append(found, sql...)
		rule, _, _ := strings.Cut(f.Name(), "-")
		require.NotEmpty(t, found, "%s breaks its rule and is not found", f.Name())
		for _, v := range found {
			require.Equal(t, rule, v.Rule, "%s: %s", f.Name(), v)
		}
		fired[rule] = true
	}
	for _, rule := range architecture.Rules() {
		require.True(t, fired[rule], "rule %q has no fixture that breaks it", rule)
	}
}

func TestABinaryOfOneModuleLinksNoOther(t *testing.T) {
	t.Parallel()
	commands, err := filepath.Glob(filepath.Join(house, "cmd", "stoa-*"))
	require.NoError(t, err)
	require.NotEmpty(t, commands)
	for _, c := range commands {
		command := "cmd/" + filepath.Base(c)
		packages, err := architecture.Links(house, command)
		require.NoError(t, err)
		require.Empty(t, architecture.CheckLinks(command, packages))
	}

	// The whole shop links them all, so the check must see that.
	packages, err := architecture.Links(house, "cmd/stoa")
	require.NoError(t, err)
	found := architecture.CheckLinks("cmd/stoa-orders", packages)
	require.NotEmpty(t, found)
	require.NotEmpty(t, architecture.CheckLinks("cmd/stoa-orders", []string{"stoa/app"}), "and that a module is missing")
	for _, v := range found {
		require.NotContains(t, v.What, "/orders/")
	}
}
