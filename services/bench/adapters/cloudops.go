package adapters

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/model"
)

// cloudOpsLabel is one entry of labels.json.
type cloudOpsLabel struct {
	ID         string `json:"id"`
	System     string `json:"system"`
	Taxonomy   string `json:"fault_taxonomy"`
	Object     string `json:"fault_object"`
	Cause      string `json:"root_cause"`
	HasMetrics bool   `json:"has_metrics"`
	Bundle     string `json:"bundle"`
}

// cloudOpsCase is one line of a bundle.
type cloudOpsCase struct {
	ID        string            `json:"id"`
	System    string            `json:"system"`
	Namespace string            `json:"namespace"`
	Query     string            `json:"symptom_query"`
	Alerts    json.RawMessage   `json:"alerts"`
	K8s       map[string]string `json:"k8s"`
	Probes    map[string]any    `json:"probes"`
}

// cloudOps calls f with each case below dir and its label.
func cloudOps(dir string, f func(root string, l cloudOpsLabel, c *cloudOpsCase) error) error {
	files, err := findFiles(dir, "labels.json")
	if err != nil {
		return err
	}
	found := 0
	for _, path := range files {
		var labels []cloudOpsLabel
		if err := readJSON(path, &labels); err != nil || len(labels) == 0 || labels[0].Object == "" {
			continue // Labels of another set.
		}
		root := filepath.Dir(path)
		byID := map[string]cloudOpsLabel{}
		for _, l := range labels {
			byID[l.ID] = l
		}
		bundles, err := filepath.Glob(filepath.Join(root, "*.jsonl*"))
		if err != nil {
			return err
		}
		for _, b := range bundles {
			err := cloudOpsBundle(b, func(c *cloudOpsCase) error {
				l, ok := byID[c.ID]
				if !ok {
					return nil
				}
				found++
				return f(root, l, c)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", b, err)
			}
		}
	}
	if found == 0 {
		return fmt.Errorf("%s has no bundle of cases with a labels.json beside it", dir)
	}
	return nil
}

func cloudOpsBundle(path string, f func(*cloudOpsCase) error) error {
	in, err := open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	d := json.NewDecoder(bufio.NewReaderSize(in, 1<<20))
	for {
		var c cloudOpsCase
		if err := d.Decode(&c); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := f(&c); err != nil {
			return err
		}
	}
}

// CloudOpsMetrics reads the cases of Cloud-OpsBench that have metrics, from the folder metrics and the bundle beside it. The first third is normal, as the
// set's alerts have it.
func CloudOpsMetrics(dir string, o Options) ([]quality.CauseCase, error) {
	var out []quality.CauseCase
	err := cloudOps(dir, func(root string, l cloudOpsLabel, c *cloudOpsCase) error {
		path := filepath.Join(root, "metrics", l.ID+".csv")
		if _, err := os.Stat(path + ".gz"); err != nil {
			if _, err := os.Stat(path); err != nil {
				return nil
			}
		}
		t, err := readTable(path)
		if err != nil {
			return err
		}
		cc, ok := cloudOpsMetricCase(l, c, t, o)
		if ok {
			out = append(out, cc)
		}
		return nil
	})
	return out, err
}

// cloudOpsColumns are the metrics of a service with the units that the set's description gives.
var cloudOpsColumns = map[string]string{
	"cpu": "{cpu}", "mem": "By", "cpu_cfs": "", "rps": "1/s", "success_rate": "1", "network_receive": "kB/s", "network_transmit": "kB/s",
	"p50latency": "ms", "p90latency": "ms", "p95latency": "ms", "tcp_retans": "",
}

func cloudOpsMetricCase(l cloudOpsLabel, c *cloudOpsCase, t *table, o Options) (quality.CauseCase, bool) {
	w := newWindows(o)
	nodes := cloudOpsNodes(c)
	var times []int64
	for _, row := range t.rows {
		at, err := time.Parse("2006-01-02 15:04:05", cell(row, 0))
		if err != nil {
			continue
		}
		ms := at.UnixMilli()
		times = append(times, ms)
		for i := 1; i < len(t.head) && i < len(row); i++ {
			k := strings.LastIndexByte(t.head[i], '-')
			if k < 0 {
				continue
			}
			who, what := t.head[i][:k], t.head[i][k+1:]
			unit, known := cloudOpsColumns[what]
			if !known {
				continue
			}
			kind := model.KindService
			if nodes[who] {
				kind = model.KindHost
				if what == "cpu" || what == "mem" {
					unit = "%"
				}
			}
			w.add(w.entity(kind, who), what, unit, ms, number(row[i]))
		}
	}
	if len(times) < 12 {
		return quality.CauseCase{}, false
	}
	onset := times[len(times)/3]
	if start := cloudOpsAlertStart(c); start > times[4] && start < times[len(times)-4] {
		onset = start
	}
	_, object, _ := strings.Cut(l.Object, "/")
	return quality.CauseCase{
		Name: o.Renamer.Name(l.ID), System: "cloudops-" + l.System, Fault: l.Cause, Truth: []string{o.Renamer.Name(object)},
		Input: rootcause.Input{OnsetMS: o.Renamer.Time(onset), NowMS: o.Renamer.Time(times[len(times)-1]), Windows: w.sorted(), Edges: cloudOpsEdges(w, c)},
	}, true
}

var cloudOpsNode = regexp.MustCompile(`^kubectl describe nodes (\S+)`)

// cloudOpsNodes are the machines, by the commands that describe them.
func cloudOpsNodes(c *cloudOpsCase) map[string]bool {
	out := map[string]bool{}
	for command := range c.K8s {
		if m := cloudOpsNode.FindStringSubmatch(command); m != nil {
			out[m[1]] = true
		}
	}
	return out
}

// cloudOpsAlertStart is when the alerts' window begins, 0 when it is not said.
func cloudOpsAlertStart(c *cloudOpsCase) int64 {
	var alerts struct {
		TimeRange struct {
			Start string `json:"start"`
		} `json:"time_range"`
	}
	if json.Unmarshal(c.Alerts, &alerts) != nil {
		return 0
	}
	for _, layout := range []string{"2006-01-02 15:04:05", time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, alerts.TimeRange.Start); err == nil {
			return t.UnixMilli()
		}
	}
	return 0
}

