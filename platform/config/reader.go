package config

import (
	"slices"
	"strconv"
	"strings"
)

// reader reads sources against the declared keys. It collects faults rather
// than stopping at one, and leaves out of a layer what is wrong with it.
type reader struct {
	tree      *node
	reference *known
	origins   map[string]string // key → source of the last value given
	faults    []*Fault
	unread    []unread
	broken    bool // a source could not be read at all
}

// unread is a value for a key that this program does not use.
type unread struct{ key, source string }

func (r *reader) fault(source, key, problem string) {
	r.faults = append(r.faults, &Fault{Source: source, Key: key, Problem: problem})
}

// unknown reports a key that nobody declared, unless the reference knows it.
func (r *reader) unknown(source, key string) {
	if r.foreign(key) {
		r.unread = append(r.unread, unread{key, source})
		return
	}
	problem := "there is no such key"
	if near := r.suggest(key); near != "" {
		problem += "; did you mean " + near + "?"
	}
	r.fault(source, key, problem)
}

// foreign reports whether a key that nobody declared belongs to a module that
// is not linked: its section is in the reference and nobody's here, or the
// section is shared and the reference holds the key itself.
func (r *reader) foreign(key string) bool {
	section, _, _ := strings.Cut(key, ".")
	if r.tree.child(section) == nil {
		return r.reference.has(section)
	}
	return r.reference.has(key)
}

// suggest gives the known key that was most likely meant: one that is spelt
// nearly so, or has the same last part elsewhere.
func (r *reader) suggest(key string) string {
	var keys []string
	r.tree.walk(func(n *node) {
		if !strings.Contains(n.path, "*") {
			keys = append(keys, n.path)
		}
	})
	keys = append(keys, r.reference.keys...)
	if near := nearest(key, keys); near != "" {
		return near
	}
	last := key[strings.LastIndexByte(key, '.')+1:]
	if i := slices.IndexFunc(keys, func(k string) bool { return strings.HasSuffix(k, "."+last) }); i >= 0 {
		return keys[i]
	}
	return ""
}

// text puts a value that a source could only give as text into a layer: a list
// as "a,b", a map as "key=value,key=value".
func (r *reader) text(values map[string]any, n *node, source, key, text string) {
	switch n.kind {
	case scalar:
		r.value(values, n, source, key, text)
	case list:
		items := []any{}
		for _, item := range split(text) {
			if err := n.check(item); err != nil {
				r.fault(source, key, err.Error())
				return
			}
			items = append(items, item)
		}
		r.put(values, source, key, items)
	case dict:
		if n.elem.kind != scalar {
			r.fault(source, key, "is a map: give its entries one by one, each with its own key")
			return
		}
		r.put(values, source, key, map[string]any{})
		for _, item := range split(text) {
			name, value, ok := strings.Cut(item, "=")
			name = n.canonical(strings.TrimSpace(name))
			if !ok || name == "" || strings.Contains(name, ".") {
				r.fault(source, key, "is a map: write its entries as key=value,key=value")
				return
			}
			r.value(values, n.elem, source, join(key, name), strings.TrimSpace(value))
		}
	default:
		r.fault(source, key, "is a section: give a key below it")
	}
}

// value checks a scalar and puts it into a layer.
func (r *reader) value(values map[string]any, n *node, source, key, text string) {
	if err := n.check(text); err != nil {
		r.fault(source, key, err.Error())
		return
	}
	r.put(values, source, key, text)
}

// put sets a checked value at a dotted key.
func (r *reader) put(values map[string]any, source, key string, value any) {
	names := strings.Split(key, ".")
	for _, name := range names[:len(names)-1] {
		below, ok := values[name].(map[string]any)
		if !ok {
			below = map[string]any{}
			values[name] = below
		}
		values = below
	}
	name := names[len(names)-1]
	if _, isMap := value.(map[string]any); !isMap || values[name] == nil {
		values[name] = value
	}
	r.origins[key] = source
}

// split takes a comma separated list apart; empty parts are left out.
func split(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// walk calls f for every node below n, in order.
func (n *node) walk(f func(*node)) {
	for _, c := range n.children {
		f(c)
		c.walk(f)
	}
	if n.elem != nil {
		f(n.elem)
		n.elem.walk(f)
	}
}

// printable gives text as it is where it fits on one line of a terminal, else
// quoted.
func printable(text string) string {
	if quoted := strconv.Quote(text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}
