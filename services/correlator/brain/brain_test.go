package brain_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
)

// The world of the test: a chain of services, each on a host of its own, sampled every 15 s.
const (
	dayMS   = 1_795_000_000_000
	stepMS  = 15_000
	chain   = 5
	faultAt = 200
	steps   = 260
	faulty  = 3 // Number of the service whose host runs out of CPU: those before it in the chain wait for it.
)

// samples returns one batch for a step. The same step gives the same batch.
func samples(step int, fault bool) *model.Metrics {
	r := rand.New(rand.NewPCG(7, uint64(step)))
	m := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: model.DefaultTenant, Source: "agent:test"}}}
	add := func(name string, v float64, pairs ...string) {
		var labels []model.Label
		key := model.AppendIdentity(nil, name, "")
		for i := 0; i < len(pairs); i += 2 {
			labels = append(labels, model.Label{Name: pairs[i], Value: pairs[i+1]})
			key = model.AppendIdentity(key, pairs[i], pairs[i+1])
		}
		s := model.Series{ID: model.Hash64(string(key)), MetricID: model.MetricID(name), Name: name, Labels: labels, ShardHash: model.Hash64(model.EntityOf(name, labels).String())}
		if step%40 == 0 {
			m.Announced = append(m.Announced, s)
		}
		m.SeriesIDs, m.MetricIDs = append(m.SeriesIDs, s.ID), append(m.MetricIDs, s.MetricID)
		m.TimesMS, m.Values = append(m.TimesMS, int64(dayMS+step*stepMS)), append(m.Values, v)
	}
	for i := range chain {
		host, service := fmt.Sprintf("host-%d", i), fmt.Sprintf("svc-%d", i)
		id := fmt.Sprintf("%032x", i+1) // Identity is a number, as with our own agent.
		own, wait := 0.0, 0.0
		if fault && step >= faultAt && i == faulty {
			own = 1
		}
		if fault && step >= faultAt && i <= faulty {
			wait = 1
		}
		add("system_cpu_utilization_ratio", math.Min(1, 0.3+0.02*r.NormFloat64()+0.69*own), "host_id", id, "host_name", host)
		add("system_memory_utilization_ratio", 0.5+0.01*r.NormFloat64(), "host_id", id, "host_name", host)
		add("http_requests_per_second", 100+4*r.NormFloat64(), "host_id", id, "host_name", host, "service", service)
		add("http_request_duration_seconds", 0.05+0.004*r.NormFloat64()+0.6*wait, "host_id", id, "host_name", host, "service", service)
		add("http_errors_ratio", math.Max(0, 0.001+0.0005*r.NormFloat64()+0.2*wait), "host_id", id, "host_name", host, "service", service)
		if i > 0 {
			add("traces_service_graph_request_client_seconds", 0.05+0.003*r.NormFloat64()+0.6*wait, "client", fmt.Sprintf("svc-%d", i-1), "server", service)
		}
	}
	return m
}

// run goes through the steps and returns the outputs of all marks. between is called after each step and may replace the brain.
func run(t *testing.T, fault bool, between func(step int, b *brain.Brain) *brain.Brain) []brain.Output {
	t.Helper()
	b := brain.New(brain.Default())
	var all []brain.Output
	for step := range steps {
		b.Metrics(samples(step, fault))
		at := int64(dayMS + step*stepMS)
		out, err := b.Mark(eventtime.Mark{Seq: uint64(step + 1), AtMS: at + 2_000, WatermarkMS: at})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, out)
		if between != nil {
			b = between(step, b)
		}
	}
	return all
}

