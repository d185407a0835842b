package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
)

const createVersions = `
CREATE TABLE IF NOT EXISTS schema_migrations
(
    version    UInt32,
    name       String,
    checksum   String,
    applied_at DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY version`

// Migrate brings the schema up to date. The caller sees to it that one process does so at a time.
//
// Every statement is idempotent, so a run that was killed is repeated from the start of its file. Errors: errs.Conflict when an
// applied file has changed or the schema is newer than this build.
func Migrate(ctx context.Context, db *DB, target migrations.Target) error {
	all, err := migrations.All()
	if err != nil {
		return errs.New(errs.Internal, "load migrations: %w", err)
	}
	if err := db.conn.Exec(ctx, createVersions); err != nil {
		return errs.New(errs.Unavailable, "create schema_migrations: %w", err)
	}
	applied, err := appliedMigrations(ctx, db)
	if err != nil {
		return err
	}
	known := map[uint32]bool{}
	for _, m := range all {
		known[uint32(m.Version)] = true
		sum, done := applied[uint32(m.Version)]
		if done {
			if sum != m.Checksum {
				return errs.WithHint(errs.Conflict, "run the build that created this data folder, or report this as a bug", "migration %04d_%s was changed after it was applied", m.Version, m.Name)
			}
			continue
		}
		if err := apply(ctx, db, m, target); err != nil {
			return err
		}
	}
	for v := range applied {
		if !known[v] {
			return errs.WithHint(errs.Conflict, "start the newer build again; going back is not possible with this data", "the schema is at version %04d, which this build does not know", v)
		}
	}
	if target.Cluster == "" {
		return nil
	}
	return distribute(ctx, db, all, target)
}

// CreateDatabase creates the database that dsn names where it is missing. The session works in the server's own default database,
// since one that does not exist cannot be signed in to. Errors: errs.Invalid for a name that cannot stand in a statement.
func CreateDatabase(ctx context.Context, dsn string, target migrations.Target) error {
	u, err := url.Parse(dsn)
	if err != nil {
		return errs.WithHint(errs.Invalid, "use clickhouse://user:password@host:9000/faultline", "the ClickHouse address cannot be read")
	}
	name := strings.TrimPrefix(u.Path, "/")
	if !databaseName.MatchString(name) {
		return errs.WithHint(errs.Invalid, "use clickhouse://user:password@host:9000/faultline", "the ClickHouse address names no database of letters, digits and _")
	}
	u.Path = "/default"
	db, err := Open(Options{DSN: u.String(), MaxConns: 1})
	if err != nil {
		return err
	}
	statement := "CREATE DATABASE IF NOT EXISTS " + name
	if target.OnCluster {
		statement += " ON CLUSTER " + target.Cluster
	}
	err = db.Ping(ctx)
	if err == nil {
		if err = db.conn.Exec(ctx, statement); err != nil {
			err = queryError(err)
		}
	}
	return errors.Join(err, db.Close())
}

var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// distribute makes the tables that read all shards.
func distribute(ctx context.Context, db *DB, all []migrations.Migration, target migrations.Target) error {
	statements, err := migrations.Distributed(all, db.name, target)
	if err != nil {
		return errs.New(errs.Internal, "make distributed tables: %w", err)
	}
	for _, s := range statements {
		if err := db.conn.Exec(ctx, s); err != nil {
			return errs.New(errs.Unavailable, "make distributed tables: %w", err)
		}
	}
	return nil
}

func appliedMigrations(ctx context.Context, db *DB) (map[uint32]string, error) {
	rows, err := db.conn.Query(ctx, "SELECT version, checksum FROM schema_migrations ORDER BY applied_at LIMIT 100000")
	if err != nil {
		return nil, errs.New(errs.Unavailable, "read schema_migrations: %w", err)
	}
	defer rows.Close()
	out := map[uint32]string{}
	for rows.Next() {
		var v uint32
		var sum string
		if err := rows.Scan(&v, &sum); err != nil {
			return nil, errs.New(errs.Internal, "scan schema_migrations: %w", err)
		}
		out[v] = sum
	}
	return out, rows.Err()
}

func apply(ctx context.Context, db *DB, m migrations.Migration, target migrations.Target) error {
	for i, s := range m.Statements {
		if err := db.conn.Exec(ctx, migrations.Render(s, target)); err != nil {
			return errs.New(errs.Unavailable, "migration %04d_%s, statement %d: %w", m.Version, m.Name, i+1, err)
		}
	}
	const insert = "INSERT INTO schema_migrations (version, name, checksum) VALUES (?, ?, ?)"
	if err := db.conn.Exec(ctx, insert, uint32(m.Version), m.Name, m.Checksum); err != nil {
		return fmt.Errorf("record migration %04d: %w", m.Version, err)
	}
	return nil
}
