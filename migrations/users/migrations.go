// Package usersmigrations holds the schema of the users module.
package usersmigrations

import "embed"

// FS holds the migrations.
//
//go:embed *.sql
var FS embed.FS
