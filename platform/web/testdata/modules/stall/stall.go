// Package stall is a module that a test of schema names has.
package stall

// Item has a namesake in another module.
type Item struct {
	Price string `json:"price"`
}
