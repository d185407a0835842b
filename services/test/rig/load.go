//go:build linux

package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

// The shape of one remote write request of Load.
const (
	loadSeries  = 10
	loadSamples = 20 // Of each series, a millisecond apart.
	batchItems  = loadSeries * loadSamples
	logLines    = 25
)

// MetricName is the metric that Load sends.
const MetricName = "faults_load"

// LogService is the service in whose name Load sends log lines.
const LogService = "faults"

// Load sends samples and log lines to a server for as long as it runs, and knows what must be in the store afterwards.
//
// A batch of samples is repeated until it is answered, as senders do, so every batch is in the store in the end, exactly once: series and
// time name a sample. Log lines have no such name, so a request with lines is never repeated: its lines are there once if it was
// answered, and at most once if it was not.
type Load struct {
	server *Server
	client *http.Client
	stop   context.CancelFunc
	wg     sync.WaitGroup

	// mu guards what follows.
	mu         sync.Mutex
	batches    int // Batches of samples that were answered.
	unanswered int // Times that a batch of samples was sent and no answer came: the server may have it.
	refused    int // Answers that were not 2xx, of both kinds.
	accepted   map[string]bool
	lost       map[string]bool // Lines whose request got no answer.
	reasons    map[string]int
	first      time.Time
}

// StartLoad begins to send. It ends with Stop, or with the test.
func (s *Server) StartLoad(t *testing.T) *Load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &Load{
		server: s, stop: cancel, accepted: map[string]bool{}, lost: map[string]bool{}, reasons: map[string]int{},
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}},
		first:  time.Now().Add(-20 * time.Minute).Truncate(time.Second),
	}
	l.wg.Add(2)
	go l.every(ctx, l.metrics())
	go l.every(ctx, l.logs())
	t.Cleanup(l.Stop)
	return l
}

// every calls f until ctx ends, at most fifty times a second.
func (l *Load) every(ctx context.Context, f func()) {
	defer l.wg.Done()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}

// Stop ends the sending after the request under way was answered. A batch of samples that was sent without an answer is then repeated
// until it has one, so that it is known to be there.
func (l *Load) Stop() {
	l.stop()
	l.wg.Wait()
	l.client.CloseIdleConnections()
}

// metrics returns a function that sends the next batch, or the same one again when it was not taken.
func (l *Load) metrics() func() {
	return func() {
		l.mu.Lock()
		n := l.batches
		l.mu.Unlock()
		answered, ok := l.post(l.server.URL+"/api/v1/write", "application/x-protobuf", MetricsBody(MetricName, n, l.first))
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case ok:
			l.batches++
		case !answered:
			l.unanswered++
		}
	}
}

// MetricsBody is the n-th remote write request of a metric: its samples follow those of the one before in time, and all have the value n.
func MetricsBody(metric string, n int, first time.Time) []byte {
	req := prompb.WriteRequest{}
	for s := range loadSeries {
		ts := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: metric}, {Name: "job", Value: "faults"}, {Name: "series", Value: strconv.Itoa(s)}}}
		for i := range loadSamples {
			ts.Samples = append(ts.Samples, prompb.Sample{Value: float64(n), Timestamp: first.UnixMilli() + int64(n*loadSamples+i)})
		}
		req.Timeseries = append(req.Timeseries, ts)
	}
	b, err := req.Marshal()
	if err != nil {
		panic(err) // It marshals numbers and constants.
	}
	return snappy.Encode(nil, b)
}

// logs returns a function that sends new lines.
func (l *Load) logs() func() {
	n := 0
	return func() {
		ids := make([]string, logLines)
		for i := range ids {
			ids[i] = fmt.Sprintf("line %08d of the load", n)
			n++
		}
		answered, ok := l.post(l.server.OTLPHTTP+"/v1/logs", "application/json", LogsBody(LogService, ids))
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, id := range ids {
			if ok {
				l.accepted[id] = true
			} else if !answered {
				l.lost[id] = true
			}
		}
	}
}

// LogsBody is an OTLP request in JSON with one record a line.
func LogsBody(service string, lines []string) []byte {
	type obj = map[string]any
	records := make([]obj, len(lines))
	for i, line := range lines {
		records[i] = obj{"timeUnixNano": strconv.FormatInt(time.Now().UnixNano(), 10), "severityNumber": 9, "body": obj{"stringValue": line}}
	}
	attr := []obj{{"key": "service.name", "value": obj{"stringValue": service}}}
	b, err := json.Marshal(obj{"resourceLogs": []obj{{"resource": obj{"attributes": attr}, "scopeLogs": []obj{{"logRecords": records}}}}})
	if err != nil {
		panic(err) // It marshals strings.
	}
	return b
}

