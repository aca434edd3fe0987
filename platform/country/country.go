// Package country knows the codes of countries. It imports nothing of the project.
package country

import (
	_ "embed"
	"strings"
)

// codes is ISO 3166-1 alpha-2 as of 2024, from
// https://github.com/datasets/country-codes (ODC-PDDL), each with a space after it.
//
//go:embed countries.txt
var codes string

// Valid tells whether a text is a country's code: two capital letters of ISO
// 3166-1 alpha-2.
func Valid(code string) bool {
	return len(code) == 2 && !strings.ContainsAny(code, " \n") && strings.Contains(codes, code+" ")
}