// cloudOpsEdges reads who calls whom out of the trees of dependencies, and what runs where out of the descriptions of pods.
func cloudOpsEdges(w *windows, c *cloudOpsCase) []model.Edge {
	var out []model.Edge
	for probe, v := range c.Probes {
		text, ok := v.(string)
		if !ok || !strings.HasPrefix(probe, "GetServiceDependencies") {
			continue
		}
		out = append(out, dependencyTree(w, text)...)
	}
	for command, text := range c.K8s {
		if !strings.HasPrefix(command, "kubectl describe pods ") {
			continue
		}
		pod := strings.Fields(command)[3]
		for _, line := range strings.Split(text, "\n") {
			if rest, ok := strings.CutPrefix(line, "Node:"); ok {
				node, _, _ := strings.Cut(strings.TrimSpace(rest), "/")
				if node != "" && node != "<none>" {
					out = append(out, model.Edge{Kind: model.EdgeRunsOn, From: w.entity(model.KindService, serviceOf(pod)), To: w.entity(model.KindHost, node)})
				}
				break
			}
		}
	}
	return out
}

// dependencyTree reads a tree that is drawn with lines: a name four columns to the right of another is called by it.
func dependencyTree(w *windows, text string) []model.Edge {
	_, tree, ok := strings.Cut(text, "[Downstream (Calls)]:")
	if !ok {
		return nil
	}
	var out []model.Edge
	var path []string
	for _, line := range strings.Split(tree, "\n") {
		depth := 0
		r := []rune(line)
		for len(r) > 0 && strings.ContainsRune("│├└─ \t", r[0]) {
			depth++
			r = r[1:]
		}
		name, _, _ := strings.Cut(strings.TrimSpace(string(r)), " ")
		if name == "" || strings.HasPrefix(name, "(") {
			continue
		}
		level := depth / 4
		if level > len(path) {
			level = len(path)
		}
		path = append(path[:level], name)
		if level > 0 {
			out = append(out, w.calls(path[level-1], name))
		}
	}
	return out
}
