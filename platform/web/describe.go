package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Description is what a process tells others of a module whose operations it
// serves: how requests get to them, and their part of the OpenAPI document.
type Description struct {
	Module     string      `json:"module"`
	Operations []Described `json:"operations"`
	// OpenAPI is a whole document, of this module alone.
	OpenAPI json.RawMessage `json:"openapi"`
}

// Described is what is to be known of an operation by who passes requests on
// to it.
type Described struct {
	ID string `json:"id"`
	// Path is the whole path, with its parameters in braces.
	Method     string `json:"method"`
	Path       string `json:"path"`
	Access     Access `json:"access"`
	NoIdentity bool   `json:"no_identity,omitempty"`
	Limit      string `json:"limit,omitempty"`
	// Body tells that it takes one, of at most BodyLimit bytes.
	Body      bool  `json:"body,omitempty"`
	BodyLimit int64 `json:"body_limit,omitempty"`
	// Timeout is how long it may take.
	Timeout time.Duration `json:"timeout"`
	// Upload and Download tell that its body and its answer come as streams.
	Upload   bool `json:"upload,omitempty"`
	Download bool `json:"download,omitempty"`
}

// Serves tells whether a module has registered any operation.
func (s *Server) Serves(module string) bool {
	return slices.ContainsFunc(s.operations, func(o *operation) bool { return o.router.module == module })
}

// Describe writes the Description of a module as JSON. It is the same whenever
// the same operations are registered.
func (s *Server) Describe(module string) ([]byte, error) {
	d := Description{Module: module, Operations: []Described{}}
	for _, o := range s.operations {
		if o.router.module != module {
			continue
		}
		d.Operations = append(d.Operations, Described{
			ID: o.ID, Method: o.Method, Path: o.route, Access: o.Access, NoIdentity: o.NoIdentity, Limit: o.Limit,
			Body: o.body != nil, BodyLimit: o.limit, Timeout: o.timeout, Upload: len(o.Upload) > 0, Download: len(o.Download) > 0,
		})
	}
	slices.SortFunc(d.Operations, func(a, b Described) int { return strings.Compare(a.ID, b.ID) })
	var err error
	if d.OpenAPI, err = s.fragment(module); err != nil {
		return nil, fmt.Errorf("describe %s: %w", module, err)
	}
	return json.Marshal(d)
}

// fragment gives the OpenAPI document of one module, with what it refers to and
// no more.
func (s *Server) fragment(module string) (json.RawMessage, error) {
	whole := s.api.OpenAPI()
	part, components := *whole, *whole.Components
	part.Paths, part.Components = map[string]*huma.PathItem{}, &components
	for path, item := range whole.Paths {
		own := *item
		kept := false
		for _, o := range []**huma.Operation{&own.Get, &own.Put, &own.Post, &own.Delete, &own.Options, &own.Head, &own.Patch, &own.Trace} {
			if *o == nil || (*o).Metadata[operationKey].(*operation).router.module != module {
				*o = nil
				continue
			}
			kept = true
		}
		if kept {
			part.Paths[path] = &own
		}
	}
	components.Responses = map[string]*huma.Response{}
	maps.Copy(components.Responses, whole.Components.Responses)
	paths, err := json.Marshal(part.Paths)
	if err != nil {
		return nil, err
	}
	// Huma leaves out schemas that nothing refers to, but not answers.
	maps.DeleteFunc(components.Responses, func(name string, _ *huma.Response) bool {
		return !strings.Contains(string(paths), `"`+responseRef+name+`"`)
	})
	return json.Marshal(&part)
}

// responseRef is where answers stand that operations share.
const responseRef = "#/components/responses/"
