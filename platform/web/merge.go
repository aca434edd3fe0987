package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/danielgtaylor/huma/v2/yaml"
)

// OpenAPI gives the document of all operations that are registered, and of
// those that are known elsewhere, as JSON or as YAML. Nothing needs to run for
// it.
func (s *Server) OpenAPI(asYAML bool) ([]byte, error) {
	return s.document(s.table.Load(), asYAML)
}

func (s *Server) document(t *table, asYAML bool) ([]byte, error) {
	if t == nil || len(t.documents) == 0 {
		if asYAML {
			return s.api.OpenAPI().YAML()
		}
		text, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
		if err != nil {
			return nil, fmt.Errorf("write the OpenAPI document: %w", err)
		}
		return text, nil
	}
	own, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	whole, err := merge(own, t.documents)
	if err != nil {
		return nil, err
	}
	if !asYAML {
		return json.MarshalIndent(whole, "", "  ")
	}
	text, err := json.Marshal(whole)
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	var b bytes.Buffer
	if err := yaml.Convert(&b, bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return b.Bytes(), nil
}

// object is a JSON object whose members are left as they are.
type object = map[string]json.RawMessage

// merge adds the paths and components of documents to one. Names of components
// do not depend on which modules are there, so one name means one thing.
func merge(own json.RawMessage, others []json.RawMessage) (object, error) {
	whole, paths, components, err := take(own)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	for _, text := range others {
		_, more, parts, err := take(text)
		if err != nil {
			return nil, fmt.Errorf("read the OpenAPI document of a module: %w", err)
		}
		// Modules may share a path: then each has methods of its own there.
		if err := deepen(paths, more); err != nil {
			return nil, err
		}
		if err := deepen(components, parts); err != nil {
			return nil, err
		}
	}
	for name, members := range map[string]object{"paths": paths, "components": components} {
		if whole[name], err = json.Marshal(members); err != nil {
			return nil, err
		}
	}
	return whole, nil
}

// take takes a document apart.
func take(text json.RawMessage) (whole, paths, components object, err error) {
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, nil, nil, err
	}
	paths, components = object{}, object{}
	for name, into := range map[string]*object{"paths": &paths, "components": &components} {
		if part := whole[name]; part != nil {
			if err := json.Unmarshal(part, into); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	return whole, paths, components, nil
}

// deepen adds the members of more, which are objects, to those of into; where
// both have one, its members are put together.
func deepen(into, more object) error {
	for name, text := range more {
		have, ok := into[name]
		if !ok {
			into[name] = text
			continue
		}
		var both, added object
		if err := json.Unmarshal(have, &both); err != nil {
			return err
		}
		if err := json.Unmarshal(text, &added); err != nil {
			return err
		}
		maps.Copy(both, added)
		joined, err := json.Marshal(both)
		if err != nil {
			return err
		}
		into[name] = joined
	}
	return nil
}
