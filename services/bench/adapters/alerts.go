package adapters

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

// alertCase is an incident of TVDiag (Xie et al., "TVDiag: A Task-oriented and View-invariant Failure Diagnosis Framework", 2024): alerts that were
// extracted from metrics, logs and traces.
type alertCase struct {
	ID      string     `json:"id"`
	Nodes   []string   `json:"nodes"`
	Edges   [][2]int   `json:"edges"`
	Metrics [][]string `json:"metric_alerts"`
	Logs    [][]string `json:"log_alerts"`
	Traces  [][]string `json:"trace_alerts"`
}

type alertLabel struct {
	ID    string `json:"id"`
	Cause string `json:"root_cause_instance"`
	Fault string `json:"fault_type"`
}

// maxAlertLine bounds a line of these files.
const maxAlertLine = 64 << 20

// AlertCauses reads incidents that are given as alerts: files *_cases.jsonl with *_labels.jsonl beside them, packed or not. The cases of a file are in
// their order.
func AlertCauses(dir string, o Options) ([]quality.CauseCase, error) {
	files, err := ending(dir, "_cases.jsonl")
	if err != nil {
		return nil, err
	}
	var out []quality.CauseCase
	for _, path := range files {
		stem := strings.TrimSuffix(strings.TrimSuffix(path, ".gz"), "_cases.jsonl")
		labels, err := alertLabels(stem + "_labels.jsonl")
		if err != nil {
			return nil, err
		}
		err = lines(path, func(line []byte) error {
			var c alertCase
			if err := json.Unmarshal(line, &c); err != nil {
				return err
			}
			l, ok := labels[c.ID]
			if !ok {
				return fmt.Errorf("case %q has no label", c.ID)
			}
			out = append(out, c.neutral(filepath.Base(stem), l, o))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no *_cases.jsonl with *_labels.jsonl", dir)
	}
	return out, nil
}

func alertLabels(path string) (map[string]alertLabel, error) {
	out := map[string]alertLabel{}
	read := func(p string) error {
		return lines(p, func(line []byte) error {
			var l alertLabel
			if err := json.Unmarshal(line, &l); err != nil {
				return err
			}
			out[l.ID] = l
			return nil
		})
	}
	err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = read(path + ".gz")
	}
	return out, err
}

// ending returns the files below dir whose name, without .gz, ends so; in order.
func ending(dir, suffix string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && strings.HasSuffix(strings.TrimSuffix(d.Name(), ".gz"), suffix) {
			out = append(out, p)
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}

// lines gives the lines of a file.
func lines(path string, f func([]byte) error) error {
	r, err := open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, maxAlertLine)
	for sc.Scan() {
		if len(strings.TrimSpace(sc.Text())) == 0 {
			continue
		}
		if err := f(sc.Bytes()); err != nil {
			return err
		}
	}
	return sc.Err()
}

// neutral turns the alerts into findings. The set says neither when nor how much, so they have no value and no probability.
func (c *alertCase) neutral(system string, l alertLabel, o Options) quality.CauseCase {
	out := quality.CauseCase{Name: o.Renamer.Name(c.ID), System: system, Fault: strings.Trim(l.Fault, "[]"), Truth: []string{o.Renamer.Name(l.Cause)}}
	in := rootcause.Input{}
	at := func(name string) model.Entity {
		return model.Entity{Kind: model.KindInstance, Name: o.Renamer.Name(name)}
	}
	seen := map[string]bool{}
	add := func(f model.Finding) {
		key := f.Entity.Name + "\x00" + f.Signal.Name
		for _, l := range f.Signal.Labels {
			key += "\x00" + l.Value
		}
		if !seen[key] {
			seen[key] = true
			in.Findings = append(in.Findings, f)
		}
	}
	for _, a := range c.Metrics {
		if len(a) < 3 {
			continue
		}
		name, direction := a[len(a)-2], int8(1)
		if a[len(a)-1] == "down" {
			direction = -1
		}
		role := signal.Classify(o.Renamer.Name(name), "", "")
		add(model.Finding{Entity: at(a[0]), Kind: model.FindingShift, Direction: direction, Detector: "metric", Signal: model.SignalRef{
			Name: o.Renamer.Name(name), Role: role, Labels: []model.Label{{Name: "direction", Value: a[len(a)-1]}},
		}})
	}
	for _, a := range c.Logs {
		if len(a) < 2 {
			continue
		}
		add(model.Finding{Entity: at(a[0]), Kind: model.FindingShift, Direction: 1, Detector: "log", Signal: model.SignalRef{
			Name: "log_template_lines_per_second", Role: model.RoleLog, Labels: []model.Label{{Name: "template", Value: o.Renamer.Name(a[1])}},
		}})
	}
	for _, a := range c.Traces {
		if len(a) < 4 {
			continue
		}
		role, what := model.RoleErrors, "edge_errors"
		if a[len(a)-1] == "PD" {
			role, what = model.RoleLatency, "edge_duration"
		}
		add(model.Finding{Entity: at(a[1]), Kind: model.FindingShift, Direction: 1, Detector: "trace", Signal: model.SignalRef{
			Name: what, Role: role, Labels: []model.Label{{Name: "client", Value: o.Renamer.Name(a[0])}, {Name: "operation", Value: o.Renamer.Name(a[2])}, {Name: "server", Value: o.Renamer.Name(a[1])}},
		}})
	}
	for _, e := range c.Edges {
		if e[0] != e[1] && e[0] < len(c.Nodes) && e[1] < len(c.Nodes) {
			in.Edges = append(in.Edges, model.Edge{Kind: model.EdgeCalls, From: at(c.Nodes[e[0]]), To: at(c.Nodes[e[1]])})
		}
	}
	slices.SortFunc(in.Edges, model.Edge.Compare)
	in.Edges = slices.Compact(in.Edges)
	out.Input = in
	return out
}

// hostAlert is one alert of Wazuh as its JSON log has it, with that of Suricata inside.
type hostAlert struct {
	Timestamp string `json:"timestamp"`
	Rule      struct {
		Level       int    `json:"level"`
		Description string `json:"description"`
		ID          string `json:"id"`
	} `json:"rule"`
	Agent struct {
		Name string `json:"name"`
	} `json:"agent"`
	Data struct {
		Source  string `json:"srcip"`
		Source2 string `json:"src_ip"`
		Alert   struct {
			// Severity is a number, or a number as text.
			Severity json.RawMessage `json:"severity"`
		} `json:"alert"`
	} `json:"data"`
}

// AlertFloods reads floods of alerts of hosts (Landauer et al., "Dealing with Security Alert Flooding: Using Machine Learning for Domain-independent Alert
// Aggregation", ACM TOPS 2022): attack_phases.json with files *_<host>.json beside it, packed or not, one alert a line.
func AlertFloods(dir string, o Options) ([]quality.FloodCase, error) {
	files, err := findFiles(dir, "attack_phases.json")
	if err != nil {
		return nil, err
	}
	var out []quality.FloodCase
	for _, path := range files {
		var phases map[string]map[string][2]time.Time
		if err := readJSON(path, &phases); err != nil {
			return nil, err
		}
		for _, host := range sortedKeys(phases) {
			alerts, err := ending(filepath.Dir(path), "_"+host+".json")
			if err != nil {
				return nil, err
			}
			c := quality.FloodCase{Name: host}
			for _, p := range alerts {
				if err := flood(&c, p, phases[host], o); err != nil {
					return nil, fmt.Errorf("%s: %w", p, err)
				}
			}
			if len(c.Findings) > 0 {
				out = append(out, c)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no attack_phases.json with alerts of its hosts", dir)
	}
	return out, nil
}

func flood(c *quality.FloodCase, path string, phases map[string][2]time.Time, o Options) error {
	return lines(path, func(line []byte) error {
		var a hostAlert
		if err := json.Unmarshal(line, &a); err != nil {
			return err
		}
		at, err := time.Parse("2006-01-02T15:04:05.999999999-0700", a.Timestamp)
		if err != nil {
			return err
		}
		ms := o.Renamer.Time(at.UnixMilli())
		labels := []model.Label{{Name: "host", Value: o.Renamer.Name(a.Agent.Name)}, {Name: "rule_id", Value: o.Renamer.Name(a.Rule.ID)}, {Name: "severity", Value: a.severity()}}
		if from := a.Data.Source + a.Data.Source2; from != "" {
			labels = append(labels, model.Label{Name: "source", Value: o.Renamer.Name(from)})
		}
		f := group.FromAlert(group.Alert{Name: o.Renamer.Name(a.Rule.Description), Labels: labels, StartMS: ms, EndMS: ms, AtMS: ms})
		f.ID += uint64(len(c.Findings)) // Two of one millisecond are two.
		c.Findings = append(c.Findings, f)
		truth := ""
		for _, name := range sortedKeys(phases) {
			if w := phases[name]; !at.Before(w[0]) && !at.After(w[1]) {
				truth = name
			}
		}
		c.Truth = append(c.Truth, truth)
		return nil
	})
}

// severity says an alert's weight in the words that alert managers use: Suricata's own priority where there is one, else the level as Wazuh's
// dashboards name it (0–6 low, 7–11 medium, 12 and more high).
func (a *hostAlert) severity() string {
	switch strings.Trim(string(a.Data.Alert.Severity), `"`) {
	case "1":
		return "high"
	case "2":
		return "warning"
	case "3", "4":
		return "low"
	}
	switch {
	case a.Rule.Level >= 12:
		return "high"
	case a.Rule.Level >= 7:
		return "warning"
	}
	return "low"
}
