package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const prefix = "STOA_"

// variable gives the name of the environment variable for a key.
func variable(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// unambiguous makes sure that no two keys have the same environment variable.
func unambiguous(tree *node) error {
	keys := map[string]string{}
	var err error
	tree.leaves(func(n *node) {
		name := variable(n.path)
		if other, ok := keys[name]; ok {
			err = fmt.Errorf("config: %s and %s would both be the environment variable %s", other, n.path, name)
		}
		keys[name] = n.path
	})
	return err
}

// environ reads the variables that begin with STOA_.
func (r *reader) environ(environ []string) map[string]any {
	values := map[string]any{}
	environ = slices.Clone(environ)
	// A map as a whole stands before its entries whatever order the environment has.
	slices.SortFunc(environ, cmp.Compare)
	for _, entry := range environ {
		name, text, ok := strings.Cut(entry, "=")
		if !ok || !strings.HasPrefix(name, prefix) {
			continue
		}
		if n, key := r.named(name); n != nil {
			r.text(values, n, printable(name), key, text)
			continue
		}
		r.unknownVariable(name)
	}
	return values
}

// named finds the key that a variable sets: a declared one, else an entry of a
// map, whose name is the part of the variable that no key explains.
func (r *reader) named(name string) (found *node, key string) {
	r.tree.leaves(func(n *node) {
		if variable(n.path) == name {
			found, key = n, n.path
		}
	})
	if found != nil {
		return found, key
	}
	r.tree.leaves(func(n *node) {
		if n.kind != dict || found != nil {
			return
		}
		entry, ok := strings.CutPrefix(name, variable(n.path)+"_")
		if !ok || entry == "" {
			return
		}
		n.elem.leaves(func(field *node) {
			// The fields of an entry end the name: …_ORDERS_URL is the url of orders.
			suffix := strings.TrimPrefix(variable(field.path), variable(n.elem.path))
			middle, ok := strings.CutSuffix(entry, suffix)
			if ok && middle != "" && found == nil {
				below := strings.TrimPrefix(strings.TrimPrefix(field.path, n.elem.path), ".")
				found, key = field, join(join(n.path, n.canonical(middle)), below)
			}
		})
	})
	return found, key
}

// unknownVariable reports a variable that sets nothing here, unless it belongs
// to a module that is not linked.
func (r *reader) unknownVariable(name string) {
	for _, key := range r.reference.keys {
		section, _, _ := strings.Cut(key, ".")
		absent := r.tree.child(section) == nil
		if name == variable(key) || (absent || r.reference.open[key]) && strings.HasPrefix(name, variable(key)+"_") {
			r.unread = append(r.unread, unread{key, printable(name)})
			return
		}
	}
	var names []string
	r.tree.leaves(func(n *node) { names = append(names, variable(n.path)) })
	for _, key := range r.reference.keys {
		names = append(names, variable(key))
	}
	problem := "no key has this environment variable"
	if near := nearest(name, names); near != "" {
		problem += "; did you mean " + near + "?"
	}
	r.fault(printable(name), "", problem)
}

// flags reads the key=value assignments of --set.
func (r *reader) flags(assignments []string) map[string]any {
	values := map[string]any{}
	for _, assignment := range assignments {
		key, text, ok := strings.Cut(assignment, "=")
		source := "--set " + printable(key)
		if !ok {
			r.fault(source, "", "is not an assignment: write --set key=value")
			continue
		}
		n, kept := r.tree.find(key)
		if n == nil {
			r.unknown(source, key)
			continue
		}
		r.text(values, n, source, kept, text)
	}
	return values
}
