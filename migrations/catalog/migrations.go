// Package catalogmigrations holds the schema of the catalog module.
package catalogmigrations

import "embed"

// FS holds the migrations.
//
//go:embed *.sql
var FS embed.FS
