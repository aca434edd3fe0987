package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	platformmigrations "stoa/migrations/platform"
)

// migrateTries is how often bringing a schema up to date is tried when other
// processes are doing the same. Each failure is a migration that another has just
// run, so it is more often than there are migrations.
const migrateTries = 20

// MigrationStatus is what became of one migration.
type MigrationStatus struct {
	Set     string // "platform" or the module's name
	Version int64
	Name    string
	Applied bool
}

// Migrate brings the schema up to date: the platform's own tables and then the
// module's. Each migration runs in one transaction with its entry in the
// history, so a kill leaves it done or not done.
func (d *DB) Migrate(ctx context.Context, module fs.FS) error {
	if d.upToDate(ctx, module) {
		return nil
	}
	var err error
	for range migrateTries {
		if err = d.migrating(ctx, true, func(ctx context.Context, conn *sql.DB, _ bool) error {
			return d.eachSet(conn, module, func(_ string, p *goose.Provider) error {
				_, err := p.Up(ctx)
				return err
			})
		}); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("migrate %s: %w", d.name, err)
}

// upToDate tells that no migration is missing, where that is cheap to see.
func (d *DB) upToDate(ctx context.Context, module fs.FS) bool {
	conn := d.provisioned(ctx)
	if conn == nil {
		return false
	}
	missing := false
	err := d.eachSet(conn, module, func(_ string, p *goose.Provider) error {
		pending, err := p.HasPending(ctx)
		missing = missing || pending
		return err
	})
	return err == nil && !missing
}

// MigrateDown takes back the module's last migration.
func (d *DB) MigrateDown(ctx context.Context, module fs.FS) error {
	return d.migrating(ctx, true, func(ctx context.Context, conn *sql.DB, _ bool) error {
		p, err := d.provider(conn, d.name, module)
		if err != nil {
			return err
		}
		if _, err = p.Down(ctx); errors.Is(err, goose.ErrNoNextVersion) {
			err = nil
		}
		return err
	})
}

// Migrations tells which migrations there are and which are applied.
func (d *DB) Migrations(ctx context.Context, module fs.FS) (all []MigrationStatus, err error) {
	err = d.migrating(ctx, false, func(ctx context.Context, conn *sql.DB, exists bool) error {
		all = nil
		return d.eachSet(conn, module, func(set string, p *goose.Provider) error {
			if !exists {
				for _, m := range p.ListSources() {
					all = append(all, MigrationStatus{Set: set, Version: m.Version, Name: path.Base(m.Path)})
				}
				return nil
			}
			list, err := p.Status(ctx)
			for _, m := range list {
				all = append(all, MigrationStatus{
					Set: set, Version: m.Source.Version, Name: path.Base(m.Source.Path), Applied: m.State == goose.StateApplied,
				})
			}
			return err
		})
	})
	return all, err
}

const platformSet = "platform"

func (d *DB) eachSet(conn *sql.DB, module fs.FS, fn func(set string, p *goose.Provider) error) error {
	sets := []struct {
		name string
		fs   fs.FS
	}{{platformSet, platformmigrations.FS}, {d.name, module}}
	for _, set := range sets {
		if set.fs == nil {
			continue
		}
		p, err := d.provider(conn, set.name, set.fs)
		if err != nil {
			return err
		}
		if err := fn(set.name, p); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) provider(conn *sql.DB, set string, files fs.FS) (*goose.Provider, error) {
	others, err := ofOtherDialects(files, d.dialect)
	if err != nil {
		return nil, err
	}
	dialect := goose.DialectSQLite3
	if d.dialect == Postgres {
		dialect = goose.DialectPostgres
	}
	return goose.NewProvider(dialect, conn, files,
		goose.WithTableName("schema_"+set), goose.WithExcludeNames(others), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

// ofOtherDialects gives the files of a set that are not for this kind of
// database: "0002_search.sqlite.sql" is for SQLite only, "0001_users.sql" for all.
func ofOtherDialects(files fs.FS, dialect Dialect) ([]string, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool {
		parts := strings.Split(name, ".")
		return len(parts) == 2 || parts[1] == string(dialect)
	}), nil
}
