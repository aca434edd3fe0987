package config

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// node is one key that somebody declared.
type node struct {
	path     string
	kind     kind
	children []*node // of a group, in the order declared
	elem     *node   // of a dict: what each entry is; its path ends in "*"
	upper    bool    // of a dict: keys are upper case
	typ      reflect.Type
	usage    string
	allowed  []string
	min, max string
	secret   bool
}

type kind int

const (
	group  kind = iota // a section or struct
	dict               // a map: keys are the user's
	scalar             // one value
	list               // a list of values
)

func (k kind) String() string {
	return [...]string{"a section", "a map", "a value", "a list"}[k]
}

// name is the last part of the path.
func (n *node) name() string { return n.path[strings.LastIndexByte(n.path, '.')+1:] }

// child gives the declared key below n, nil where there is none; for a map any
// name has one.
func (n *node) child(name string) *node {
	if n.kind == dict {
		return n.elem
	}
	i := slices.IndexFunc(n.children, func(c *node) bool { return c.name() == name })
	if i < 0 {
		return nil
	}
	return n.children[i]
}

// canonical gives the spelling of a map's key that is kept.
func (n *node) canonical(name string) string {
	switch {
	case n.kind != dict:
		return name
	case n.upper:
		return strings.ToUpper(name)
	default:
		return strings.ToLower(name)
	}
}

// find gives the node at a path below n, and the path as it is kept.
func (n *node) find(path string) (*node, string) {
	kept := ""
	for name := range strings.SplitSeq(path, ".") {
		if n.kind != group && n.kind != dict || name == "" {
			return nil, ""
		}
		name = n.canonical(name)
		if n = n.child(name); n == nil {
			return nil, ""
		}
		kept = join(kept, name)
	}
	return n, kept
}

// leaves calls f for every node below n that is no group, in order.
func (n *node) leaves(f func(*node)) {
	if n.kind != group {
		f(n)
		return
	}
	for _, c := range n.children {
		c.leaves(f)
	}
}

// join puts two paths together; either may be empty.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "." + b
}

// within reports whether path is key or below it.
func within(path, key string) bool {
	return key == "" || path == key || strings.HasPrefix(path, key+".")
}

// declare builds the tree of all keys and the map of their defaults. Its errors
// are defects of the program.
func declare(sections []Section) (*node, map[string]any, error) {
	root, defaults := &node{}, map[string]any{}
	for _, s := range sections {
		v := reflect.ValueOf(s.Target)
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return nil, nil, fmt.Errorf("config section %q: the target is a %T, not a pointer to a struct", s.Key, s.Target)
		}
		at, values := root, defaults
		if s.Key != "" {
			for name := range strings.SplitSeq(s.Key, ".") {
				next := at.child(name)
				if next == nil {
					next = &node{path: join(at.path, name)}
					at.children = append(at.children, next)
					values[name] = map[string]any{}
				}
				if next.kind != group {
					return nil, nil, fmt.Errorf("config section %q: %s is %s elsewhere", s.Key, next.path, next.kind)
				}
				at, values = next, values[name].(map[string]any)
			}
		}
		if err := at.declare(v.Elem(), values); err != nil {
			return nil, nil, fmt.Errorf("config section %q: %w", s.Key, err)
		}
	}
	return root, defaults, unambiguous(root)
}