func TestChainNamesItsWeakLink(t *testing.T) {
	incidents := map[string]*model.Incident{}
	opened := -1
	for step, out := range run(t, true, nil) {
		for _, in := range out.Incidents {
			incidents[in.ID] = in
			if opened < 0 {
				opened = step
			}
		}
	}
	if len(incidents) != 1 {
		t.Fatalf("%d incidents, want one", len(incidents))
	}
	if late := (opened - faultAt) * stepMS / 1000; opened < faultAt || late > 60 {
		t.Errorf("opened %d s after the fault", late)
	}
	for _, in := range incidents {
		t.Logf("%s %s: %s", in.Severity, in.Title, in.Verdict.Sentence)
		if in.Verdict.Unknown || len(in.Verdict.Candidates) == 0 {
			t.Fatalf("no cause; checked %v", in.Verdict.Checked)
		}
		if top := in.Verdict.Candidates[0].Entity.Name; top != fmt.Sprintf("%032x", faulty+1) && top != fmt.Sprintf("svc-%d", faulty) {
			t.Errorf("cause %s: %s", top, in.Verdict.Candidates[0].Why)
		}
		for _, c := range in.Verdict.Candidates {
			if strings.Contains(c.Why, "00000") {
				t.Errorf("a host by its number: %s", c.Why)
			}
		}
	}
}

func TestQuietChainSaysNothing(t *testing.T) {
	for step, out := range run(t, false, nil) {
		for _, in := range out.Incidents {
			t.Errorf("step %d: %s %s", step, in.Severity, in.Title)
		}
	}
}

// TestRestoredBrainGoesOn replaces the brain by its own snapshot many times: every output must be the same, bit for bit.
func TestRestoredBrainGoesOn(t *testing.T) {
	whole := run(t, true, nil)
	restored := run(t, true, func(step int, b *brain.Brain) *brain.Brain {
		if step%37 != 0 && step != faultAt+1 && step != faultAt+4 {
			return b
		}
		data, err := b.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		next, lost, err := brain.Restore(data, brain.Default())
		if err != nil || len(lost) > 0 {
			t.Fatalf("step %d: %v, lost %v", step, err, lost)
		}
		again, err := next.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, again) {
			t.Errorf("step %d: the snapshot of a restored brain differs", step)
		}
		return next
	})
	for i := range whole {
		a, b := written(t, whole[i]), written(t, restored[i])
		if a != b {
			at := 0
			for at < min(len(a), len(b)) && a[at] == b[at] {
				at++
			}
			t.Fatalf("mark %d differs:\n%.200s\n%.200s", i, a[max(0, at-60):], b[max(0, at-60):])
		}
	}
}

func written(t *testing.T, o brain.Output) string {
	t.Helper()
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestRestoreRefusesWhatIsBroken(t *testing.T) {
	b := brain.New(brain.Default())
	b.Metrics(samples(0, false))
	data, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"empty": nil, "short": data[:len(data)/2], "version": append([]byte{99}, data[1:]...), "flipped": flip(data, len(data)/2)} {
		if _, _, err := brain.Restore(bad, brain.Default()); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func flip(data []byte, at int) []byte {
	out := bytes.Clone(data)
	out[at] ^= 1
	return out
}

// TestDetectorOfAnotherVersion has the detector's part of a snapshot unreadable: incidents and what people did to them stay.
func TestDetectorOfAnotherVersion(t *testing.T) {
	b := brain.New(brain.Default())
	var incident string
	for step := range faultAt + 20 {
		b.Metrics(samples(step, true))
		at := int64(dayMS + step*stepMS)
		out, err := b.Mark(eventtime.Mark{Seq: uint64(step + 1), AtMS: at + 2_000, WatermarkMS: at})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Incidents) > 0 {
			incident = out.Incidents[0].ID
		}
	}
	if _, err := b.Command(model.Command{ID: "c1", Action: "assign", Incident: incident, Text: "ann", Who: "ann"}); err != nil {
		t.Fatal(err)
	}
	data, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	next, lost, err := brain.Restore(spoil(t, data, 2), brain.Default())
	if err != nil || len(lost) != 1 {
		t.Fatalf("%v, lost %v", err, lost)
	}
	if _, err := next.Command(model.Command{ID: "c2", Action: "acknowledge", Incident: incident, Who: "ann"}); err != nil {
		t.Errorf("the incident is forgotten: %v", err)
	}
}

// spoil changes the version byte of a part and seals the snapshot again.
func spoil(t *testing.T, data []byte, part int) []byte {
	t.Helper()
	out := bytes.Clone(data[:len(data)-4])
	at := 1
	for range part {
		n, used := binary.Uvarint(out[at:])
		at += used + int(n)
	}
	_, used := binary.Uvarint(out[at:])
	out[at+used] ^= 0xff
	return binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(out))
}
