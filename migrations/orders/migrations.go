// Package ordersmigrations holds the schema of the orders module. Its wiring
// alone imports it.
package ordersmigrations

import "embed"

// FS holds the migrations.
//
//go:embed *.sql
var FS embed.FS
