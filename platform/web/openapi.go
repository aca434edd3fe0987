package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"stoa/platform/errs"
)

const (
	bearerScheme = "bearer"
	apiKeyScheme = "apiKey"
)

func (s *Server) humaConfig() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: cmp.Or(s.deps.Title, "Stoa"), Version: cmp.Or(s.deps.Version, "0"), Description: s.deps.Description},
			Servers: []*huma.Server{{URL: "/"}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", s.names.name),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					bearerScheme: {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
					apiKeyScheme: {Type: "apiKey", In: "header", Name: headerAPIKey},
				},
			},
		},
		Formats: map[string]huma.Format{
			jsonType: {Marshal: encode, Unmarshal: decode},
		},
		DefaultFormat: jsonType,
	}
}

// OpenAPI gives the document of all operations that are registered, as JSON or
// as YAML. Nothing needs to run for it.
func (s *Server) OpenAPI(yaml bool) ([]byte, error) {
	if yaml {
		return s.api.OpenAPI().YAML()
	}
	text, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return text, nil
}

// describe gives the operation as Huma registers it.
func (o *operation) describe() huma.Operation {
	d := huma.Operation{
		OperationID:   o.ID,
		Method:        o.Method,
		Path:          o.route,
		DefaultStatus: o.Status,
		Summary:       o.Summary,
		Description:   o.Description,
		Tags:          []string{o.router.module},
		Metadata:      map[string]any{operationKey: o},
		// The body is read and judged before Huma gets it.
		SkipValidateBody: true,
		MaxBodyBytes:     -1,
		BodyReadTimeout:  -1,
	}
	bearer, key := map[string][]string{bearerScheme: {}}, map[string][]string{apiKeyScheme: {}}
	switch {
	case o.NoIdentity:
		d.Security = []map[string][]string{}
	case o.Access == Anyone:
		d.Security = []map[string][]string{{}, bearer, key}
	default:
		d.Security = []map[string][]string{bearer, key}
	}
	return d
}

// complete adds to the document what all operations have in common.
func (o *operation) complete() {
	d := o.document
	delete(d.Responses, "default")
	for status, response := range d.Responses {
		o.commonHeaders(response)
		o.media(status, response)
	}
	if o.Idempotent {
		d.Parameters = append(d.Parameters, &huma.Param{
			Name: headerIdempotencyKey, In: "header", Description: "Makes the request take effect once, however often it is sent.",
			Schema: &huma.Schema{Type: "string", MinLength: pointer(1), MaxLength: pointer(maxIdempotencyKey)},
		})
	}
	if b := d.RequestBody; b != nil && b.Content[jsonType] != nil {
		b.Content[cborType] = b.Content[jsonType]
		if o.Method == http.MethodPatch {
			b.Content[mergePatchType] = b.Content[jsonType]
		}
	}
	if len(o.Upload) > 0 {
		o.describeUpload()
	}
	o.describeErrors()
}

// media lists the types an answer comes in.
func (o *operation) media(status string, response *huma.Response) {
	if m := response.Content[jsonType]; m != nil {
		response.Content[cborType] = m
	}
	if len(o.Download) > 0 && strings.HasPrefix(status, "2") {
		response.Content = map[string]*huma.MediaType{}
		for _, kind := range o.Download {
			response.Content[kind] = &huma.MediaType{}
		}
	}
}

func (o *operation) describeUpload() {
	file := &huma.Schema{Type: "string", Format: "binary"}
	b := &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		multipartType: {Schema: &huma.Schema{Type: "object", Properties: map[string]*huma.Schema{formField: file}, Required: []string{formField}}},
	}}
	o.body = map[string]bool{multipartType: true}
	for _, kind := range o.Upload {
		b.Content[kind] = &huma.MediaType{Schema: file}
		o.body[kind] = true
	}
	o.document.RequestBody = b
}

func (o *operation) commonHeaders(response *huma.Response) {
	if response.Headers == nil {
		response.Headers = map[string]*huma.Param{}
	}
	response.Headers[headerRequestID] = &huma.Header{Description: "Names the request in the log.", Schema: &huma.Schema{Type: "string"}}
	for name, what := range map[string]string{
		headerRateLimit:       "What is left of the rate limit.",
		headerRateLimitPolicy: "The rate limit.",
	} {
		response.Headers[name] = &huma.Header{Description: what, Schema: &huma.Schema{Type: "string"}}
	}
}

// describeErrors lists every error the operation may answer, by status.
func (o *operation) describeErrors() {
	all := slices.Clone(o.Errors)
	all = append(all, errs.ErrInternal, errs.ErrUnavailable, errs.ErrTimeout, ErrRateLimited, ErrBadRequest)
	if !o.NoIdentity {
		all = append(all, ErrUnauthenticated)
	}
	if o.Access > SignedIn {
		all = append(all, ErrForbidden)
	}
	if len(o.document.Parameters) > 0 || o.body != nil {
		all = append(all, errs.ErrInvalid)
	}
	if o.body != nil {
		all = append(all, ErrMalformedBody, ErrBodyTooLarge, ErrUnsupportedMedia)
	}
	byStatus := map[int][]*errs.Error{}
	for _, e := range all {
		code := status(e)
		if !slices.ContainsFunc(byStatus[code], func(other *errs.Error) bool { return other.Code == e.Code }) {
			byStatus[code] = append(byStatus[code], e)
		}
	}
	problem := o.router.server.problemSchema()
	for code, list := range byStatus {
		response := &huma.Response{Description: describeAll(list), Content: map[string]*huma.MediaType{
			problemJSONType: {Schema: problem, Examples: map[string]*huma.Example{}},
			problemCBORType: {Schema: problem},
		}}
		for _, e := range list {
			response.Content[problemJSONType].Examples[e.Code] = &huma.Example{Value: map[string]any{
				"type": "about:blank", "title": http.StatusText(code), "status": code, "detail": e.Message,
				"instance": o.route, "code": e.Code, "request_id": "019389a0-6f5c-7d1e-8c55-0d6a3ff7c1a2",
			}}
		}
		o.commonHeaders(response)
		switch code {
		case http.StatusUnauthorized:
			response.Headers["WWW-Authenticate"] = &huma.Header{Schema: &huma.Schema{Type: "string"}}
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			response.Headers["Retry-After"] = &huma.Header{Description: "Seconds.", Schema: &huma.Schema{Type: "integer"}}
		}
		o.document.Responses[strconv.Itoa(code)] = response
	}
}

// describeAll writes the codes of errors and what they say, a line each.
func describeAll(list []*errs.Error) string {
	slices.SortFunc(list, func(a, b *errs.Error) int { return cmp.Compare(a.Code, b.Code) })
	lines := make([]string, len(list))
	for i, e := range list {
		lines[i] = "`" + e.Code + "`: " + e.Message
	}
	return strings.Join(lines, "\n\n")
}

func pointer[T any](v T) *T { return &v }

// problemSchema is what every failure looks like.
func (s *Server) problemSchema() *huma.Schema {
	return s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
}
