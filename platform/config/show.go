package config

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Mode is what Show writes.
type Mode int

// The modes of Show.
const (
	All      Mode = iota // every key with its value and where that came from
	Defaults             // every key with its default and its help
	Changed              // the keys whose value is not the default
)

// Value is a key and what it is set to.
type Value struct {
	// Key is the full key; an entry of a map has one of its own.
	Key string
	// Value is a string, a []string, or an empty map[string]any for a map without
	// entries. Secrets are masked.
	Value any
	// Source is Default, or the file and line, variable or flag that gave it.
	Source string
	// Changed tells whether the value differs from the default.
	Changed bool
	// Usage is the help line, Allowed the only values there may be, if any.
	Usage   string
	Allowed []string

	node *node
}

// Values lists the whole configuration in the order it was declared.
func (l *Loaded) Values() []Value { return l.list(l.values.Raw(), l.defaults.Raw()) }

func (l *Loaded) list(values, defaults map[string]any) []Value {
	var all []Value
	var visit func(n *node, path string, value, def any)
	visit = func(n *node, path string, value, def any) {
		entries, _ := value.(map[string]any)
		defs, _ := def.(map[string]any)
		switch {
		case n.kind == group:
			for _, c := range n.children {
				visit(c, join(path, c.name()), entries[c.name()], defs[c.name()])
			}
		case n.kind == dict && len(entries) > 0:
			for _, name := range slices.Sorted(maps.Keys(entries)) {
				visit(n.elem, join(path, name), entries[name], defs[name])
			}
		case value != nil:
			source, ok := l.origins[path]
			if !ok {
				source = Default
			}
			all = append(all, Value{
				Key: path, Value: n.shown(value), Source: source, Changed: !n.same(value, def),
				Usage: n.usage, Allowed: n.allowed, node: n,
			})
		}
	}
	visit(l.tree, "", values, defaults)
	return all
}

// shown gives a value as it may be shown.
func (n *node) shown(value any) any {
	hide := func(text string) string {
		if n.secret && text != "" {
			return masked
		}
		return mask(text)
	}
	switch v := value.(type) {
	case string:
		return hide(v)
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = hide(v[i].(string))
		}
		return items
	default:
		return map[string]any{}
	}
}

// Show writes the configuration as YAML, which a file could hold again but for
// masked secrets.
func (l *Loaded) Show(w io.Writer, mode Mode) error {
	values := l.Values()
	if mode == Defaults {
		values = l.list(l.defaults.Raw(), l.defaults.Raw())
	}
	doc := &yaml.Node{Kind: yaml.MappingNode}
	for _, v := range values {
		if mode == Changed && !v.Changed {
			continue
		}
		key, value := v.nodes()
		if mode == Defaults {
			key.HeadComment = v.Usage
			if len(v.Allowed) > 0 {
				key.HeadComment += ": " + strings.Join(v.Allowed, ", ")
			}
		} else {
			value.LineComment = v.Source
		}
		insert(doc, v.Key, key, value)
	}
	if len(doc.Content) > 0 {
		encoder := yaml.NewEncoder(w)
		encoder.SetIndent(2)
		if err := encoder.Encode(doc); err != nil {
			return err
		}
	}
	if mode != All {
		return nil
	}
	for _, u := range l.unread {
		if _, err := fmt.Fprintf(w, "# %s is for a module that is not part of this program: %s\n", u.key, u.source); err != nil {
			return err
		}
	}
	return nil
}

// nodes makes the YAML of a value: text stays text, so that it is quoted where
// it looks like a number.
func (v Value) nodes() (key, value *yaml.Node) {
	key = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v.Key[strings.LastIndexByte(v.Key, '.')+1:]}
	switch x := v.Value.(type) {
	case string:
		return key, v.node.scalar(x)
	case []string:
		value = &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, item := range x {
			value.Content = append(value.Content, v.node.scalar(item))
		}
		return key, value
	default:
		return key, &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	}
}

func (n *node) scalar(text string) *yaml.Node {
	tag := "!!str"
	switch n.typ.Kind() {
	case reflect.Bool, reflect.Float64, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		tag = "" // whatever it looks like: 5 and 5s need no quotes
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
}

// insert puts key and value into a document at a dotted path.
func insert(doc *yaml.Node, path string, key, value *yaml.Node) {
	name, rest, nested := strings.Cut(path, ".")
	if !nested {
		doc.Content = append(doc.Content, key, value)
		return
	}
	for i := 0; i+1 < len(doc.Content); i += 2 {
		if doc.Content[i].Value == name {
			insert(doc.Content[i+1], rest, key, value)
			return
		}
	}
	below := &yaml.Node{Kind: yaml.MappingNode}
	doc.Content = append(doc.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, below)
	insert(below, rest, key, value)
}
