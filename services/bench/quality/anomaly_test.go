package quality_test

import (
	"compress/gzip"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/correlator/detect"
)

// On the published scale no detection is 0, a detection at the beginning of every window 100, and a false one costs.
func TestNABScore(t *testing.T) {
	c := quality.AnomalyCase{TimesMS: make([]int64, 1000), Windows: [][2]int{{300, 399}, {700, 799}}}
	f := func(name string, want [3]float64, detections ...int) {
		t.Helper()
		for i, p := range quality.NABProfiles() {
			if got := quality.NABScore(quality.NABSum(c, detections, p), len(c.Windows), p); math.Abs(got-want[i]) > 0.05 {
				t.Errorf("%s, %s: %.2f, want %.2f", name, p.Name, got, want[i])
			}
		}
	}
	f("nothing", [3]float64{0, 0, 0})
	f("perfect", [3]float64{100, 100, 100}, 300, 700)
	f("twice in a window counts once", [3]float64{100, 100, 100}, 300, 310, 390, 700)
	f("one of two", [3]float64{50, 50, 50}, 300)
	f("before everything: a whole false one", [3]float64{97.25, 94.5, 98.17}, 200, 300, 700)
	f("on probation nothing counts", [3]float64{100, 100, 100}, 149, 300, 700)
	f("far behind a window: a whole false one", [3]float64{97.25, 94.5, 98.17}, 300, 699, 700)
	f("right behind a window: hardly any", [3]float64{99.94, 99.88, 99.96}, 300, 400, 700)
	f("at the end of a window: little worth", [3]float64{75.63, 75.63, 83.75}, 300, 799)
}

func TestScoreEvents(t *testing.T) {
	c := quality.AnomalyCase{Judged: 10, Windows: [][2]int{{20, 29}, {60, 69}}}
	run := quality.AnomalyRun{Opened: []int{5, 22, 25, 31, 50}}
	for i := range 100 {
		c.TimesMS = append(c.TimesMS, int64(i)*600_000)
		s := 0.0
		if i >= 20 && i < 30 {
			s = 1
		}
		run.Scores = append(run.Scores, s)
	}
	s := quality.ScoreEvents(c, run)
	if s.Events != 2 || s.Found != 1 || s.False != 1 || len(s.DelayMinutes) != 1 || s.DelayMinutes[0] != 20 {
		t.Errorf("%+v", s)
	}
	// Half of the true rows are at the top, the rest are drawn from all others.
	if math.Abs(s.AP-(0.5+0.5*20/90)) > 1e-9 || math.Abs(s.Base-20.0/90) > 1e-9 {
		t.Errorf("AP %g, by chance %g", s.AP, s.Base)
	}
}

// writeAnomalies makes a folder in the forms of the public sets: a daily wave with a step, and a service of six signals of which three go off.
func writeAnomalies(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(8, 8))
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var nab strings.Builder
	nab.WriteString("timestamp,value\n")
	for i := range 288 * 10 {
		v := 50 + 20*math.Sin(2*math.Pi*float64(i%288)/288) + r.NormFloat64()
		if i >= 2000 && i < 2030 {
			v += 40
		}
		fmt.Fprintf(&nab, "%s,%.3f\n", begin.Add(time.Duration(i)*5*time.Minute).Format("2006-01-02 15:04:05"), v)
	}
	at := func(i int) string {
		return begin.Add(time.Duration(i) * 5 * time.Minute).Format("2006-01-02 15:04:05.000000")
	}
	packed(t, filepath.Join(dir, "nab", "data", "made", "wave.csv.gz"), nab.String())
	packed(t, filepath.Join(dir, "nab", "combined_windows.json"), fmt.Sprintf(`{"made/wave.csv": [[%q, %q]], "other/absent.csv": []}`, at(1950), at(2050)))
	var train, test, labels strings.Builder
	for i := range 4000 {
		off := i >= 3000 && i < 3020
		b := &train
		if i >= 2000 {
			b = &test
			fmt.Fprintln(&labels, map[bool]int{true: 1}[off])
		}
		for k := range 6 {
			v := 10 + r.NormFloat64()
			if off && k < 3 {
				v += 12
			}
			fmt.Fprintf(b, "%.3f%s", v, map[bool]string{true: "\n", false: ","}[k == 5])
		}
	}
	packed(t, filepath.Join(dir, "rows", "train", "a.csv.gz"), train.String())
	packed(t, filepath.Join(dir, "rows", "test", "a.csv.gz"), test.String())
	packed(t, filepath.Join(dir, "rows", "test_label", "a.csv.gz"), labels.String())
	return dir
}

func packed(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !strings.HasSuffix(path, ".gz") {
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		return
	}
	z := gzip.NewWriter(f)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}

// The whole way: files, adapter, clock, order, detector, scores. What was put in is found, little else is, and names and dates have no influence
// to speak of.
func TestAnomalySuite(t *testing.T) {
	cases, err := adapters.Anomaly(writeAnomalies(t))
	if err != nil || len(cases) != 2 {
		t.Fatal(len(cases), err)
	}
	for _, c := range cases {
		for _, rename := range []bool{false, true} {
			run := quality.RunDetector(c, quality.NewRenamer(rename), detect.Default())
			s := quality.ScoreEvents(c, run)
			if s.Events != 1 || s.Found != 1 || s.False > 1 || s.AP < 3*s.Base {
				t.Errorf("%s (renamed: %v): %+v, opened %v", c.Name, rename, s, run.Opened)
			}
			if c.Set == adapters.SetNAB && quality.NABSum(c, run.Opened, quality.NABProfiles()[0]) < 0.5 {
				t.Errorf("%s: opened %v", c.Name, run.Opened)
			}
		}
		// Without the fault in the data there is nothing to be found at its place.
		w := c.Windows[0]
		for i := w[0]; i <= w[1]; i++ {
			c.Values[i] = c.Values[i-(w[1]-w[0]+1)/288*288-288]
		}
		if s := quality.ScoreEvents(c, quality.RunDetector(c, quality.Renamer{}, detect.Default())); s.Found != 0 {
			t.Errorf("%s: found what is not there", c.Name)
		}
	}
	if _, err := adapters.Anomaly(t.TempDir()); err == nil {
		t.Error("an empty folder")
	}
}
