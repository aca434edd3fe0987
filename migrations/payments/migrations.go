// Package paymentsmigrations holds the schema of the payments module. Only the
// module's wiring imports it.
package paymentsmigrations

import "embed"

// FS holds the migrations.
//
//go:embed *.sql
var FS embed.FS
