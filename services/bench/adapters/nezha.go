package adapters

import (
	"cmp"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/model"
)

// nezhaLabel is one entry of labels.json.
type nezhaLabel struct {
	ID         string   `json:"id"`
	System     string   `json:"system"`
	Day        string   `json:"day"`
	InjectUnix int64    `json:"inject_unix"`
	Duration   int64    `json:"duration_s"`
	Service    string   `json:"root_cause_service"`
	Fault      string   `json:"fault_type"`
	Inner      string   `json:"inner_service_label"`
	Minutes    []string `json:"log_trace_minutes"`
	Available  []string `json:"trace_minutes_available"`
	Before     []string `json:"trace_minutes_before"`
}

// NezhaDay is one recorded day of one system of the Nezha set (Yu et al., ESEC/FSE 2023): metrics of the whole day, spans and logs of some of its minutes,
// and the faults that were injected.
type NezhaDay struct {
	System, Day string
	Dir         string
	Faults      []nezhaLabel
	o           Options
	windows     []model.Window
	edges       []model.Edge
	derived     *derived
}

// nezhaSystems are the folders of the systems by the short names that labels use.
var nezhaSystems = map[string]string{"ob": "online-boutique", "tt": "train-ticket"}

// Nezha finds the days below dir and reads their metrics. Windows, Spans and Logs then hand out telemetry.
func Nezha(dir string, o Options) ([]*NezhaDay, error) {
	files, err := findFiles(dir, "labels.json")
	if err != nil {
		return nil, err
	}
	var out []*NezhaDay
	for _, f := range files {
		var labels []nezhaLabel
		if err := readJSON(f, &labels); err != nil || len(labels) == 0 || labels[0].InjectUnix == 0 {
			continue // Labels of another set.
		}
		byDay := map[string]*NezhaDay{}
		for _, l := range labels {
			key := l.System + "/" + l.Day
			d := byDay[key]
			if d == nil {
				folder := nezhaSystems[l.System]
				if folder == "" {
					folder = l.System
				}
				d = &NezhaDay{System: l.System, Day: l.Day, Dir: filepath.Join(filepath.Dir(f), folder, l.Day), o: o}
				byDay[key] = d
				if err := d.metrics(); err != nil {
					return nil, err
				}
				out = append(out, d)
			}
			d.Faults = append(d.Faults, l)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no labels.json with times of injection", dir)
	}
	slices.SortFunc(out, func(a, b *NezhaDay) int {
		return cmp.Or(strings.Compare(a.System, b.System), strings.Compare(a.Day, b.Day))
	})
	for _, d := range out {
		slices.SortStableFunc(d.Faults, func(a, b nezhaLabel) int { return cmp.Compare(a.InjectUnix, b.InjectUnix) })
	}
	return out, nil
}

// Windows returns the metrics of the day as series, in order of time.
func (d *NezhaDay) Windows() []model.Window { return d.windows }

// Edges returns who calls whom and which instance belongs to which service, as far as the metrics say so.
func (d *NezhaDay) Edges() []model.Edge { return d.edges }

// serviceOf takes the two hashes off the name of a pod.
func serviceOf(pod string) string {
	parts := strings.Split(pod, "-")
	if len(parts) < 3 {
		return pod
	}
	return strings.Join(parts[:len(parts)-2], "-")
}

// metrics reads the folder metric.
func (d *NezhaDay) metrics() error {
	w := newWindows(d.o)
	dir := filepath.Join(d.Dir, "metric")
	pods, err := filepath.Glob(filepath.Join(dir, "*_metric.csv*"))
	if err != nil {
		return err
	}
	if len(pods) == 0 {
		return fmt.Errorf("%s has no *_metric.csv", dir)
	}
	slices.Sort(pods)
	for _, p := range pods {
		if err := d.pod(w, p); err != nil {
			return err
		}
	}
	if t, err := readTable(filepath.Join(dir, "dependency.csv")); err == nil {
		from, to := t.column("Source"), t.column("Target")
		for _, row := range t.rows {
			d.edges = append(d.edges, dependency(w, cell(row, from), cell(row, to)))
		}
	}
	for _, side := range []string{"source", "destination"} {
		t, err := readTable(filepath.Join(dir, side+"_50.csv"))
		if err != nil {
			continue // Not every system has it.
		}
		edgeTable(w, t, "call_latency_p50", "s", side)
	}
	d.windows = w.sorted()
	return nil
}

// dependency is a call, or the host that a service runs on where the target is an address.
func dependency(w *windows, from, to string) model.Edge {
	if _, err := netip.ParseAddr(to); err == nil {
		return model.Edge{Kind: model.EdgeRunsOn, From: w.entity(model.KindService, from), To: w.entity(model.KindHost, to)}
	}
	return w.calls(from, to)
}

// edgeTable reads a table with a column for each call, "caller_called".
func edgeTable(w *windows, t *table, name, unit, reporter string) {
	at := t.column("timestamp", "Timestamp", "TimeStamp")
	for _, row := range t.rows {
		ms := int64(number(cell(row, at)) * 1000)
		for i, h := range t.head {
			from, to, ok := strings.Cut(h, "_")
			if !ok || i == at || ms <= 0 {
				continue
			}
			w.add(w.entity(model.KindService, to), name, unit, ms, number(cell(row, i)), "client", from, "reporter", reporter, "server", to)
		}
	}
}

// podTime reads the time of a row. One file has wrong numbers in its column of seconds, so the text counts.
func podTime(text string, unix float64) int64 {
	if len(text) >= 19 {
		if t, err := time.Parse("2006-01-02 15:04:05", text[:19]); err == nil {
			return t.UnixMilli()
		}
	}
	return int64(unix * 1000)
}

// pod reads the metrics of one pod.
func (d *NezhaDay) pod(w *windows, path string) error {
	t, err := readTable(path)
	if err != nil {
		return err
	}
	at, unix, name := t.column("Time"), t.column("TimeStamp"), t.column("PodName")
	pod := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".gz"), ".csv"), "_metric")
	e := w.entity(model.KindInstance, pod)
	service := w.entity(model.KindService, serviceOf(pod))
	d.edges = append(d.edges, model.Edge{Kind: model.EdgePartOf, From: service, To: e})
	for _, row := range t.rows {
		ms := podTime(cell(row, at), number(cell(row, unix)))
		for i, h := range t.head {
			if i == at || i == unix || i == name || strings.HasPrefix(h, "Node") || strings.HasPrefix(h, "PodSuccessRate") {
				continue // Which node it is, is not said; the rate was not collected.
			}
			column, unit := unitOf(h)
			side := ""
			switch {
			case strings.HasPrefix(column, "PodClientLatency"):
				column, side = "PodLatency"+strings.TrimPrefix(column, "PodClientLatency"), "source"
			case strings.HasPrefix(column, "PodServerLatency"):
				column, side = "PodLatency"+strings.TrimPrefix(column, "PodServerLatency"), "destination"
			}
			v := number(cell(row, i))
			switch unit { // As OpenTelemetry writes them.
			case "m":
				unit, v = "{cpu}", v/1000
			case "Ops":
				unit = "1/s"
			case "Mi":
				unit, v = "By", v*(1<<20)
			}
			if side == "" {
				w.add(e, column, unit, ms, v)
				continue
			}
			w.add(e, column, unit, ms, v, "reporter", side)
		}
	}
	return nil
}
