package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/module"
)

func modules(needs map[string][]string, order ...string) []module.Module {
	var all []module.Module
	for _, name := range order {
		all = append(all, module.Module{Name: name, Needs: needs[name]})
	}
	return all
}

// nowhere is where modules are that do not run here.
func nowhere(string) (string, error) { return "", errAlone }

func TestModulesStartAfterThoseTheyNeed(t *testing.T) {
	t.Parallel()
	all := modules(map[string][]string{"a": {"b", "c"}, "b": {"c"}}, "a", "b", "c")
	ordered, err := startOrder(all, nowhere)
	require.NoError(t, err)
	require.Equal(t, []string{"c", "b", "a"}, namesOf(ordered))
}

func TestAMissingNeighbourIsAnErrorThatNamesBoth(t *testing.T) {
	t.Parallel()
	_, err := startOrder(modules(map[string][]string{"orders": {"catalog"}}, "orders"), nowhere)
	require.ErrorContains(t, err, "module orders needs module catalog")
}

func TestACircleIsAnErrorThatShowsIt(t *testing.T) {
	t.Parallel()
	_, err := startOrder(modules(map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"b"}}, "a", "b", "c"), nowhere)
	require.ErrorContains(t, err, "b → c → b")
}

func TestTwoModulesOfOneNameAreAnError(t *testing.T) {
	t.Parallel()
	_, err := startOrder(modules(nil, "a", "a"), nowhere)
	require.ErrorContains(t, err, `two modules are named "a"`)
}

func TestAnUnknownModuleIsAnErrorThatListsTheKnown(t *testing.T) {
	t.Parallel()
	_, err := choose(modules(nil, "users", "orders"), []string{"user"})
	require.ErrorContains(t, err, `"user"`)
	require.ErrorContains(t, err, "users, orders")
	_, err = choose(modules(nil, "users", "orders"), []string{"users", "users"})
	require.ErrorContains(t, err, "twice")
}

func TestACommandStartsItsModuleAndWhatThatNeeds(t *testing.T) {
	t.Parallel()
	all := modules(map[string][]string{"orders": {"catalog"}, "catalog": {"files"}}, "users", "files", "catalog", "orders")
	chosen, err := needed(all, all, "orders")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"orders", "catalog", "files"}, namesOf(chosen))
}

func TestACommandLeavesToOthersWhatIsTheirs(t *testing.T) {
	t.Parallel()
	all := modules(map[string][]string{"orders": {"catalog", "users"}}, "users", "catalog", "orders")
	chosen, err := needed(all, all[1:2], "orders")
	require.NoError(t, err)
	require.Equal(t, []string{"orders", "catalog"}, namesOf(chosen))
	_, err = needed(all, all, "payments")
	require.ErrorContains(t, err, `"payments"`)
}
