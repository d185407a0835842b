package adapters

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/model"
)

// changeLabel is one entry of labels.json.
type changeLabel struct {
	ID      string `json:"id"`
	Service string `json:"root_cause_service"`
	Fault   string `json:"fault"`
	Changes int    `json:"n_changes"`
}

// changeContext is context.json: the releases of a case.
type changeContext struct {
	Plan map[string]struct {
		Release int64 `json:"release_time"`
		Process map[string]struct {
			New []string `json:"release_pod"`
		} `json:"process"`
	} `json:"plan"`
	Detected int64 `json:"detect_timestamp"`
}

const (
	// changeOnset is how long before the detection the trouble is taken to have begun: the two rows that a detection needs.
	changeOnset = 120_000
	// changeAfter is how long after the detection the verdict is asked for: new instances need some minutes of samples.
	changeAfter = 300_000
)

// ChangeCases reads the cases of ChangeRCA (Yu et al., FSE 2024) below dir: which of several releases is to blame.
func ChangeCases(dir string, o Options) ([]quality.CauseCase, error) {
	files, err := findFiles(dir, "labels.json")
	if err != nil {
		return nil, err
	}
	var out []quality.CauseCase
	for _, f := range files {
		var labels []changeLabel
		if err := readJSON(f, &labels); err != nil || len(labels) == 0 || labels[0].Changes == 0 {
			continue // Labels of another set.
		}
		for _, l := range labels {
			c, err := changeCase(filepath.Join(filepath.Dir(f), l.ID), l, o)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", l.ID, err)
			}
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no labels.json with changes", dir)
	}
	return out, nil
}

func changeCase(dir string, l changeLabel, o Options) (quality.CauseCase, error) {
	var plan changeContext
	if err := readJSON(filepath.Join(dir, "context.json"), &plan); err != nil {
		return quality.CauseCase{}, err
	}
	w := newWindows(o)
	var edges []model.Edge
	if t, err := readTable(filepath.Join(dir, "dependency.csv")); err == nil {
		from, to := t.column("Source"), t.column("Target")
		for _, row := range t.rows {
			edges = append(edges, dependency(w, cell(row, from), cell(row, to)))
		}
	}
	more, err := changePods(w, filepath.Join(dir, "metrics.csv"))
	if err != nil {
		return quality.CauseCase{}, err
	}
	edges = append(edges, more...)
	for _, side := range []string{"source", "destination"} {
		t, err := readTable(filepath.Join(dir, side+"_success.csv"))
		if err != nil {
			continue
		}
		edgeTable(w, t, "call_success", "%", side)
	}
	now := o.Renamer.Time(plan.Detected*1000 + changeAfter)
	onset := o.Renamer.Time(plan.Detected*1000 - changeOnset)
	c := quality.CauseCase{
		Name: o.Renamer.Name(l.ID), System: "changerca", Fault: l.Fault, Truth: []string{o.Renamer.Name(l.Service)},
		Input: rootcause.Input{OnsetMS: onset, NowMS: now, Windows: within(w.sorted(), onset-nezhaPast, now), Edges: edges},
	}
	for service, p := range plan.Plan {
		at := p.Release
		for text := range p.Process {
			if t, err := strconv.ParseInt(text, 10, 64); err == nil && (at == 0 || t < at) {
				at = t
			}
		}
		name := o.Renamer.Name(service)
		c.Changed = append(c.Changed, name)
		c.Input.Changes = append(c.Input.Changes, model.Change{ID: "release of " + name, TimeNS: o.Renamer.Time(at*1000) * 1e6, Kind: "deploy", Service: name, Version: "v2"})
	}
	slices.Sort(c.Changed)
	slices.SortFunc(c.Input.Changes, func(a, b model.Change) int {
		return cmp.Or(cmp.Compare(a.TimeNS, b.TimeNS), strings.Compare(a.ID, b.ID))
	})
	return c, nil
}

// changePods reads the rows by pod and call. The head of the table is in another order than its values: after the success rate come the shares of CPU and
// memory of the pod, those of its node, and the latency in seconds.
func changePods(w *windows, path string) ([]model.Edge, error) {
	t, err := readTable(path)
	if err != nil {
		return nil, err
	}
	pod, src, dst, at := t.column("pod"), t.column("src_service"), t.column("dst_service"), t.column("Timestamp")
	success := t.column("SuccessRate")
	if pod < 0 || src < 0 || dst < 0 || at < 0 || success < 0 {
		return nil, fmt.Errorf("columns %v", t.head)
	}
	var edges []model.Edge
	seen := map[string]int64{}
	for _, row := range t.rows {
		p, from, to := cell(row, pod), cell(row, src), cell(row, dst)
		if p == "" || to == "" {
			continue
		}
		ms := int64(number(cell(row, at)) * 1000)
		own := versionless(serviceOf(p))
		e := w.entity(model.KindInstance, p)
		if _, ok := seen[p]; !ok {
			edges = append(edges, model.Edge{Kind: model.EdgePartOf, From: w.entity(model.KindService, own), To: e})
		}
		about := e
		if own != to { // The pod calls: the series speaks of whom it calls, as seen by the pod.
			about = w.entity(model.KindService, to)
		}
		w.add(about, "call_success", "%", ms, number(cell(row, success)), "client", from, "pod", p, "server", to)
		w.add(about, "call_latency", "s", ms, number(cell(row, success+5)), "client", from, "pod", p, "server", to)
		if ms > seen[p] { // The pod's own figures are repeated in the rows of all its calls.
			w.add(e, "cpu_usage", "%", ms, number(cell(row, success+1)))
			w.add(e, "memory_usage", "%", ms, number(cell(row, success+2)))
			seen[p] = ms
		}
	}
	return edges, nil
}

// versionless takes a version off the name of a deployment: "checkout-v2" is checkout.
func versionless(name string) string {
	if i := strings.LastIndex(name, "-v"); i > 0 {
		if _, err := strconv.Atoi(name[i+2:]); err == nil {
			return name[:i]
		}
	}
	return name
}
