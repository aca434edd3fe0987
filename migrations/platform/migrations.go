// Package platformmigrations holds the tables that the platform keeps in every
// module's database: outbox, inbox, sagas and idempotency keys.
package platformmigrations

import "embed"

// FS holds the migrations.
//
//go:embed *.sql
var FS embed.FS
