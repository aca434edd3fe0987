package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"stoa/platform/module"
)

// choose gives the named modules; all of them where none is named.
func choose(all []module.Module, names []string) ([]module.Module, error) {
	if len(names) == 0 {
		return all, nil
	}
	var chosen []module.Module
	for _, name := range names {
		i := slices.IndexFunc(all, func(m module.Module) bool { return m.Name == name })
		switch {
		case i < 0:
			return nil, fmt.Errorf("there is no module %q here; this binary has %s", name, strings.Join(namesOf(all), ", "))
		case has(chosen, name):
			return nil, fmt.Errorf("module %q is named twice", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// startOrder puts modules after those they need. Reach tells where a module that
// is not among them is found. A neighbour that is missing and a circle of needs
// are errors that name who needs whom.
func startOrder(modules []module.Module, reach func(name string) (string, error)) ([]module.Module, error) {
	byName := map[string]module.Module{}
	for _, m := range modules {
		if _, twice := byName[m.Name]; twice {
			return nil, fmt.Errorf("two modules are named %q", m.Name)
		}
		byName[m.Name] = m
	}
	var (
		ordered []module.Module
		lacking error // every neighbour that is nowhere
		done    = map[string]bool{}
		path    []string
		visit   func(m module.Module) error
	)
	visit = func(m module.Module) error {
		if done[m.Name] {
			return nil
		}
		if at := slices.Index(path, m.Name); at >= 0 {
			return fmt.Errorf("modules need each other in a circle: %s", strings.Join(append(path[at:], m.Name), " → "))
		}
		path = append(path, m.Name)
		for _, name := range m.Needs {
			neighbour, here := byName[name]
			if !here {
				if _, err := reach(name); err != nil {
					lacking = errors.Join(lacking, fmt.Errorf("module %s needs module %s, which neither runs here nor can be reached: %w", m.Name, name, err))
				}
				continue
			}
			if err := visit(neighbour); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		done[m.Name] = true
		ordered = append(ordered, m)
		return nil
	}
	for _, m := range modules {
		if err := visit(m); err != nil {
			return nil, err
		}
	}
	return ordered, lacking
}

// needed gives a module of those that are linked, and everything it needs,
// directly or not, that is among those that run here.
func needed(linked, here []module.Module, name string) ([]module.Module, error) {
	list, err := choose(linked, []string{name})
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(list); i++ {
		for _, neighbour := range list[i].Needs {
			at := slices.IndexFunc(here, func(m module.Module) bool { return m.Name == neighbour })
			if at >= 0 && !has(list, neighbour) {
				list = append(list, here[at])
			}
		}
	}
	return list, nil
}

func has(list []module.Module, name string) bool {
	return slices.ContainsFunc(list, func(m module.Module) bool { return m.Name == name })
}

func namesOf(modules []module.Module) []string {
	names := make([]string, len(modules))
	for i, m := range modules {
		names[i] = m.Name
	}
	return names
}
