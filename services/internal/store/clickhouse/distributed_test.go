package clickhouse

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/engine"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
	"github.com/faultline-io/faultline/services/model"
)

// shard is one engine of a cluster: its own tables, and the Distributed ones.
type shard struct{ local, global *DB }

// startShards starts two engines that know each other and migrates both.
func startShards(t *testing.T) []shard {
	t.Helper()
	c := &engine.Cluster{Name: "shards", Secret: "for the test"}
	ports := []int{freePort(t), freePort(t)}
	for _, p := range ports {
		c.Shards = append(c.Shards, net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
	}
	var dsns []string
	for i, p := range ports {
		e := enginetest.StartConfig(t, engine.Config{Dir: filepath.Join(t.TempDir(), "engine", strconv.Itoa(i)), TCPPort: p, Cluster: c})
		dsns = append(dsns, e.DSN(engine.RoleMigrator))
	}
	var out []shard
	for _, dsn := range dsns {
		s := shard{local: openDSN(t, dsn), global: openDSN(t, dsn+migrations.DistributedSuffix)}
		// Twice: the Distributed tables are made anew at each start.
		for range 2 {
			if err := Migrate(t.Context(), s.local, migrations.Target{Cluster: c.Name}); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, s)
	}
	return out
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func openDSN(t *testing.T, dsn string) *DB {
	t.Helper()
	db, err := Open(Options{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

const shardTestMS = 1795132800000

// seriesBatch has one sample for each of the series.
func seriesBatch(ids ...uint64) *model.Metrics {
	m := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: 1, Source: "test", Protocol: "remote_write"}, ReceivedAtMS: shardTestMS}}
	for _, id := range ids {
		m.MetricIDs, m.SeriesIDs = append(m.MetricIDs, 7), append(m.SeriesIDs, id)
		m.TimesMS, m.Values = append(m.TimesMS, shardTestMS), append(m.Values, float64(id))
		m.Announced = append(m.Announced, model.Series{ID: id, MetricID: 7, Name: "m", Labels: []model.Label{{Name: "i", Value: strconv.FormatUint(id, 10)}}})
	}
	return m
}

// TestShardsInsertLocallyAndReadAll is the sharded form: each shard has its own series, packs them by itself, and every shard reads
// all of them under the same table names in the other database.
func TestShardsInsertLocallyAndReadAll(t *testing.T) {
	shards := startShards(t)
	for i, ids := range [][]uint64{{2, 4, 6}, {1, 3, 5, 7}} {
		if err := shards[i].local.InsertMetrics(t.Context(), fmt.Sprintf("s:%d", i), []*model.Metrics{seriesBatch(ids...)}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string) {
		t.Helper()
		for i, s := range shards {
			if got := scalar(t, s.local, "SELECT count() FROM samples"); got != []uint64{3, 4}[i] {
				t.Errorf("%s: shard %d has %d samples of its own", when, i, got)
			}
			for query, want := range map[string]uint64{
				"SELECT count() FROM samples":                           7,
				"SELECT toUInt64(sum(value)) FROM samples":              28,
				"SELECT uniqExact(series_id) FROM series":               7,
				"SELECT count() FROM samples WHERE series_id IN (1, 2)": 2,
				"SELECT toUInt64(sum(value)) FROM samples WHERE series_id IN (SELECT series_id FROM series WHERE labels['i'] = '4') SETTINGS distributed_product_mode = 'global'": 4,
			} {
				if got := scalar(t, s.global, query); got != want {
					t.Errorf("%s: shard %d: %s: got %d, want %d", when, i, query, got, want)
				}
			}
		}
	}
	check("recent")
	for _, s := range shards {
		if _, err := s.local.Pack(t.Context(), time.UnixMilli(shardTestMS).Add(24*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	check("packed")
	for i, s := range shards {
		if got := scalar(t, s.global, "SELECT sum(count) FROM samples_1h"); got != 7 {
			t.Errorf("shard %d reads hourly rollups of %d samples, want 7", i, got)
		}
	}
}

// TestInsertThroughDistributed writes over the Distributed tables: rows go to the shard of their key, and a repeated token stores
// nothing twice there either.
func TestInsertThroughDistributed(t *testing.T) {
	shards := startShards(t)
	var ids []uint64
	for id := range uint64(100) {
		ids = append(ids, id)
	}
	for range 2 {
		ctx := withSettings(t.Context(), map[string]any{"distributed_foreground_insert": 1, "insert_deduplication_token": "once", "insert_deduplicate": 1})
		batch, err := shards[0].global.conn.PrepareBatch(ctx, "INSERT INTO samples_recent (tenant_id, metric_id, series_id, ts, value, stale, bucket)")
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			at := time.UnixMilli(shardTestMS).UTC()
			if err := batch.Append(uint32(1), uint32(7), id, at, float64(id), false, at.Truncate(10*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range shards {
		if got := scalar(t, s.local, "SELECT count() FROM samples_recent"); got != 50 {
			t.Errorf("shard %d holds %d rows, want half of 100", i, got)
		}
		if got := scalar(t, s.local, "SELECT uniqExact(series_id % 2) FROM samples_recent"); got != 1 {
			t.Errorf("shard %d holds series of the other one", i)
		}
		if got := scalar(t, s.global, "SELECT count() FROM samples_recent"); got != 100 {
			t.Errorf("shard %d reads %d rows of all, want 100", i, got)
		}
	}
}

func TestEveryTableHasAShardKey(t *testing.T) {
	all, err := migrations.All()
	if err != nil {
		t.Fatal(err)
	}
	statements, err := migrations.Distributed(all, "faultline", migrations.Target{Cluster: "c", OnCluster: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(statements) < 15 {
		t.Fatalf("only %d statements", len(statements))
	}
	for _, s := range statements {
		if !strings.Contains(s, "ON CLUSTER c") || strings.Contains(s, "{{") {
			t.Errorf("statement is not for the whole cluster: %s", s)
		}
	}
	unknown := []migrations.Migration{{Statements: []string{"CREATE TABLE IF NOT EXISTS nobody_knows {{on_cluster}}\n(a UInt8)"}}}
	if _, err := migrations.Distributed(unknown, "faultline", migrations.Target{Cluster: "c"}); err == nil {
		t.Error("a table without a shard key was taken")
	}
}

func TestCreateDatabase(t *testing.T) {
	e := enginetest.Start(t)
	dsn := e.DSN(engine.RoleMigrator)
	if err := CreateDatabase(t.Context(), dsn, migrations.Target{}); err != nil {
		t.Errorf("an existing database: %v", err)
	}
	base := strings.TrimSuffix(dsn, "/"+engine.Database)
	for name, kind := range map[string]errs.Kind{"": errs.Invalid, "a b": errs.Invalid, "x;y": errs.Invalid, "elsewhere": errs.Forbidden} {
		if err := CreateDatabase(t.Context(), base+"/"+url.PathEscape(name), migrations.Target{}); errs.KindOf(err) != kind {
			t.Errorf("database %q: got %v, want kind %s", name, err, kind)
		}
	}
}
