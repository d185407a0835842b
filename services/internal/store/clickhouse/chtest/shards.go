package chtest

import (
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/faultline-io/faultline/services/internal/engine"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
)

// Shard is one engine of a cluster, under the migrator's role.
type Shard struct {
	// Local is the shard's own tables, which its writers insert into.
	Local *clickhouse.DB
	// Global is the same tables over all shards, which readers use.
	Global *clickhouse.DB
}

// StartShards starts two engines that know each other, and migrates both.
func StartShards(tb testing.TB) [2]Shard {
	tb.Helper()
	c := &engine.Cluster{Name: "shards", Secret: "for the test"}
	ports := [2]int{freePort(tb), freePort(tb)}
	for _, p := range ports {
		c.Shards = append(c.Shards, net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
	}
	var out [2]Shard
	for i, p := range ports {
		dsn := enginetest.StartConfig(tb, engine.Config{Dir: filepath.Join(tb.TempDir(), "engine"), TCPPort: p, Cluster: c}).DSN(engine.RoleMigrator)
		out[i] = Shard{Local: open(tb, dsn), Global: open(tb, dsn+migrations.DistributedSuffix)}
	}
	for _, s := range out {
		if err := clickhouse.Migrate(tb.Context(), s.Local, migrations.Target{Cluster: c.Name}); err != nil {
			tb.Fatal(err)
		}
	}
	return out
}

func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
