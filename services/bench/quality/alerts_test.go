package quality_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
)

// put writes a file of one JSON value a line.
func put(t *testing.T, path string, lines ...any) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if err := json.NewEncoder(f).Encode(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAlertedCauses makes a system in which every incident has the same noise everywhere and one alert that is rare at the instance to blame, so
// that counting alerts finds nothing and habit finds it.
func TestAlertedCauses(t *testing.T) {
	dir := t.TempDir()
	nodes := []string{"a", "b", "c", "d"}
	var cases, labels []any
	for n := range 24 {
		cause := nodes[n%3]
		metrics := [][]string{{cause, fmt.Sprint("rare_", n%5), "up"}}
		for _, node := range nodes {
			metrics = append(metrics, []string{node, "cpu_usage", "up"})
		}
		metrics = append(metrics, []string{"d", "memory_usage", "up"}, []string{"d", "disk_io", "down"}) // d is always loud.
		id := fmt.Sprint("case", n)
		cases = append(cases, map[string]any{"id": id, "nodes": nodes, "edges": [][2]int{{0, 1}, {1, 2}, {2, 3}}, "metric_alerts": metrics, "log_alerts": [][]string{}, "trace_alerts": [][]string{}})
		labels = append(labels, map[string]any{"id": id, "root_cause_instance": cause, "fault_type": "made"})
	}
	put(t, filepath.Join(dir, "made_cases.jsonl"), cases...)
	put(t, filepath.Join(dir, "made_labels.jsonl"), labels...)
	for _, rename := range []bool{false, true} {
		cs, err := adapters.AlertCauses(dir, adapters.Options{Renamer: quality.NewRenamer(rename)})
		if err != nil {
			t.Fatal(err)
		}
		scores, counted := quality.AlertedCauses(cs, rootcause.Default())
		c, n := quality.SumCauses(scores), quality.Rank(counted)
		if c.N != 24 || c.AC3.Mean < 0.8 || n.AC1.Mean != 0 {
			t.Errorf("renamed %v: n %d, AC@1 %v, AC@3 %v; counting %v", rename, c.N, c.AC1, c.AC3, n.AC1)
		}
	}
	if _, err := adapters.AlertCauses(t.TempDir(), adapters.Options{}); err == nil {
		t.Error("an empty folder")
	}
}

func TestFlood(t *testing.T) {
	dir := t.TempDir()
	day := time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
	var alerts []any
	add := func(at time.Time, level int, what string) {
		alerts = append(alerts, map[string]any{
			"timestamp": at.Format("2006-01-02T15:04:05.000000-0700"), "rule": map[string]any{"level": level, "description": what, "id": what}, "agent": map[string]any{"name": "mail"},
		})
	}
	for n := range 50 { // Two bursts, two hours apart.
		add(day.Add(time.Duration(n)*time.Second), 10, "many failed logins")
		add(day.Add(2*time.Hour+time.Duration(n)*time.Second), 10, "file was changed")
	}
	put(t, filepath.Join(dir, "wazuh_box.json"), alerts...)
	put(t, filepath.Join(dir, "attack_phases.json"), map[string]any{"box": map[string]any{
		"guess": []time.Time{day, day.Add(time.Minute)}, "change": []time.Time{day.Add(2 * time.Hour), day.Add(2*time.Hour + time.Minute)},
	}})
	cs, err := adapters.AlertFloods(dir, adapters.Options{Renamer: quality.NewRenamer(true)})
	if err != nil {
		t.Fatal(err)
	}
	s := quality.Flood(cs[0])
	if s.Alerts != 100 || s.Phases != 2 || s.Incidents != 2 || s.Unseen != 0 || s.F1 != 1 || s.Purity != 1 || s.Reduction != .98 {
		t.Errorf("%+v", s)
	}
	// Wrong labels must show: half of the first burst belongs to the second phase.
	for i := range 25 {
		cs[0].Truth[2*i] = "change"
	}
	if bad := quality.Flood(cs[0]); bad.F1 > .8 || bad.Purity > .9 {
		t.Errorf("%+v", bad)
	}
}
