package quality_test

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/rootcause"
)

// folder writes made-up files in the shapes of public sets.
type folder struct {
	t   *testing.T
	dir string
	r   *rand.Rand
}

func newFolder(t *testing.T) *folder {
	return &folder{t, t.TempDir(), rand.New(rand.NewPCG(3, 5))}
}

func (f *folder) json(name string, v any) {
	f.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		f.t.Fatal(err)
	}
	f.write(name, b)
}

func (f *folder) write(name string, b []byte) {
	f.t.Helper()
	p := filepath.Join(f.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(p, b, 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// table writes a packed CSV.
func (f *folder) table(name string, rows [][]string) {
	f.t.Helper()
	p := filepath.Join(f.dir, filepath.FromSlash(name)+".gz")
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		f.t.Fatal(err)
	}
	out, err := os.Create(p)
	if err != nil {
		f.t.Fatal(err)
	}
	z := gzip.NewWriter(out)
	if err := csv.NewWriter(z).WriteAll(rows); err != nil {
		f.t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		f.t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) noise(v float64) string { return fmt.Sprint(v * (1 + .03*f.r.NormFloat64())) }

// day writes a day of three services, of which b1 is slow and busy from 40 minutes on.
func day(t *testing.T) string {
	f := newFolder(t)
	start := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)
	inject := start.Add(40 * time.Minute)
	for _, s := range []string{"aa", "b1", "cc"} {
		rows := [][]string{{"Time", "TimeStamp", "PodName", "CpuUsageRate(%)", "PodServerLatencyP90(s)", "PodWorkload(Ops)"}}
		for m := range 46 {
			at := start.Add(time.Duration(m) * time.Minute)
			cpu, latency := 20., .05
			if s == "b1" && !at.Before(inject) {
				cpu, latency = 98, .4
			}
			if s == "aa" && !at.Before(inject) {
				latency = .42
			}
			rows = append(rows, []string{at.Format("2006-01-02 15:04:05.000000000 +0000 UTC"), fmt.Sprint(at.Unix()), s + "-1a-2b", f.noise(cpu), f.noise(latency), f.noise(8)})
		}
		f.table("dev/made/2024-05-01/metric/"+s+"-1a-2b_metric.csv", rows)
	}
	f.table("dev/made/2024-05-01/metric/dependency.csv", [][]string{{"Source", "Target", "Weight"}, {"aa", "b1", "1"}, {"aa", "cc", "1"}})
	f.json("dev/labels.json", []map[string]any{{"id": "m-1", "system": "made", "day": "2024-05-01", "inject_unix": inject.Unix(), "duration_s": 180, "root_cause_service": "b1", "fault_type": "cpu_contention"}})
	return f.dir
}

func TestNezhaShape(t *testing.T) {
	for _, rename := range []bool{false, true} {
		cases, err := adapters.NezhaCases(day(t), adapters.Options{Renamer: quality.NewRenamer(rename)})
		if err != nil || len(cases) != 1 {
			t.Fatal(len(cases), err)
		}
		s := quality.Cause(cases[0], rootcause.Default())
		if s.Place != 1 || s.Forced != 1 || s.Indicator != 1 || s.Chance < .3 || s.Chance > .34 {
			t.Errorf("rename %v: %+v", rename, s)
		}
		cases[0].Truth = []string{"somebody"}
		if s := quality.Cause(cases[0], rootcause.Default()); s.Place != 0 || s.Indicator != 0 {
			t.Errorf("a wrong truth: %+v", s)
		}
	}
	if _, err := adapters.NezhaCases(t.TempDir(), adapters.Options{}); err == nil {
		t.Error("an empty folder")
	}
}

// graph writes a normal run and an issue in which deep is slow, and front with it.
func graph(t *testing.T) string {
	f := newFolder(t)
	nodes := []string{"front", "mid", "deep", "side"}
	head := [][]string{{"microservice"}, {"metric"}, {"statistic"}, {"unix_timestamp"}}
	for _, n := range nodes {
		for _, m := range []string{"latency", "availability", "requests"} {
			head[0], head[1], head[2], head[3] = append(head[0], n), append(head[1], m), append(head[2], "Average"), append(head[3], "")
		}
	}
	run := func(from, rows int, slow float64) [][]string {
		out := append([][]string{}, head...)
		for i := range rows {
			row := []string{fmt.Sprint(1_700_000_000 + 300*(from+i))}
			for _, n := range nodes {
				l := .1
				if n != "side" {
					l *= slow
				}
				row = append(row, f.noise(l), "100", f.noise(40))
			}
			out = append(out, row)
		}
		return out
	}
	f.table("x/made/noissue/metrics.csv", run(0, 120, 1))
	f.table("x/made/test/issue_0/metrics.csv", run(500, 5, 6))
	f.table("x/made/graph.csv", [][]string{{"", "front", "mid", "deep", "side"}, {"front", "0", "1", "0", "1"}, {"mid", "0", "0", "1", "0"}, {"deep", "0", "0", "0", "0"}, {"side", "0", "0", "0", "0"}})
	f.json("x/labels.json", []map[string]any{{"id": "made/test/issue_0", "scenario": "made", "root_cause_node": "deep", "has_normal_baseline": true,
		"target": map[string]any{"node": "front", "metric": "latency", "timestamp": 1_700_150_300}}})
	return f.dir
}

func TestPetshopShape(t *testing.T) {
	cases, err := adapters.Petshop(graph(t), adapters.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var scores []quality.CauseScore
	for _, c := range cases {
		scores = append(scores, quality.Cause(c, rootcause.Default()))
	}
	sum := quality.SumCauses(scores)
	if sum.N != 1 || sum.AC1.Mean != 1 || sum.Quiet < 20 || sum.Specificity.Mean < .9 {
		t.Errorf("%+v", sum)
	}
}

// releases writes two releases, of which that of b1 fails on its new instance.
func releases(t *testing.T) string {
	f := newFolder(t)
	begin := int64(1_700_000_000)
	detected := begin + 30*60
	rows := [][]string{{"pod", "src_service", "dst_service", "Time", "Timestamp", "SuccessRate", "a", "b", "c", "d", "e"}}
	plan := map[string]any{}
	for _, s := range []string{"b1", "cc"} {
		released := detected - 120
		pod := s + "-v2-1a-2b"
		plan[s] = map[string]any{"release_time": released, "process": map[string]any{fmt.Sprint(released): map[string]any{"release_pod": []string{pod}}}}
		for _, p := range []string{s + "-v1-1a-00", s + "-v1-1a-01", pod} {
			for m := range int64(40) {
				at := begin + 60*m
				success := "100"
				if p == pod {
					if at < released+60 {
						continue
					}
					if s == "b1" {
						success = "55"
					}
				}
				rows = append(rows, []string{p, "aa", s, "", fmt.Sprint(at), success, f.noise(10), f.noise(20), f.noise(5), f.noise(20), f.noise(.01)})
			}
		}
	}
	f.table("dev/case_1/metrics.csv", rows)
	f.table("dev/case_1/dependency.csv", [][]string{{"Source", "Target", "Weight"}, {"aa", "b1", "1"}, {"aa", "cc", "1"}, {"b1", "10.0.0.1", "1"}})
	f.json("dev/case_1/context.json", map[string]any{"plan": plan, "detect_timestamp": detected})
	f.json("dev/labels.json", []map[string]any{{"id": "case_1", "root_cause_service": "b1", "fault": "return", "n_changes": 2}})
	return f.dir
}

func TestChangeShape(t *testing.T) {
	cases, err := adapters.ChangeCases(releases(t), adapters.Options{})
	if err != nil || len(cases) != 1 {
		t.Fatal(len(cases), err)
	}
	s := quality.Cause(cases[0], rootcause.Default())
	if s.Place != 1 || s.Verdict.Candidates[0].ChangeID != "release of b1" || s.Chance != .5 {
		t.Errorf("%+v", s)
	}
}
