// Package rest is a package of a module that a test of schema names has.
package rest

// Item has a namesake in its own module.
type Item struct {
	Wanted int `json:"wanted"`
}
