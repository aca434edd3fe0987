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

// migrateTries is how often bringing a schema up to date is tried when another
// process is doing the same.
const migrateTries = 3

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
	var err error
	for range migrateTries {
		if err = d.eachSet(module, func(p *goose.Provider) error {
			_, err := p.Up(ctx)
			return err
		}); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("migrate %s: %w", d.name, err)
}

// MigrateDown takes back the module's last migration.
func (d *DB) MigrateDown(ctx context.Context, module fs.FS) error {
	p, closeDB, err := d.provider(d.name, module)
	if err != nil {
		return err
	}
	_, err = p.Down(ctx)
	if errors.Is(err, goose.ErrNoNextVersion) {
		err = nil
	}
	return errors.Join(err, closeDB())
}

// Migrations tells which migrations there are and which are applied.
func (d *DB) Migrations(ctx context.Context, module fs.FS) ([]MigrationStatus, error) {
	var all []MigrationStatus
	set := platformSet
	err := d.eachSet(module, func(p *goose.Provider) error {
		list, err := p.Status(ctx)
		for _, m := range list {
			all = append(all, MigrationStatus{
				Set: set, Version: m.Source.Version, Name: path.Base(m.Source.Path), Applied: m.State == goose.StateApplied,
			})
		}
		set = d.name
		return err
	})
	return all, err
}

const platformSet = "platform"

func (d *DB) eachSet(module fs.FS, fn func(p *goose.Provider) error) error {
	sets := []struct {
		name string
		fs   fs.FS
	}{{platformSet, platformmigrations.FS}, {d.name, module}}
	for _, set := range sets {
		if set.fs == nil {
			continue
		}
		p, closeDB, err := d.provider(set.name, set.fs)
		if err != nil {
			return err
		}
		if err := errors.Join(fn(p), closeDB()); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) provider(set string, files fs.FS) (*goose.Provider, func() error, error) {
	others, err := ofOtherDialects(files, d.dialect)
	if err != nil {
		return nil, nil, err
	}
	conn := sql.OpenDB(newConnector(d.path, writing))
	conn.SetMaxOpenConns(1)
	p, err := goose.NewProvider(goose.DialectSQLite3, conn, files,
		goose.WithTableName("schema_"+set), goose.WithExcludeNames(others), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return p, conn.Close, nil
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