// post sends a body. ok tells whether the answer was 2xx, answered whether it is known what became of the body: after a 5xx it is not,
// since the server may have given up waiting for a transport that took it.
func (l *Load) post(url, contentType string, body []byte) (answered, ok bool) {
	// Not bound to the load's context: a request that is cut off by Stop would leave us not knowing whether it was taken.
	resp, err := l.client.Post(url, contentType, bytes.NewReader(body))
	if err != nil {
		return errors.Is(err, syscall.ECONNREFUSED), false // Who refuses the connection has not seen the body.
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	if ok := resp.StatusCode/100 == 2; ok {
		return true, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
	l.reasons[fmt.Sprintf("%d %s", resp.StatusCode, text)]++
	return resp.StatusCode/100 != 5, false
}

// AwaitBatches waits until n more batches of samples and as many requests with lines were accepted.
func (l *Load) AwaitBatches(t *testing.T, n int) {
	t.Helper()
	l.mu.Lock()
	batches, lines := l.batches+n, len(l.accepted)+n*logLines
	l.mu.Unlock()
	Eventually(t, "the server takes more", func() (bool, string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.batches >= batches && len(l.accepted) >= lines, fmt.Sprintf("%d of %d batches, %d of %d lines, refusals: %v", l.batches, batches, len(l.accepted), lines, l.reasons)
	})
}

// Check stops the load and compares the store, PromQL and the ledger with what was accepted. Afterwards it packs everything and
// compares the packed samples and the rollups.
func (l *Load) Check(t *testing.T) {
	t.Helper()
	l.Stop()
	l.finish(t)
	s := l.server
	ledger := s.Settled(t)
	samples, repeats := uint64(l.batches*batchItems), uint64(l.unanswered*batchItems)
	t.Logf("%d samples and %d lines accepted; %d requests refused; without an answer: %d samples (repeated), %d lines (not repeated)", samples, len(l.accepted), l.refused, repeats, len(l.lost))
	if m := ledger.Of("remote_write", "metrics"); m.Accepted < samples || m.Accepted > samples+repeats || m.Stored != m.Accepted {
		t.Errorf("ledger of the samples: %+v, want %d to %d accepted and as many stored", m, samples, samples+repeats)
	}
	if logs, rows := ledger.Of("", "logs"), s.Numbers(t, "SELECT count() FROM logs"); logs.Stored != logs.Accepted || logs.Stored != rows[0] {
		t.Errorf("ledger of the lines: %+v, and there are %d", logs, rows[0])
	}
	l.checkPromQL(t, "from the samples as they arrived")
	l.checkLines(t)
	before := s.Numbers(t, "SELECT count(), uniqExact(series_id, ts) FROM (SELECT series_id, ts FROM samples_recent UNION ALL SELECT series_id, ts FROM samples_packing)")
	if st := s.Pack(t); st.Samples < before[1] {
		t.Errorf("packed %d samples of %d", st.Samples, before[1])
	}
	if before[0] > before[1]+repeats {
		t.Errorf("%d rows for %d different samples, and only %d can be repeats", before[0], before[1], repeats)
	}
	l.checkRollups(t)
	l.checkPromQL(t, "from the packed samples")
}

// finish repeats the batch in hand when it has no answer yet: the server may have it or not, and after this it has.
func (l *Load) finish(t *testing.T) {
	t.Helper()
	n := l.batches
	send := l.metrics()
	Eventually(t, "the last batch is taken", func() (bool, string) {
		send()
		return l.batches > n, fmt.Sprint(l.reasons)
	})
}

// checkPromQL compares number and sum of all samples.
func (l *Load) checkPromQL(t *testing.T, where string) {
	t.Helper()
	n := float64(l.batches)
	for query, want := range map[string]float64{
		"sum(count_over_time(" + MetricName + "[3h]))": n * batchItems,
		"sum(sum_over_time(" + MetricName + "[3h]))":   n * (n - 1) / 2 * batchItems,
	} {
		if got, err := l.server.PromQL(t, query); err != nil || got != want {
			t.Errorf("%s %s is %g, want %g (%v)", query, where, got, want, err)
		}
	}
}

// checkRollups compares the packed samples and both rollups.
func (l *Load) checkRollups(t *testing.T) {
	t.Helper()
	want := uint64(l.batches * batchItems)
	ids := "series_id IN (SELECT series_id FROM series WHERE name = '" + MetricName + "')"
	sum := uint64(l.batches*(l.batches-1)/2) * batchItems
	if got := l.server.Numbers(t, "SELECT sum(samples), uniqExact(series_id) FROM samples_packed WHERE "+ids); got[0] != want || got[1] != loadSeries {
		t.Errorf("packed are %d samples of %d series, want %d of %d", got[0], got[1], want, loadSeries)
	}
	for _, table := range []string{"samples_5m", "samples_1h"} {
		got := l.server.Numbers(t, "SELECT sum(count), toUInt64(sum(sum)) FROM "+table+" WHERE "+ids)
		if got[0] != want || got[1] != sum {
			t.Errorf("%s has %d samples with sum %d, want %d with %d", table, got[0], got[1], want, sum)
		}
	}
}

// checkLines looks at every line.
func (l *Load) checkLines(t *testing.T) {
	t.Helper()
	rows, err := l.server.SQL(t, "SELECT body, count() FROM logs WHERE service = '"+LogService+"' GROUP BY body")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		if r[1] != "1" || (!l.accepted[r[0]] && !l.lost[r[0]]) {
			t.Errorf("%q is there %s times (accepted %v, unanswered %v)", r[0], r[1], l.accepted[r[0]], l.lost[r[0]])
		}
		seen[r[0]] = true
	}
	missing := 0
	for id := range l.accepted {
		if !seen[id] {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d accepted lines are missing", missing, len(l.accepted))
	}
}

// Refusals returns how often each answer came that was not 2xx.
func (l *Load) Refusals() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]int{}
	for k, v := range l.reasons {
		out[k] = v
	}
	return out
}
