package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// What a configuration file may hold. Aliases count as often as they are used.
const (
	maxFile  = 1 << 20 // bytes
	maxNodes = 10_000
	maxDepth = 32
)

// file reads a YAML file.
func (r *reader) file(path string) map[string]any {
	values := map[string]any{}
	text, err := readFile(path)
	if err != nil {
		r.broken = true
		r.fault(printable(path), "", err.Error())
		return values
	}
	doc, err := parseYAML(text)
	if err != nil {
		r.broken = true
		r.fault(printable(path), "", err.Error())
		return values
	}
	f := &fileReader{reader: r, path: printable(path), values: values}
	if err := f.mapping(doc, r.tree, "", 0); err != nil {
		r.broken = true
		f.fault(f.path, "", err.Error())
	}
	return values
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no such file")
	}
	if err != nil {
		return nil, cannotRead(err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, cannotRead(err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("is larger than %s", Bytes(maxFile))
	}
	return text, nil
}

// cannotRead says why without the path, which the fault names anyway.
func cannotRead(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// parseYAML gives the one mapping that a file holds, nil where it is empty.
func parseYAML(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one document")
	}
	top := doc.Content[0]
	if isNull(top) {
		return nil, nil
	}
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: is not a map of sections, such as \"http:\" with keys indented below it", top.Line)
	}
	return top, nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// fileReader walks one file.
type fileReader struct {
	*reader
	path   string
	values map[string]any
	nodes  int
}

var errTooMuch = errors.New("is too deeply nested or, with its aliases, too large")

// mapping reads a mapping whose keys are those of n. It fails only where the
// file asks for more work than is reasonable.
func (f *fileReader) mapping(m *yaml.Node, n *node, key string, depth int) error {
	if m == nil {
		return nil
	}
	pairs, err := f.pairs(m, key, depth)
	if err != nil {
		return err
	}
	seen := map[string]int{}
	for _, p := range pairs {
		name := n.canonical(p.name)
		source, path := f.at(p.value), join(key, name)
		if line, twice := seen[name]; twice {
			if !p.merged {
				f.fault(source, path, fmt.Sprintf("is given twice, first in line %d", line))
			}
			continue
		}
		seen[name] = p.line
		source = fmt.Sprintf("%s:%d", f.path, p.line)
		if name == "" || strings.Contains(name, ".") {
			f.fault(source, printable(path), "a key holds no dots and is not empty: nest sections, one level a line")
			continue
		}
		c := n.child(name)
		if c == nil {
			f.unknown(source, printable(path))
			continue
		}
		if err := f.read(p.value, c, source, path, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// read reads the value of the key that c declares.
func (f *fileReader) read(v *yaml.Node, c *node, source, path string, depth int) error {
	if f.nodes++; f.nodes > maxNodes || depth > maxDepth {
		return errTooMuch
	}
	for v.Kind == yaml.AliasNode {
		v = v.Alias
	}
	empty := isNull(v)
	switch {
	case c.kind == group || c.kind == dict:
		if empty {
			return nil // all that would stand below it is commented out
		}
		if v.Kind != yaml.MappingNode {
			f.fault(source, path, fmt.Sprintf("is %s: give its keys indented below it", c.kind))
			return nil
		}
		if c.kind == dict {
			f.put(f.values, source, path, map[string]any{})
		}
		return f.mapping(v, c, path, depth)
	case empty && c.kind == list:
		f.fault(source, path, "has no value: write [] for an empty list")
	case empty:
		f.fault(source, path, `has no value: write "" for an empty one, or leave the key out`)
	case c.kind == list && v.Kind == yaml.SequenceNode:
		return f.list(v, c, source, path)
	case c.kind == list:
		f.fault(source, path, "is a list: write [a, b], or a line with - for each")
	case v.Kind != yaml.ScalarNode:
		f.fault(source, path, "is one value, not a list or a map")
	default:
		f.value(f.values, c, source, path, v.Value)
	}
	return nil
}

func (f *fileReader) list(v *yaml.Node, c *node, source, path string) error {
	items, good := []any{}, true
	for _, item := range v.Content {
		if f.nodes++; f.nodes > maxNodes {
			return errTooMuch
		}
		for item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		if item.Kind != yaml.ScalarNode || isNull(item) {
			f.fault(f.at(item), path, "each element of the list is one value")
			good = false
			continue
		}
		if err := c.check(item.Value); err != nil {
			f.fault(f.at(item), path, err.Error())
			good = false
			continue
		}
		items = append(items, item.Value)
	}
	if good {
		f.put(f.values, source, path, items)
	}
	return nil
}

// pair is a key and its value.
type pair struct {
	name   string
	line   int
	value  *yaml.Node
	merged bool // by <<, so that a key of the mapping's own wins
}

// pairs gives what a mapping holds: its own keys first, then what it merges
// with "<<" (https://yaml.org/type/merge.html).
func (f *fileReader) pairs(m *yaml.Node, key string, depth int) ([]pair, error) {
	var own, merged []pair
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		if f.nodes++; f.nodes > maxNodes || depth > maxDepth {
			return nil, errTooMuch
		}
		for k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		switch {
		case k.Kind != yaml.ScalarNode:
			f.fault(f.at(k), key, "a key is one word, not a list or a map")
		case k.ShortTag() == "!!merge":
			from, err := f.merge(v, key, depth+1)
			if err != nil {
				return nil, err
			}
			merged = append(merged, from...)
		default:
			own = append(own, pair{name: k.Value, line: k.Line, value: v})
		}
	}
	return append(own, merged...), nil
}

// merge gives the pairs of the mapping, or list of mappings, behind a "<<".
func (f *fileReader) merge(v *yaml.Node, key string, depth int) ([]pair, error) {
	for v.Kind == yaml.AliasNode {
		v = v.Alias
	}
	sources := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		sources = v.Content
	}
	var all []pair
	for _, s := range sources {
		for s.Kind == yaml.AliasNode {
			s = s.Alias
		}
		if s.Kind != yaml.MappingNode {
			f.fault(f.at(s), key, "<< merges a map, or a list of maps")
			continue
		}
		pairs, err := f.pairs(s, key, depth)
		if err != nil {
			return nil, err
		}
		for _, p := range pairs {
			p.merged = true
			all = append(all, p)
		}
	}
	return all, nil
}

func (f *fileReader) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", f.path, n.Line) }
