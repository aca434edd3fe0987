// Package load is of the benchmarks.
package load
