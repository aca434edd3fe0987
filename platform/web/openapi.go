package web

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
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
				Headers:   commonHeaders(),
				Responses: map[string]*huma.Response{},
				Schemas:   documented{huma.NewMapRegistry("#/components/schemas/", s.names.name), s.names},
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

// complete adds to the document what Huma cannot see in the types.
func (o *operation) complete() {
	d := o.document
	delete(d.Responses, "default")
	for status, response := range d.Responses {
		if m := response.Content[jsonType]; m != nil {
			response.Content[cborType] = m
		}
		if len(o.Download) > 0 && strings.HasPrefix(status, "2") {
			response.Content = map[string]*huma.MediaType{}
			for _, kind := range o.Download {
				response.Content[kind] = &huma.MediaType{}
			}
		}
		addHeaders(response, headerRequestID, headerRateLimit, headerRateLimitPolicy)
		if o.Idempotent {
			addHeaders(response, headerReplayed)
		}
		if response.Headers["ETag"] != nil && o.Method == http.MethodGet {
			notModified := &huma.Response{Description: "It is what If-None-Match names."}
			addHeaders(notModified, headerRequestID)
			notModified.Headers["ETag"] = response.Headers["ETag"]
			d.Responses[strconv.Itoa(http.StatusNotModified)] = notModified
		}
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

// commonHeaders are fields of answers that mean the same everywhere.
func commonHeaders() map[string]*huma.Header {
	text := &huma.Schema{Type: "string"}
	return map[string]*huma.Header{
		headerRequestID:       {Description: "Names the request in the log.", Schema: text},
		headerRateLimit:       {Description: "What is left of the rate limit, where one is near.", Schema: text},
		headerRateLimitPolicy: {Description: "The rate limit.", Schema: text},
		headerRetryAfter:      {Description: "When to try again, in seconds.", Schema: &huma.Schema{Type: "integer"}},
		headerChallenge:       {Description: "How to authenticate.", Schema: text},
		headerReplayed:        {Description: "This is the answer to an earlier request with the same Idempotency-Key.", Schema: &huma.Schema{Type: "string", Enum: []any{"true"}}},
	}
}

// addHeaders refers to common fields.
func addHeaders(response *huma.Response, names ...string) {
	if response.Headers == nil {
		response.Headers = map[string]*huma.Param{}
	}
	for _, name := range names {
		response.Headers[name] = &huma.Header{Ref: "#/components/headers/" + name}
	}
}

func pointer[T any](v T) *T { return &v }
