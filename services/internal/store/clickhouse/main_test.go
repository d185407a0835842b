package clickhouse

import (
	"context"
	"testing"

	"github.com/faultline-io/faultline/services/internal/engine"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// migrated returns a database with the whole schema on a fresh engine.
func migrated(tb testing.TB) *DB {
	tb.Helper()
	e := enginetest.Start(tb)
	db, err := Open(Options{DSN: e.DSN(engine.RoleMigrator)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	if err := Migrate(context.Background(), db, migrations.Target{}); err != nil {
		tb.Fatal(err)
	}
	return db
}

// scalar runs a query that gives one number.
func scalar(tb testing.TB, db *DB, query string, args ...any) uint64 {
	tb.Helper()
	var n uint64
	if err := db.conn.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return n
}
