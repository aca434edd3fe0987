// Package shelf is a module that a test of schema names has.
package shelf

// Item has a namesake in another module.
type Item struct {
	Place int `json:"place"`
}