var goodName = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// declare adds the fields of a struct below n, and their values to defaults.
func (n *node) declare(v reflect.Value, defaults map[string]any) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, tagged := field.Tag.Lookup("koanf")
		if !field.IsExported() || name == "-" {
			continue
		}
		if !tagged || !goodName.MatchString(name) {
			return fmt.Errorf("field %s has no koanf tag in lower snake case", field.Name)
		}
		c, err := describe(join(n.path, name), field.Type, field.Tag)
		if err != nil {
			return fmt.Errorf("field %s: %w", field.Name, err)
		}
		if c.kind == group {
			if known := n.child(name); known == nil {
				n.children = append(n.children, c)
				defaults[name] = map[string]any{}
			} else if c = known; c.kind != group {
				return fmt.Errorf("%s is %s elsewhere", c.path, c.kind)
			}
			if err := c.declare(v.Field(i), defaults[name].(map[string]any)); err != nil {
				return err
			}
			continue
		}
		value, err := plain(v.Field(i))
		if err != nil {
			return fmt.Errorf("field %s: its default: %w", field.Name, err)
		}
		if known := n.child(name); known != nil {
			if known.kind != c.kind || known.typ != c.typ || !reflect.DeepEqual(defaults[name], value) {
				return fmt.Errorf("%s is declared elsewhere with another type or default", c.path)
			}
			continue
		}
		if err := c.checkAll(value); err != nil {
			return fmt.Errorf("field %s: its default %w", field.Name, err)
		}
		n.children = append(n.children, c)
		defaults[name] = value
	}
	return nil
}

// checkAll checks the default of a value or a list.
func (n *node) checkAll(value any) error {
	switch v := value.(type) {
	case string:
		return n.check(v)
	case []any:
		for _, item := range v {
			if err := n.check(item.(string)); err != nil {
				return err
			}
		}
	}
	return nil
}

// describe makes the node of a field; a struct's fields are left to declare.
func describe(path string, t reflect.Type, tag reflect.StructTag) (*node, error) {
	n := &node{path: path, typ: t, usage: tag.Get("usage"), min: tag.Get("min"), max: tag.Get("max"), secret: tag.Get("secret") == "true"}
	if allowed := tag.Get("allowed"); allowed != "" {
		n.allowed = strings.Split(allowed, "|")
	}
	switch {
	case isScalar(t):
		n.kind = scalar
	case t.Kind() == reflect.Struct:
		n.kind = group
	case t.Kind() == reflect.Slice && isScalar(t.Elem()):
		n.kind, n.typ = list, t.Elem()
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		n.kind, n.upper = dict, tag.Get("keys") == "upper"
		elem, err := describe(join(path, "*"), t.Elem(), tag)
		if err != nil {
			return nil, err
		}
		if elem.kind == dict {
			return nil, fmt.Errorf("a map of maps cannot be declared")
		}
		if elem.kind == group {
			if err := elem.declare(reflect.New(t.Elem()).Elem(), map[string]any{}); err != nil {
				return nil, err
			}
		}
		n.elem = elem
	default:
		return nil, fmt.Errorf("a %s cannot be declared", t)
	}
	return n, n.checkBounds()
}

// checkBounds makes sure that min and max are values that can be compared.
func (n *node) checkBounds() error {
	if n.kind == dict {
		return nil // they are those of its entries
	}
	for _, bound := range []string{n.min, n.max} {
		if bound == "" {
			continue
		}
		if n.kind == group {
			return fmt.Errorf("a struct has no bounds")
		}
		if v, err := parse(n.typ, bound); err != nil || !v.CanInt() && !v.CanUint() && !v.CanFloat() {
			return fmt.Errorf("%q is no bound for a %s", bound, n.typ)
		}
	}
	return nil
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

func isScalar(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	default:
		return false
	}
}

// plain turns a default into what a file would hold: text, lists of text, maps.
func plain(v reflect.Value) (any, error) {
	switch t := v.Type(); {
	case isScalar(t):
		return format(v), nil
	case t.Kind() == reflect.Slice:
		items := make([]any, v.Len())
		for i := range items {
			items[i] = format(v.Index(i))
		}
		return items, nil
	case t.Kind() == reflect.Map:
		m := make(map[string]any, v.Len())
		for _, k := range v.MapKeys() {
			item, err := plain(v.MapIndex(k))
			if err != nil {
				return nil, err
			}
			m[k.String()] = item
		}
		return m, nil
	default: // a struct within a map
		m := map[string]any{}
		return m, (&node{}).declare(v, m)
	}
}
