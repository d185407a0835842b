// Package chtest gives tests a migrated database in a real embedded engine. A package that uses it needs a TestMain that calls
// enginetest.Main.
package chtest

import (
	"path/filepath"
	"testing"

	"github.com/faultline-io/faultline/services/internal/engine"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
)

// Databases are connections to one database under the roles of the product.
type Databases struct {
	// Admin may do everything inside the database and see system tables.
	Admin *clickhouse.DB
	// Reader is what the query API uses.
	Reader *clickhouse.DB
	// SQLURL is the http:// address for people's own statements.
	SQLURL string
}

// Start returns connections to a fresh, migrated database; the engine ends with the test.
func Start(tb testing.TB) Databases {
	tb.Helper()
	e := enginetest.StartConfig(tb, engine.Config{Dir: filepath.Join(tb.TempDir(), "engine"), TenantTables: clickhouse.TenantTables(), TenantViews: clickhouse.TenantViews()})
	d := Databases{Admin: open(tb, e.DSN(engine.RoleMigrator)), Reader: open(tb, e.DSN(engine.RoleReader)), SQLURL: e.HTTPURL(engine.RoleSQL)}
	if err := clickhouse.Migrate(tb.Context(), d.Admin, migrations.Target{}); err != nil {
		tb.Fatal(err)
	}
	return d
}

func open(tb testing.TB, dsn string) *clickhouse.DB {
	tb.Helper()
	db, err := clickhouse.Open(clickhouse.Options{DSN: dsn})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return db
}
