package writer_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/gateway/writer"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/bus/embedded"
	"github.com/faultline-io/faultline/services/internal/bus/natsbus"
	"github.com/faultline-io/faultline/services/internal/engine"
	"github.com/faultline-io/faultline/services/internal/engine/enginetest"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/internal/store/migrations"
	"github.com/faultline-io/faultline/services/model"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// rig is a real bus and a real store.
type rig struct {
	bus *natsbus.Bus
	db  *clickhouse.DB
	log *slog.Logger
}

func newRig(t *testing.T) *rig {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	srv, err := embedded.Start(embedded.Config{Dir: filepath.Join(t.TempDir(), "nats")}, embedded.Deps{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	b, err := natsbus.Open(t.Context(), nc, natsbus.Config{MaxBytes: 64 << 20}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	e := enginetest.Start(t)
	db, err := clickhouse.Open(clickhouse.Options{DSN: e.DSN(engine.RoleMigrator), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := clickhouse.Migrate(t.Context(), db, migrations.Target{}); err != nil {
		t.Fatal(err)
	}
	return &rig{bus: b, db: db, log: log}
}

// batch makes n samples of distinct series, at times that step forward with seq, so that no two batches share a sample.
func batch(seq, n int) *model.Metrics {
	m := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: 1, Source: "test", Protocol: "remote_write"}, ReceivedAtMS: 1795132800000}}
	for i := range n {
		m.MetricIDs = append(m.MetricIDs, uint32(i%3))
		m.SeriesIDs = append(m.SeriesIDs, uint64(i))
		m.TimesMS = append(m.TimesMS, 1795132800000+int64(seq)*1000)
		m.Values = append(m.Values, float64(seq))
	}
	m.Announced = []model.Series{{ID: uint64(seq), MetricID: 1, Name: "m", Labels: []model.Label{{Name: "a", Value: "b"}}}}
	return m
}

func (r *rig) publish(t *testing.T, m *model.Metrics) {
	t.Helper()
	data, err := bus.EncodeMetrics(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.bus.Publish(t.Context(), &bus.Message{Signal: model.SignalMetrics, Header: m.Header, Items: m.Len(), Data: data}); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) count(t *testing.T, query string) uint64 {
	t.Helper()
	var n uint64
	if err := r.db.Conn().QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (r *rig) waitDrained(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		st, err := r.bus.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if st[0].Pending == 0 {
			return
		}
		<-tick.C
	}
	t.Fatal("the stream was not drained in time")
}

// crashingStore fails at random points: before or after any insert, as a killed process would.
type crashingStore struct {
	*clickhouse.DB
	rnd   *rand.Rand
	rate  float64
	crash context.CancelFunc
	n     *atomic.Int64
}

func (s *crashingStore) maybe() error {
	if s.rnd.Float64() < s.rate {
		s.n.Add(1)
		s.crash()
		return errs.New(errs.Unavailable, "killed")
	}
	return nil
}

func (s *crashingStore) InsertMetrics(ctx context.Context, token string, b []*model.Metrics) error {
	if err := s.maybe(); err != nil {
		return err
	}
	if err := s.DB.InsertMetrics(context.WithoutCancel(ctx), token, b); err != nil {
		return err
	}
	return s.maybe()
}

func (s *crashingStore) InsertLedger(ctx context.Context, token string, rows []store.LedgerRow) error {
	if err := s.maybe(); err != nil {
		return err
	}
	if err := s.DB.InsertLedger(context.WithoutCancel(ctx), token, rows); err != nil {
		return err
	}
	return s.maybe()
}

// TestDeliveryIsExactlyOnce is the delivery trial: a writer that dies between any two of its steps, again and again, while batches
// come in. Afterwards raw rows, rollups and ledger must agree with what was sent.
func TestDeliveryIsExactlyOnce(t *testing.T) {
	r := newRig(t)
	const perBatch = 50
	batches, kills := uint64(300), int64(60)
	if os.Getenv("FAULTLINE_SOAK") != "" { // A thousand deaths, some minutes.
		batches, kills = 6000, 1000
	}
	rnd := rand.New(rand.NewSource(42))
	var crashes atomic.Int64
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range batches {
			r.publish(t, batch(int(i), perBatch))
		}
	}()
	cfg := writer.Default(model.SignalMetrics)
	cfg.Linger = time.Millisecond
	cfg.MaxMessages = 3
	for crashes.Load() < kills {
		// A round ends with a crash, or after a while when there is nothing left to do.
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		w := writer.New(cfg, model.SignalMetrics, 0, writer.Deps{Bus: r.bus, Log: r.log, Store: &crashingStore{DB: r.db, rnd: rnd, rate: 0.12, crash: cancel, n: &crashes}})
		if err := w.Run(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		st, err := r.bus.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if st[0].Pending == 0 && st[0].LastSeq == batches {
			break
		}
	}
	<-sent
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- writer.New(cfg, model.SignalMetrics, 0, writer.Deps{Bus: r.bus, Log: r.log, Store: r.db}).Run(ctx)
	}()
	r.waitDrained(t)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d crashes", crashes.Load())
	if crashes.Load() < 10 {
		t.Fatalf("only %d crashes happened: the test proves nothing", crashes.Load())
	}

	f := func(name, query string, want uint64) {
		t.Helper()
		if got := r.count(t, query); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
	samples := batches * perBatch
	f("raw rows", "SELECT count() FROM samples_recent", samples)
	f("ledger accepted", "SELECT sum(accepted) FROM ledger", samples)
	f("ledger stored", "SELECT sum(stored) FROM ledger", samples)
	f("ledger rows", "SELECT count() FROM ledger", batches)
	f("ledger sequences", "SELECT uniqExact(seq) FROM ledger", batches)
	f("series", "SELECT uniqExact(series_id) FROM series", batches)

	st, err := r.db.Pack(t.Context(), time.Now().Add(100*365*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if st.Samples != samples || st.Buckets != 1 {
		t.Errorf("packed %+v", st)
	}
	f("recent after packing", "SELECT count() FROM samples_recent", 0)
	f("packing after packing", "SELECT count() FROM samples_packing", 0)
	f("packed samples", "SELECT sum(samples) FROM samples_packed", samples)
	f("view", "SELECT count() FROM samples", samples)
	f("view values", "SELECT toUInt64(sum(value)) FROM samples", perBatch*batches*(batches-1)/2)
	f("view times", "SELECT uniqExact(ts) FROM samples", batches)
	f("5m count", "SELECT sum(count) FROM samples_5m", samples)
	f("1h count", "SELECT sum(count) FROM samples_1h", samples)
	f("5m last", "SELECT toUInt64(argMaxMerge(last)) FROM samples_5m", batches-1)
}

// TestPackRepeatedAfterACrash kills packing between its steps and expects the same tables.
func TestPackRepeatedAfterACrash(t *testing.T) {
	r := newRig(t)
	for i := range 20 {
		if err := r.db.InsertMetrics(t.Context(), fmt.Sprintf("t:%d", i), []*model.Metrics{batch(i, 100)}); err != nil {
			t.Fatal(err)
		}
	}
	// What a killed packer leaves behind: the partition is taken, its blocks are written, it is not dropped.
	exec := func(q string) {
		t.Helper()
		if err := r.db.Conn().Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE copy AS samples_recent")
	exec("INSERT INTO copy SELECT * FROM samples_recent")
	future := time.Now().Add(100 * 365 * 24 * time.Hour)
	if _, err := r.db.Pack(t.Context(), future); err != nil {
		t.Fatal(err)
	}
	exec("INSERT INTO samples_packing SELECT * FROM copy")
	if got := r.count(t, "SELECT uniqExact(series_id, ts) FROM samples"); got != 2000 {
		t.Errorf("while being packed: got %d distinct samples, want 2000", got)
	}
	if _, err := r.db.Pack(t.Context(), future); err != nil {
		t.Fatal(err)
	}
	if got := r.count(t, "SELECT count() FROM samples"); got != 2000 {
		t.Errorf("got %d samples, want 2000", got)
	}
	if got := r.count(t, "SELECT sum(count) FROM samples_1h"); got != 2000 {
		t.Errorf("got %d rolled up samples, want 2000", got)
	}
}

func TestBadBatchBecomesADeadLetter(t *testing.T) {
	r := newRig(t)
	r.publish(t, batch(1, 10))
	bad := batch(2, 5)
	if _, err := r.bus.Publish(t.Context(), &bus.Message{Signal: model.SignalMetrics, Header: bad.Header, Items: 5, Data: []byte{9, 9, 9}}); err != nil {
		t.Fatal(err)
	}
	r.publish(t, batch(3, 10))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- writer.New(writer.Default(model.SignalMetrics), model.SignalMetrics, 0, writer.Deps{Bus: r.bus, Log: slog.New(slog.DiscardHandler), Store: r.db}).Run(ctx)
	}()
	r.waitDrained(t)
	dl, err := r.bus.DeadLetters(t.Context(), 0, 10)
	if err != nil || len(dl) != 1 {
		t.Fatalf("got %d dead letters, %v", len(dl), err)
	}
	if dl[0].From.Seq != 2 || dl[0].Reason == "" || dl[0].From.Items != 5 || dl[0].From.Source != "test" {
		t.Errorf("got %+v", dl[0])
	}
	if a, s, d := r.count(t, "SELECT sum(accepted) FROM ledger"), r.count(t, "SELECT sum(stored) FROM ledger"), r.count(t, "SELECT sum(dead_letter) FROM ledger"); a != 25 || s != 20 || d != 5 {
		t.Errorf("ledger says accepted %d, stored %d, dead letter %d", a, s, d)
	}
	if err := r.bus.ReplayDeadLetter(t.Context(), dl[0].Seq); err != nil {
		t.Fatal(err)
	}
	if err := r.bus.ReplayDeadLetter(t.Context(), dl[0].Seq); errs.KindOf(err) != errs.NotFound {
		t.Errorf("second replay: got %v, want not found", err)
	}
	cancel()
	<-done
}
