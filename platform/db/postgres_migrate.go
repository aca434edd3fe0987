package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// role is the module's own: it owns the module's schema and may nothing else,
// so that a statement cannot reach a neighbour's tables.
func (e *pgEngine) role() string { return "stoa_" + e.name }

// assumeRole has a connection act as the module's role, where that owns the
// schema and the connection's user may. Looking that up in the catalog costs a
// new connection more than anything else, so it is done until it is so.
func (e *pgEngine) assumeRole(ctx context.Context, c *pgx.Conn) error {
	if e.assumes.Load() {
		_, err := c.Exec(ctx, "SET ROLE "+pgx.Identifier{e.role()}.Sanitize())
		if connectionOf(err) != nil {
			return err
		}
		if err == nil {
			return nil
		}
	}
	t, err := c.Exec(ctx, `SELECT set_config('role', r.rolname, false) FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
		WHERE n.nspname = $1 AND r.rolname = $2 AND pg_has_role(r.oid, 'MEMBER')`, e.name, e.role())
	e.assumes.Store(err == nil && t.RowsAffected() == 1)
	return err
}

// migrating gives fn a connection of the module's role, on which statements may
// take their time.
func (e *pgEngine) migrating(ctx context.Context, change bool, fn func(ctx context.Context, d *sql.DB, exists bool) error) error {
	run := func(ctx context.Context) error {
		c := e.session(writing)
		c.RuntimeParams["statement_timeout"] = "0"
		exists := true
		err := e.connected(ctx, c, func(conn *pgx.Conn) (err error) {
			if change {
				return e.provision(ctx, conn)
			}
			return conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", e.name).Scan(&exists)
		})
		if err != nil {
			return fmt.Errorf("prepare the schema %s: %w", e.name, err)
		}
		d := sql.OpenDB(&pgConnector{Connector: stdlib.GetConnector(*c, stdlib.OptionAfterConnect(e.assumeRole))})
		d.SetMaxOpenConns(1)
		return errors.Join(fn(ctx, d, exists), d.Close())
	}
	if !change {
		return run(ctx)
	}
	err := e.exclusive(ctx, "migrate", run)
	// What was connected before may not have the role yet, nor know the tables.
	e.pools.readers.renew()
	e.pools.writers.renew()
	return err
}

// provisioned looks at who a connection acts as: the module's role is only
// assumed where it owns the schema.
func (e *pgEngine) provisioned(ctx context.Context) *sql.DB {
	var role string
	if err := e.pools.readers.QueryRowContext(ctx, "SELECT current_user").Scan(&role); err != nil || role != e.role() {
		return nil
	}
	return e.pools.readers.DB.DB
}

func (e *pgEngine) connected(ctx context.Context, c *pgx.ConnConfig, fn func(conn *pgx.Conn) error) error {
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return ofPostgres(ctx, err)
	}
	return errors.Join(ofPostgres(ctx, fn(conn)), conn.Close(ctx))
}

// provision makes the module's role and schema where they are missing. A user
// who may not make roles, and for whom nobody has made this one, has the schema
// itself.
func (e *pgEngine) provision(ctx context.Context, conn *pgx.Conn) error {
	var may, there, member bool
	look := func() error {
		return conn.QueryRow(ctx, `SELECT u.rolsuper OR u.rolcreaterole, r.oid IS NOT NULL, r.oid IS NOT NULL AND pg_has_role(r.oid, 'MEMBER')
			FROM pg_roles u LEFT JOIN pg_roles r ON r.rolname = $1 WHERE u.rolname = current_user`, e.role()).Scan(&may, &there, &member)
	}
	if err := look(); err != nil {
		return err
	}
	role := pgx.Identifier{e.role()}.Sanitize()
	if may && !there {
		if _, err := conn.Exec(ctx, "CREATE ROLE "+role+" NOLOGIN"); err != nil && !isThere(err) {
			return fmt.Errorf("make the role %s: %w", e.role(), err)
		}
	}
	if may && !member {
		// Whether that was granted is looked at below.
		_, err := conn.Exec(ctx, "GRANT "+role+" TO CURRENT_USER")
		if err := errors.Join(look(), connectionOf(err)); err != nil {
			return err
		}
	}
	if !member {
		e.options.Log.InfoContext(ctx, "the database's user may not act as a role of the module's own; its tables are apart from others only by their schema",
			"module", e.name, "role", e.role())
	}
	return e.provisionSchema(ctx, conn, role, member)
}

func (e *pgEngine) provisionSchema(ctx context.Context, conn *pgx.Conn, role string, member bool) error {
	schema := pgx.Identifier{e.name}.Sanitize()
	var owner string
	err := conn.QueryRow(ctx, "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = $1", e.name).Scan(&owner)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		create := "CREATE SCHEMA " + schema
		if member {
			create += " AUTHORIZATION " + role
		}
		_, err = conn.Exec(ctx, create)
		return err
	case err != nil || !member || owner == e.role():
		return err
	}
	// It was made without the role: all of it is handed over, or nothing.
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname, $2::text)
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')`, e.name, e.role())
		if err != nil {
			return err
		}
		alter, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, statement := range append(alter, "ALTER SCHEMA "+schema+" OWNER TO "+role) {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// isThere says that somebody else, for another database of the server, has just
// made the role.
func isThere(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "42710" || e.Code == "23505")
}

// connectionOf gives an error that is not the server's answer.
func connectionOf(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return nil
	}
	return err
}
