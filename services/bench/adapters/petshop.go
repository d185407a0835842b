package adapters

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/model"
)

// petshopLabel is one entry of labels.json.
type petshopLabel struct {
	ID       string `json:"id"`
	Scenario string `json:"scenario"`
	Target   struct {
		Node      string  `json:"node"`
		Metric    string  `json:"metric"`
		Timestamp float64 `json:"timestamp"`
	} `json:"target"`
	RootCause string `json:"root_cause_node"`
	Normal    bool   `json:"has_normal_baseline"`
}

// petshopQuiet is how many quiet windows of a normal run are asked about, for each target metric.
const petshopQuiet = 24

// Petshop reads the folders of the PetShop data set (Hardt et al., CLeaR 2024) below dir: a case for each issue with a normal run, and quiet windows of
// the normal runs, for both metrics of the entry.
func Petshop(dir string, o Options) ([]quality.CauseCase, error) {
	files, err := findFiles(dir, "labels.json")
	if err != nil {
		return nil, err
	}
	var out []quality.CauseCase
	for _, f := range files {
		var labels []petshopLabel
		if err := readJSON(f, &labels); err != nil || len(labels) == 0 || labels[0].Target.Node == "" {
			continue // Labels of another set.
		}
		root := filepath.Dir(f)
		normal := map[string][]petRow{}
		for _, l := range labels {
			scenario := filepath.Join(root, l.Scenario)
			if _, ok := normal[scenario]; !ok {
				rows, err := petshopRows(filepath.Join(scenario, "noissue", "metrics.csv"))
				if err != nil && !os.IsNotExist(err) {
					return nil, err
				}
				normal[scenario] = rows
				quiet, err := petshopQuietCases(scenario, l, rows, o)
				if err != nil {
					return nil, err
				}
				out = append(out, quiet...)
			}
			if len(normal[scenario]) == 0 {
				continue
			}
			issue, err := petshopRows(filepath.Join(root, filepath.FromSlash(l.ID), "metrics.csv"))
			if err != nil {
				return nil, err
			}
			c, err := petshopCase(scenario, l, normal[scenario], issue, o)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no labels.json with targets and normal runs", dir)
	}
	return out, nil
}

// petRow is one sample.
type petRow struct {
	node, metric, statistic string
	ms                      int64
	v                       float64
}

// petshopRows reads a table whose head is three rows (component, metric, statistic).
func petshopRows(path string) ([]petRow, error) {
	if _, err := os.Stat(path); err != nil {
		if _, err := os.Stat(path + ".gz"); err != nil {
			return nil, err
		}
	}
	t, err := readTable(path)
	if err != nil {
		return nil, err
	}
	if len(t.rows) < 3 {
		return nil, fmt.Errorf("%s has no rows", path)
	}
	metric, statistic := t.rows[0], t.rows[1]
	var out []petRow
	for _, row := range t.rows[2:] {
		at := number(cell(row, 0))
		if !(at > 0) {
			continue // The row with the name of the index.
		}
		for i := 1; i < len(row); i++ {
			out = append(out, petRow{cell(t.head, i), strings.TrimSpace(cell(metric, i)), strings.TrimSpace(cell(statistic, i)), int64(at * 1000), number(row[i])})
		}
	}
	return out, nil
}

// petshopGraph reads the matrix: a row calls the columns that are not zero.
func petshopGraph(path string, w *windows) ([]model.Edge, error) {
	t, err := readTable(path)
	if err != nil {
		return nil, err
	}
	var out []model.Edge
	for _, row := range t.rows {
		for i := 1; i < len(row); i++ {
			if number(row[i]) > 0 {
				out = append(out, w.calls(row[0], t.head[i]))
			}
		}
	}
	return out, nil
}

// petUnits are the units that the set's description gives.
var petUnits = map[string]string{"latency": "s", "availability": "%", "requests": ""}

// petshopFill adds the rows between two times, moved by shift.
func petshopFill(w *windows, rows []petRow, from, to, shift int64) (first, last int64) {
	for _, r := range rows {
		if r.ms < from || r.ms > to {
			continue
		}
		w.add(w.entity(model.KindService, r.node), r.metric+"_"+r.statistic, petUnits[r.metric], r.ms+shift, r.v)
		if first == 0 || r.ms < first {
			first = r.ms
		}
		last = max(last, r.ms)
	}
	return first, last
}

const allTime = int64(1) << 60

func petshopCase(scenario string, l petshopLabel, normal, issue []petRow, o Options) (quality.CauseCase, error) {
	w := newWindows(o)
	edges, err := petshopGraph(filepath.Join(scenario, "graph.csv"), w)
	if err != nil {
		return quality.CauseCase{}, err
	}
	if len(issue) == 0 {
		return quality.CauseCase{}, fmt.Errorf("%s has no rows", l.ID)
	}
	// The normal run is another day's: it is put right before the issue.
	petshopFill(w, normal, 0, allTime, issue[0].ms-300_000-normal[len(normal)-1].ms)
	first, last := petshopFill(w, issue, 0, allTime, 0)
	return quality.CauseCase{
		Name: o.Renamer.Name(l.ID), System: "petshop-" + l.Scenario, Fault: l.Target.Metric,
		Input: rootcause.Input{OnsetMS: o.Renamer.Time(first), NowMS: o.Renamer.Time(last), Windows: w.sorted(), Edges: edges, Symptoms: petshopSymptoms(w, l)},
		Truth: []string{o.Renamer.Name(l.RootCause)},
	}, nil
}

// petshopSymptoms is the signal that the set names as the one that alarmed.
func petshopSymptoms(w *windows, l petshopLabel) []rootcause.Symptom {
	role := model.RoleLatency
	if l.Target.Metric == "availability" {
		role = model.RoleSuccess
	}
	return []rootcause.Symptom{{Entity: w.entity(model.KindService, l.Target.Node), Role: role}}
}

// petshopQuietCases cuts windows out of the second half of a normal run, judged by what was before them.
func petshopQuietCases(scenario string, l petshopLabel, rows []petRow, o Options) ([]quality.CauseCase, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	lo, hi := rows[0].ms, rows[len(rows)-1].ms
	var out []quality.CauseCase
	for i := range petshopQuiet {
		from := lo + (hi-lo)/2 + (hi-lo)/2*int64(i)/petshopQuiet
		to := from + 4*300_000 // Five rows, as in the issues.
		for _, metric := range []string{"latency", "availability"} {
			w := newWindows(o)
			edges, err := petshopGraph(filepath.Join(scenario, "graph.csv"), w)
			if err != nil {
				return nil, err
			}
			petshopFill(w, rows, 0, to, 0)
			q := l
			q.Target.Metric = metric
			out = append(out, quality.CauseCase{
				Name: fmt.Sprintf("quiet-%d-%s", i, metric), System: "petshop-" + l.Scenario, Fault: metric, Quiet: true,
				Input: rootcause.Input{OnsetMS: o.Renamer.Time(from), NowMS: o.Renamer.Time(to), Windows: w.sorted(), Edges: edges, Symptoms: petshopSymptoms(w, q)},
			})
		}
	}
	return out, nil
}
