// Package configs holds the annotated example of the whole configuration, which
// is also what a program knows of the settings of modules that it does not link.
// The composition root imports it. It reads nothing and sets nothing.
package configs

import _ "embed"

// Reference is stoa.yaml: every key there is, with its default, its unit and
// what it may be. Nobody changes it.
//
//go:embed stoa.yaml
var Reference []byte
