package web

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// output is how an answer is written that has a status, fields of text and a
// body of JSON, as nearly all have: straight from the handler's struct, without
// the copies and the negotiation that Huma would make of it. Any other output
// is left to Huma.
type output struct {
	status  int // index of the field Status, -1 where there is none
	body    int // index of the field Body, -1 where there is none
	headers []outputHeader
}

type outputHeader struct {
	index int
	name  string
}

// newOutput gives how outputs of a type are written, nil where Huma has to.
func newOutput(t reflect.Type) *output {
	o := &output{status: -1, body: -1}
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case !f.IsExported():
		case f.Anonymous:
			return nil
		case f.Name == "Status":
			o.status = i
		case f.Name == "Body":
			if f.Type.Kind() == reflect.Func || f.Type == reflect.TypeFor[[]byte]() || reflect.PointerTo(f.Type).Implements(reflect.TypeFor[huma.ContentTypeFilter]()) {
				return nil
			}
			o.body = i
		case f.Type.Kind() == reflect.String && f.Tag.Get("header") != "Content-Type" && f.Tag.Get("header") != "":
			o.headers = append(o.headers, outputHeader{i, f.Tag.Get("header")})
		default:
			return nil
		}
	}
	return o
}

// write answers with out, a pointer to a struct of the type.
func (o *output) write(r *request, out reflect.Value) error {
	x := (*exchange)(r)
	for _, h := range o.headers {
		if value := out.Field(h.index).String(); value != "" {
			x.SetHeader(h.name, value)
		}
	}
	status := r.op.document.DefaultStatus
	if o.status >= 0 {
		status = int(out.Field(o.status).Int())
	}
	resp := &r.http.Response
	resp.SetStatusCode(status)
	if o.body < 0 || status == http.StatusNoContent {
		return nil
	}
	resp.Header.SetContentType(jsonType)
	return encode(r.http, out.Field(o.body).Addr().Interface())
}
