package db

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"stoa/platform/config"
)

// Config is the section "database" of the configuration: where every module
// keeps its data.
type Config struct {
	URL              string                  `koanf:"url" usage:"sqlite: one file a module below data.dir; or postgres://…: one schema a module"`
	Modules          map[string]ModuleConfig `koanf:"modules" usage:"databases of single modules, where they are not that of database.url"`
	Readers          int                     `koanf:"readers" min:"0" max:"1000" usage:"connections of a module that read; 0 is chosen for this machine"`
	Writers          int                     `koanf:"writers" min:"0" max:"1000" usage:"connections of a module that write, on PostgreSQL; 0 is chosen for this machine"`
	ConnectTimeout   time.Duration           `koanf:"connect_timeout" min:"1ms" usage:"how long making a connection to PostgreSQL, or waiting for a free one, may take"`
	StatementTimeout time.Duration           `koanf:"statement_timeout" min:"1ms" usage:"how long a statement may take on PostgreSQL"`
	LockTimeout      time.Duration           `koanf:"lock_timeout" min:"1ms" usage:"how long a statement waits for another transaction on PostgreSQL"`
}

// ModuleConfig is where one module keeps its data.
type ModuleConfig struct {
	URL string `koanf:"url" usage:"as database.url"`
}

// inFiles is the URL of SQLite.
const inFiles = "sqlite"

// DefaultConfig is what holds where the configuration says nothing.
func DefaultConfig() Config {
	return Config{
		URL: inFiles, Modules: map[string]ModuleConfig{},
		ConnectTimeout: 5 * time.Second, StatementTimeout: 30 * time.Second, LockTimeout: 10 * time.Second,
	}
}

// Validate says what will not do.
func (c *Config) Validate() error {
	bad := []error{checkURL("url", c.URL)}
	for _, module := range slices.Sorted(maps.Keys(c.Modules)) {
		bad = append(bad, checkURL("modules."+module+".url", c.Modules[module].URL))
	}
	return errors.Join(bad...)
}

func checkURL(key, text string) error {
	scheme, _, _ := strings.Cut(text, "://")
	switch {
	case text == inFiles:
		return nil
	case scheme != "postgres" && scheme != "postgresql":
		return config.BadValue(key, "must be sqlite or postgres://user:password@host:port/database")
	}
	// The error of pgx repeats the URL less its password; what stands in a URL
	// that cannot be read is not repeated at all.
	if _, err := pgx.ParseConfig(text); err != nil {
		return config.BadValue(key, "is no URL such as postgres://user:password@host:5432/database")
	}
	return nil
}

func (c *Config) url(module string) string {
	if m, own := c.Modules[module]; own {
		return m.URL
	}
	return c.URL
}

// Dialect tells on what kind of database a module keeps its data.
func (c *Config) Dialect(module string) Dialect {
	if c.url(module) == inFiles {
		return SQLite
	}
	return Postgres
}

// Describe says where a module keeps its data, without credentials.
func (c *Config) Describe(module, dataDir string) string {
	if c.Dialect(module) == SQLite {
		return "SQLite " + c.File(module, dataDir)
	}
	u, err := url.Parse(c.url(module))
	if err != nil {
		return "PostgreSQL" // Validate refuses it
	}
	return fmt.Sprintf("PostgreSQL %s%s, schema %s", u.Host, u.Path, module)
}

// File is where a module keeps its data on SQLite.
func (c *Config) File(module, dataDir string) string { return filepath.Join(dataDir, module+".db") }

// Open opens the database of a module where the configuration has it.
func (c *Config) Open(ctx context.Context, module, dataDir string, o Options) (*DB, error) {
	o.Readers, o.Writers = c.Readers, c.Writers
	o.Acquire, o.Connect = c.ConnectTimeout, c.ConnectTimeout
	o.Statement, o.LockWait = c.StatementTimeout, c.LockTimeout
	if c.Dialect(module) == SQLite {
		return OpenSQLite(ctx, module, c.File(module, dataDir), o)
	}
	return OpenPostgres(ctx, module, c.url(module), o)
}
