package web_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoa/platform/web"
	"stoa/platform/web/testdata/modules/shelf"
	shelfrest "stoa/platform/web/testdata/modules/shelf/rest"
	"stoa/platform/web/testdata/modules/stall"
)

type body[T any] struct{ Body T }

// shelves registers two modules, in an order, and gives the document's schemas.
func shelves(t *testing.T, order ...string) map[string]any {
	s := newServer(t)
	for _, module := range order {
		r := s.Router(module, nil)
		op := web.Operation{ID: "list-" + module, Method: http.MethodGet, Path: "/" + module, Summary: "List"}
		make := web.Operation{ID: "make-" + module, Method: http.MethodPost, Path: "/" + module, Summary: "Make"}
		switch module {
		case "shelf":
			web.Register(r, op, func(context.Context, *struct{}) (*body[web.List[shelf.Item]], error) { return nil, nil })
			web.Register(r, make, func(context.Context, *body[shelfrest.Item]) (*body[struct {
				Inner struct {
					Item shelf.Item `json:"item"`
				} `json:"inner"`
			}], error) {
				return nil, nil
			})
		case "stall":
			web.Register(r, op, func(context.Context, *struct{}) (*body[web.List[stall.Item]], error) { return nil, nil })
			web.Register(r, make, func(context.Context, *body[stall.Item]) (*body[struct {
				Inner struct {
					Other stall.Item `json:"other"`
				} `json:"inner"`
			}], error) {
				return nil, nil
			})
		}
	}
	text, err := s.OpenAPI(false)
	require.NoError(t, err)
	var document struct {
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	require.NoError(t, json.Unmarshal(text, &document))
	return document.Components.Schemas
}

// TestSchemaNamesAreStable holds that types are named after their module, so
// that neither another module nor its order changes a name.
func TestSchemaNamesAreStable(t *testing.T) {
	t.Parallel()
	both := shelves(t, "shelf", "stall")
	require.Equal(t, both, shelves(t, "stall", "shelf"))
	for _, name := range []string{"shelf.Item", "shelf.ItemList", "shelf.RestItem", "stall.Item", "stall.ItemList", "Problem", "FieldError"} {
		require.Contains(t, both, name)
	}
	for _, module := range []string{"shelf", "stall"} {
		for name, schema := range shelves(t, module) {
			require.Equal(t, both[name], schema, name)
			require.True(t, strings.HasPrefix(name, module+".") || slices.Contains([]string{"Problem", "FieldError"}, name), name)
		}
	}
}

// lid may be missing from a chest.
type lid struct {
	Color string `json:"color"`
}

type chest struct {
	Lid    *lid `json:"lid"`
	Hidden *lid `json:"hidden,omitempty"`
	Floor  lid  `json:"floor"`
}

func TestWhatIsAnsweredAsNullIsDescribedSo(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	web.Register(s.Router("attic", nil), web.Operation{ID: "get-chest", Method: http.MethodGet, Path: "/chest", Summary: "Get"},
		func(context.Context, *struct{}) (*body[chest], error) { return nil, nil })
	text, err := s.OpenAPI(false)
	require.NoError(t, err)
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]any `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	require.NoError(t, json.Unmarshal(text, &document))
	ref := map[string]any{"$ref": "#/components/schemas/Lid"}
	require.Equal(t, map[string]any{
		"lid":    map[string]any{"anyOf": []any{ref, map[string]any{"type": "null"}}},
		"hidden": ref,
		"floor":  ref,
	}, document.Components.Schemas["Chest"].Properties)
}
