package web

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Optional is a field of a JSON Merge Patch (RFC 7396), which may be left out,
// null or a value. It is tagged omitzero, so that it may be left out:
//
//	Name web.Optional[string] `json:"name,omitzero" minLength:"1"`
type Optional[T any] struct {
	// Set tells that the field was there.
	Set bool
	// Null tells that it was null.
	Null bool
	// Value is the value, where there was one.
	Value T
}

// Some is a field that was set to a value.
func Some[T any](value T) Optional[T] { return Optional[T]{Set: true, Value: value} }

// IsZero tells that the field was left out.
func (o Optional[T]) IsZero() bool { return !o.Set }

// Or gives the value where there was one, else what there was before.
func (o Optional[T]) Or(before T) T {
	if o.Set && !o.Null {
		return o.Value
	}
	return before
}

// UnmarshalJSONFrom reads null or a value.
func (o *Optional[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*o = Optional[T]{Set: true}
	if d.PeekKind() == 'n' {
		o.Null = true
		return d.SkipValue()
	}
	return json.UnmarshalDecode(d, &o.Value)
}

// MarshalJSONTo writes null or the value.
func (o Optional[T]) MarshalJSONTo(e *jsontext.Encoder) error {
	if !o.Set || o.Null {
		return e.WriteToken(jsontext.Null)
	}
	return json.MarshalEncode(e, o.Value)
}

// Schema is that of the value, or null.
func (o Optional[T]) Schema(r huma.Registry) *huma.Schema {
	s := r.Schema(reflect.TypeFor[T](), true, "")
	if s.Ref != "" {
		return &huma.Schema{AnyOf: []*huma.Schema{s, {Type: "null", Enum: []any{nil}}}}
	}
	s.Nullable = true
	return s
}
