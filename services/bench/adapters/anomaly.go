package adapters

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/bench/quality"
)

// Sets of anomaly cases, by the form of their truth.
const (
	SetNAB    = "nab"    // One signal, windows.
	SetRows   = "rows"   // Many signals of a service, a label for each row of a second part.
	SetCurves = "curves" // One signal, a label for each row.
)

// Anomaly reads all sets of labelled series below dir that it knows by their form: folders with combined_windows.json (the Numenta Anomaly
// Benchmark), folders with train, test and test_label (OmniAnomaly's and JumpStarter's form), and files with timestamp, value and label.
func Anomaly(dir string) ([]quality.AnomalyCase, error) {
	var out []quality.AnomalyCase
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var more []quality.AnomalyCase
		switch name := e.Name(); {
		case e.IsDir() && name == "test_label":
			more, err = labelledRows(filepath.Dir(p))
		case !e.IsDir() && strings.HasPrefix(name, "combined_windows.json"):
			more, err = nab(p)
		case !e.IsDir() && (strings.HasSuffix(name, ".csv") || strings.HasSuffix(name, ".csv.gz")):
			more, err = curve(p)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		out = append(out, more...)
		return nil
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s has no combined_windows.json, no test_label and no file with timestamp, value and label", dir)
	}
	return out, err
}

// readRows reads a CSV file, packed or not.
func readRows(path string) ([][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = bufio.NewReader(f)
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(r); err != nil {
			return nil, err
		}
	}
	c := csv.NewReader(r)
	c.FieldsPerRecord = -1
	return c.ReadAll()
}

const nabTime = "2006-01-02 15:04:05"

// nab reads the files that combined_windows.json lists, from the folder data beside it.
func nab(path string) ([]quality.AnomalyCase, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	windows := map[string][][2]string{}
	if err := json.Unmarshal(raw, &windows); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(windows))
	for n := range windows {
		names = append(names, n)
	}
	slices.Sort(names)
	var out []quality.AnomalyCase
	for _, n := range names {
		file := filepath.Join(filepath.Dir(path), "data", filepath.FromSlash(n))
		if _, err := os.Stat(file); err != nil {
			file += ".gz"
		}
		if _, err := os.Stat(file); err != nil {
			continue // The labels list files of other parts too.
		}
		c, err := nabFile(file, windows[n])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		c.Name = n
		out = append(out, c)
	}
	return out, nil
}

func nabFile(path string, windows [][2]string) (quality.AnomalyCase, error) {
	c := quality.AnomalyCase{Set: SetNAB, Signals: []string{"value"}}
	rows, err := readRows(path)
	if err != nil {
		return c, err
	}
	for _, r := range rows[1:] {
		t, err := time.Parse(nabTime, r[0])
		if err != nil {
			return c, err
		}
		v, err := strconv.ParseFloat(r[1], 64)
		if err != nil {
			return c, err
		}
		c.TimesMS, c.Values = append(c.TimesMS, t.UnixMilli()), append(c.Values, []float64{v})
	}
	for _, w := range windows {
		var ends [2]int64
		for i := range w {
			t, err := time.Parse(nabTime+".000000", w[i])
			if err != nil {
				return c, err
			}
			ends[i] = t.UnixMilli()
		}
		// Times are not always in order where clocks change, so the window is that of the rows within.
		first, last := -1, -1
		for i, t := range c.TimesMS {
			if t >= ends[0] && t <= ends[1] {
				if first < 0 {
					first = i
				}
				last = i
			}
		}
		if first >= 0 {
			c.Windows = append(c.Windows, [2]int{first, last})
		}
	}
	c.Judged = quality.NABProbation(len(c.TimesMS))
	return c, nil
}

// rowMS is the interval of rows without times, as the authors state it.
const rowMS = 5 * 60_000

// labelledRows reads train, test and test_label of each service.
func labelledRows(dir string) ([]quality.AnomalyCase, error) {
	files, err := filepath.Glob(filepath.Join(dir, "test", "*.csv*"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var out []quality.AnomalyCase
	for _, f := range files {
		base := filepath.Base(f)
		c := quality.AnomalyCase{Set: SetRows, Name: strings.SplitN(base, ".", 2)[0]}
		for _, part := range []string{"train", "test"} {
			rows, err := readRows(filepath.Join(dir, part, base))
			if err != nil {
				return nil, err
			}
			if part == "test" {
				c.Judged = len(c.Values)
			}
			for _, r := range rows {
				c.TimesMS = append(c.TimesMS, int64(len(c.Values))*rowMS+1_600_000_200_000)
				c.Values = append(c.Values, numbers(r))
			}
		}
		labels, err := readRows(filepath.Join(dir, "test_label", base))
		if err != nil {
			return nil, err
		}
		for i := range len(c.Values[0]) {
			c.Signals = append(c.Signals, fmt.Sprint("signal", i))
		}
		c.Windows = segments(labels, 0, c.Judged)
		out = append(out, c)
	}
	return out, nil
}

func numbers(r []string) []float64 {
	out := make([]float64, len(r))
	for i, s := range r {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			v = math.NaN()
		}
		out[i] = v
	}
	return out
}

// segments are the runs of rows with a label, shifted by offset rows.
func segments(rows [][]string, column, offset int) [][2]int {
	var out [][2]int
	open := false
	for i, r := range rows {
		v, err := strconv.ParseFloat(r[column], 64)
		on := err == nil && v > 0.5
		switch {
		case on && !open:
			out = append(out, [2]int{i + offset, i + offset})
		case on:
			out[len(out)-1][1] = i + offset
		}
		open = on
	}
	return out
}

// curve reads a file with timestamp, value and label; nothing for files of another form.
func curve(path string) ([]quality.AnomalyCase, error) {
	rows, err := readRows(path)
	if err != nil || len(rows) < 2 || len(rows[0]) < 3 || rows[0][0] != "timestamp" || rows[0][1] != "value" || rows[0][2] != "label" {
		return nil, err
	}
	c := quality.AnomalyCase{Set: SetCurves, Name: strings.SplitN(filepath.Base(path), ".", 2)[0], Signals: []string{"value"}}
	rows = rows[1:]
	slices.SortStableFunc(rows, func(a, b []string) int {
		x, _ := strconv.ParseInt(a[0], 10, 64)
		y, _ := strconv.ParseInt(b[0], 10, 64)
		return int(x - y)
	})
	for _, r := range rows {
		t, err := strconv.ParseInt(r[0], 10, 64)
		if err != nil {
			return nil, err
		}
		c.TimesMS, c.Values = append(c.TimesMS, t*1000), append(c.Values, numbers(r[1:2]))
	}
	c.Windows = segments(rows, 2, 0)
	c.Judged = len(rows) / 4
	c.Windows = slices.DeleteFunc(c.Windows, func(w [2]int) bool { return w[0] < c.Judged })
	return []quality.AnomalyCase{c}, nil
}
