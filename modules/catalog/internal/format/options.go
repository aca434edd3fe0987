package format

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"stoa/modules/catalog"
)

// slotValues are the values of a variant in the columns of the first options.
type slotValues [slots]string

// deriveOptions gives the options that follow from the names and values in the
// columns of the first three: the values in the order of the variants. Options
// without a value are none.
func deriveOptions(names slotValues, variants []slotValues) []catalog.Option {
	if onlyDefault(names, variants) {
		return nil
	}
	var options []catalog.Option
	values := make([]string, 0, len(variants))
	for slot, name := range names {
		values = values[:0]
		for _, v := range variants {
			values = append(values, v[slot])
		}
		if kept := distinct(values); len(kept) > 0 {
			options = append(options, catalog.Option{Name: name, Values: kept})
		}
	}
	return options
}

// onlyDefault reports whether names and values are those with which Shopify
// says that a product has no options.
func onlyDefault(names slotValues, variants []slotValues) bool {
	if names[0] != "" && !strings.EqualFold(names[0], defaultOption) {
		return false
	}
	for _, v := range variants {
		if v[0] != "" && !strings.EqualFold(v[0], defaultValue) {
			return false
		}
		if v[1] != "" || v[2] != "" {
			return false
		}
	}
	return true
}

// optionCell is an option in the JSON of a cell or file.
type optionCell struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// imageCell is an image in the JSON of a cell or file.
type imageCell struct {
	URL      string `json:"url"`
	Alt      string `json:"alt"`
	Position *int64 `json:"position"`
}

// parseCell reads a cell that holds JSON, strictly.
func parseCell[T any](text string) (T, error) {
	var v T
	err := json.Unmarshal([]byte(text), &v, json.RejectUnknownMembers(true))
	return v, err
}

// formatCell writes a cell that holds JSON, the same text for the same value.
func formatCell(v any) (string, error) {
	text, err := json.Marshal(v, json.Deterministic(true))
	return string(text), err
}

func equalOptions(a, b []catalog.Option) bool {
	return slices.EqualFunc(a, b, func(x, y catalog.Option) bool {
		return x.Name == y.Name && slices.Equal(x.Values, y.Values)
	})
}
