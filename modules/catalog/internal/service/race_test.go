//go:build race

package service_test

// raced tells that the race detector watches, which makes all some ten times slower.
const raced = true
