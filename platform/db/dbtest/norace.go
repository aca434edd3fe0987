//go:build !race

package dbtest

// Raced tells that the race detector watches, which makes all some ten times slower.
const Raced = false
