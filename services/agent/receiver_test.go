package agent

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/faultline-io/faultline/services/agent/ship"
)

// receiver is a gateway as the agent sees it: it accepts every batch number once and checks that a number never has two contents.
type receiver struct {
	t    *testing.T
	srv  *httptest.Server
	zstd *zstd.Decoder

	// fail decides what becomes of the n-th request; it is called without the lock.
	fail func(n int, w http.ResponseWriter, accept func()) (handled bool)

	// mu guards everything below.
	mu       sync.Mutex
	requests int
	batches  map[string][32]byte // by signal and number
	last     map[string]uint64
	items    map[string]uint64
	sent     map[string]uint64
	dropped  map[string]uint64
	lines    map[string]int
	logs     []*logspb.ResourceLogs
	metrics  []*metricspb.ResourceMetrics
	changed  chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{t: t, zstd: dec, batches: map[string][32]byte{}, last: map[string]uint64{}, items: map[string]uint64{}, sent: map[string]uint64{},
		dropped: map[string]uint64{}, lines: map[string]int{}, changed: make(chan struct{}, 1)}
	r.srv = httptest.NewServer(r)
	t.Cleanup(func() { r.srv.CloseClientConnections(); r.srv.Close(); dec.Close() })
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	switch q.Header.Get("Content-Encoding") {
	case "zstd":
		body, err = r.zstd.DecodeAll(body, nil)
	case "gzip":
		var g *gzip.Reader
		if g, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(g)
		}
	}
	if err != nil {
		r.t.Errorf("decompress: %v", err)
	}
	r.mu.Lock()
	r.requests++
	n := r.requests
	r.mu.Unlock()
	accept := func() { r.accept(q, body) }
	if r.fail != nil && r.fail(n, w, accept) {
		return
	}
	accept()
	w.WriteHeader(http.StatusOK)
}

func (r *receiver) accept(q *http.Request, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() {
		select {
		case r.changed <- struct{}{}:
		default:
		}
	}()
	signal := q.URL.Path[len("/v1/"):]
	number := func(name string) uint64 {
		v, err := strconv.ParseUint(q.Header.Get(name), 10, 64)
		if err != nil {
			r.t.Errorf("header %s: %v", name, err)
		}
		return v
	}
	seq := number(ship.HeaderBatch)
	key := fmt.Sprint(signal, " ", seq)
	hash := sha256.Sum256(body)
	if old, dup := r.batches[key]; dup {
		if old != hash {
			r.t.Errorf("batch %s came with two contents", key)
		}
		return
	}
	if seq <= r.last[signal] {
		r.t.Errorf("batch %s is new and comes after %d", key, r.last[signal])
	}
	r.batches[key], r.last[signal] = hash, seq
	r.sent[signal], r.dropped[signal] = number(ship.HeaderSent), number(ship.HeaderDropped)
	r.store(signal, body)
}

// store parses an accepted batch. The caller holds mu.
func (r *receiver) store(signal string, body []byte) {
	switch signal {
	case "logs":
		var d logspb.LogsData
		if err := proto.Unmarshal(body, &d); err != nil {
			r.t.Errorf("parse logs: %v", err)
		}
		r.logs = append(r.logs, d.ResourceLogs...)
		for _, rl := range d.ResourceLogs {
			for _, sl := range rl.ScopeLogs {
				for _, rec := range sl.LogRecords {
					r.items[signal]++
					r.lines[rec.Body.GetStringValue()]++
				}
			}
		}
	case "metrics":
		var d metricspb.MetricsData
		if err := proto.Unmarshal(body, &d); err != nil {
			r.t.Errorf("parse metrics: %v", err)
		}
		r.metrics = append(r.metrics, d.ResourceMetrics...)
		for _, rm := range d.ResourceMetrics {
			for _, m := range rm.ScopeMetrics[0].Metrics {
				r.items[signal] += uint64(len(m.GetSum().GetDataPoints()) + len(m.GetGauge().GetDataPoints()))
			}
		}
	}
}

// wait blocks until cond, which is called with the lock held, says yes.
func (r *receiver) wait(what string, cond func() bool) {
	r.t.Helper()
	deadline := time.NewTimer(40 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r.mu.Lock()
		ok := cond()
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.changed:
		case <-tick.C:
		case <-deadline.C:
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("waited in vain for %s: %d requests, items %v, %d lines", what, r.requests, r.items, len(r.lines))
		}
	}
}
