package detect_test

import (
	"testing"

	"github.com/faultline-io/faultline/services/correlator/detect"
	"github.com/faultline-io/faultline/services/model"
)

// On quiet telemetry of every kind there must be less than one false finding a day and entity, from the first minute on.
func TestQuiet(t *testing.T) {
	w := newWorld(detect.Default())
	const hosts, days = 6, 4
	for h := range hosts {
		w.addHost(h)
	}
	for d := range days {
		from := w.now()
		w.run(day)
		found := w.opened(from)
		t.Logf("day %d: %d findings of %d hosts with %d series", d, len(found), hosts, len(w.series)/hosts)
		for _, f := range found {
			t.Logf("  %s %s at %d min: %s (p %.1e, %s) ended after %d s", f.Entity, f.Kind, (f.OnsetMS-begin)/minute, f.Text, f.PValue, f.Detector, (f.EndMS-f.OnsetMS)/1000)
		}
		if len(found) > hosts {
			t.Errorf("%d findings on a quiet day of %d hosts", len(found), hosts)
		}
	}
}

// fault is something that happens to one host.
type fault struct {
	name string
	// history is how long all was well before.
	history int64
	// edit changes the values of a series from the fault on; at counts steps since then.
	edit func(s *model.Series, at int, v float64) (float64, bool)
	// within is the longest time until it is known, kind and signal what is expected.
	within int64
	kind   model.FindingKind
	signal string
}

func only(name string, f func(at int, v float64) float64) func(*model.Series, int, float64) (float64, bool) {
	return func(s *model.Series, at int, v float64) (float64, bool) {
		if s.Name != name {
			return v, true
		}
		return f(at, v), true
	}
}

func TestFaults(t *testing.T) {
	grow := func(perStep float64) func(int, float64) float64 {
		return func(at int, v float64) float64 { return v + perStep*float64(at+1) }
	}
	for _, f := range []fault{
		{"processor at its limit after a quarter of an hour", 15 * minute, func(s *model.Series, _ int, v float64) (float64, bool) {
			if s.Name == "system_cpu_utilization_ratio" {
				if model.Lookup(s.Labels, "state") == "idle" {
					return 0.01, true
				}
				return 0.98, true
			}
			return v, true
		}, 6 * minute, "", "system_cpu_utilization_ratio"},
		{"requests become slow", hour, only("http_server_request_duration_seconds_sum", grow(60)), 2 * minute, model.FindingShift, "http_server_request_duration_seconds_sum"},
		{"requests become slow after a quarter of an hour", 20 * minute, only("http_server_request_duration_seconds_sum", grow(120)), 2 * minute, model.FindingShift, "http_server_request_duration_seconds_sum"},
		{"packets are lost", hour, only("system_network_errors_total", grow(150)), 2 * minute, model.FindingShift, "system_network_errors_total"},
		{"a queue grows", hour, only("queue_length", grow(8)), 4 * minute, model.FindingShift, "queue_length"},
		{"the process is down", 15 * minute, only("up", func(int, float64) float64 { return 0 }), 2 * minute, model.FindingLimit, "up"},
		{"the host is silent", 30 * minute, func(*model.Series, int, float64) (float64, bool) { return 0, false }, 3 * minute, model.FindingSilence, "telemetry"},
		{"the disk is full", hour, func(s *model.Series, _ int, v float64) (float64, bool) {
			if model.Lookup(s.Labels, "mountpoint") == "/" {
				return 0.97, true
			}
			return v, true
		}, 3 * minute, "", "system_filesystem_utilization_ratio"},
		{"requests stop", 2 * hour, func() func(*model.Series, int, float64) (float64, bool) {
			held := map[uint64]float64{}
			return func(s *model.Series, at int, v float64) (float64, bool) {
				if s.Name != "http_server_request_duration_seconds_count" && s.Name != "http_server_request_duration_seconds_sum" {
					return v, true
				}
				if at == 0 {
					held[s.ID] = v
				}
				return held[s.ID], true
			}
		}(), 3 * minute, model.FindingShift, "http_server_request_duration_seconds_count"},
	} {
		t.Run(f.name, func(t *testing.T) {
			w := newWorld(detect.Default())
			for h := range 3 {
				w.addHost(h)
			}
			w.run(f.history)
			if len(w.all) > 0 {
				t.Errorf("before: %s", w.all[0].Text)
			}
			at, start := w.now(), w.t
			w.edit = func(i, step int, v float64) (float64, bool) {
				if model.Lookup(w.series[i].Labels, "host_name") != "h1" {
					return v, true
				}
				return f.edit(&w.series[i], step-start, v)
			}
			w.run(20 * minute)
			known := false
			latest := map[uint64]model.FindingKind{}
			for _, x := range w.all {
				latest[x.ID] = x.Kind
			}
			for _, x := range w.opened(at) {
				t.Logf("%s %s after %d s (onset %d s): %s, confidence %.2f", x.Kind, x.Detector, (x.SeenMS-at)/1000, (x.OnsetMS-at)/1000, x.Text, x.Confidence)
				if x.Entity != (model.Entity{Kind: model.KindHost, Name: "h1"}) {
					t.Errorf("found on %s", x.Entity)
				}
				right := x.Signal.Name == f.signal && (f.kind == "" || latest[x.ID] == f.kind)
				if right && x.SeenMS <= at+f.within {
					known = true
				}
				if right && (x.OnsetMS < at-stepMS || x.OnsetMS > at+minute+stepMS) {
					t.Errorf("onset %d s from the fault", (x.OnsetMS-at)/1000)
				}
			}
			if !known {
				t.Errorf("not known within %d s", f.within/1000)
			}
			w.edit = nil
			w.run(4 * hour)
			open := map[uint64]model.Finding{}
			for _, x := range w.all {
				open[x.ID] = x
			}
			for _, x := range open {
				if x.EndMS == 0 {
					t.Errorf("still open: %s", x.Text)
				}
			}
		})
	}
}
