package web

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// documented is the schemas as the document shows them: a field that is a
// pointer to a struct and never left out may be null, which Huma says of
// scalars only. Requests are judged by the schemas themselves.
type documented struct {
	huma.Registry
	names *schemaNames
}

// MarshalJSON writes the schemas.
func (d documented) MarshalJSON() ([]byte, error) {
	all := maps.Clone(d.Map())
	for name, schema := range all {
		if t, known := d.names.taken[name]; known {
			all[name] = withNulls(schema, t)
		}
	}
	return json.Marshal(all)
}

// withNulls gives the schema of a struct with null where a field may be it.
func withNulls(schema *huma.Schema, t reflect.Type) *huma.Schema {
	if t.Kind() != reflect.Struct {
		return schema
	}
	changed := *schema
	changed.Properties = maps.Clone(schema.Properties)
	for _, f := range reflect.VisibleFields(t) {
		if f.Type.Kind() != reflect.Pointer || f.Type.Elem().Kind() != reflect.Struct {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		p := changed.Properties[name]
		if p == nil || p.Ref == "" || strings.Contains(options, "omit") {
			continue
		}
		changed.Properties[name] = &huma.Schema{
			Description: p.Description,
			AnyOf:       []*huma.Schema{{Ref: p.Ref}, {Type: "null"}},
		}
	}
	return &changed
}
