package config

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// known is what the reference file holds: the keys of every module.
type known struct {
	keys []string        // every key, sections included
	open map[string]bool // maps without entries: any key may stand below
}

// has reports whether the reference knows a key.
func (k *known) has(key string) bool {
	return slices.Contains(k.keys, key) || slices.ContainsFunc(k.keys, func(o string) bool { return k.open[o] && within(key, o) })
}

func readReference(text []byte) (*known, error) {
	k := &known{open: map[string]bool{}}
	if len(text) == 0 {
		return k, nil
	}
	top, err := parseYAML(text)
	if err != nil {
		return nil, fmt.Errorf("the configuration reference: %w", err)
	}
	if top != nil {
		k.collect(top, "")
	}
	return k, nil
}

func (k *known) collect(m *yaml.Node, path string) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, v := join(path, m.Content[i].Value), m.Content[i+1]
		k.keys = append(k.keys, key)
		if v.Kind == yaml.MappingNode {
			k.open[key] = len(v.Content) == 0
			k.collect(v, key)
		}
	}
}
