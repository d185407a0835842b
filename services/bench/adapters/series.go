package adapters

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/bench/quality"
)

const hourMS = int64(3_600_000)

// frequency is what the M4 competition (Makridakis et al., International Journal of Forecasting 36, 2020) fixed for series of a kind.
type frequency struct {
	stepMS          int64
	horizon, period int
}

var frequencies = map[string]frequency{
	"Hourly": {hourMS, 48, 24}, "Daily": {24 * hourMS, 14, 1}, "Weekly": {7 * 24 * hourMS, 13, 1},
}

// M4 reads pairs of files NAME-train.csv and NAME-test.csv, packed or not, below dir; rows are an id and the values.
func M4(dir string, rename quality.Renamer) ([]quality.ForecastCase, error) {
	files, err := below(dir, func(name string) bool { return strings.HasSuffix(name, "-train.csv") })
	if err != nil {
		return nil, err
	}
	var out []quality.ForecastCase
	for _, path := range files {
		kind, _, _ := strings.Cut(filepath.Base(path), "-train.csv")
		f, ok := frequencies[kind]
		if !ok {
			continue
		}
		train, err := valueRows(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		testPath := strings.Replace(path, "-train.csv", "-test.csv", 1)
		test, err := valueRows(testPath)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", testPath, err)
		}
		for _, id := range sortedKeys(train) {
			if len(test[id]) != f.horizon {
				return nil, fmt.Errorf("%s: series %s has %d values, not %d", testPath, id, len(test[id]), f.horizon)
			}
			out = append(out, quality.ForecastCase{
				Name: rename.Name(id), Group: kind, StartMS: rename.Time(0), StepMS: f.stepMS, Period: f.period, Past: train[id], Future: test[id],
			})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no Hourly-train.csv[.gz] or the like below it", dir)
	}
	return out, nil
}

// Of the usual protocol on ETT (Zhou et al., "Informer", AAAI 2021): twelve months to learn from, four to choose by, four to test on.
const (
	ettLearn, ettChoose, ettTest = 12 * 30 * 24, 4 * 30 * 24, 4 * 30 * 24
	ettHorizon                   = 96
	// ettPast is how much past a forecast gets, ettEvery how far apart the forecasts are: a day and an hour, so that they begin at all
	// times of the day.
	ettPast, ettEvery = 70 * 24, 25
)

// ETT reads hourly files ETTh*.csv, packed or not, below dir: each column is a series, standardised by its first twelve months.
func ETT(dir string, rename quality.Renamer) ([]quality.ForecastCase, error) {
	files, err := below(dir, func(name string) bool { return strings.HasPrefix(name, "ETTh") })
	if err != nil {
		return nil, err
	}
	var out []quality.ForecastCase
	for _, path := range files {
		names, columns, err := numberColumns(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		set, _, _ := strings.Cut(filepath.Base(path), ".")
		for c, v := range columns {
			if len(v) < ettLearn+ettChoose+ettTest {
				return nil, fmt.Errorf("%s has %d rows, fewer than twenty months", path, len(v))
			}
			standardise(v, ettLearn)
			for at := ettLearn + ettChoose; at+ettHorizon <= ettLearn+ettChoose+ettTest; at += ettEvery {
				out = append(out, quality.ForecastCase{
					Name: rename.Name(names[c]), Group: set, StartMS: rename.Time(int64(at-ettPast) * hourMS), StepMS: hourMS, Period: 24,
					Past: v[at-ettPast : at], Future: v[at : at+ettHorizon],
				})
			}
		}
	}
	return out, nil
}

func standardise(v []float64, n int) {
	mean, sd := 0.0, 0.0
	for _, x := range v[:n] {
		mean += x / float64(n)
	}
	for _, x := range v[:n] {
		sd += (x - mean) * (x - mean) / float64(n)
	}
	sd = math.Sqrt(sd)
	for i := range v {
		v[i] = (v[i] - mean) / sd
	}
}

// below returns the files below dir whose name, without .gz, is wanted and ends with .csv; in order.
func below(dir string, want func(name string) bool) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(d.Name(), ".gz")
		if !d.IsDir() && strings.HasSuffix(name, ".csv") && want(name) {
			out = append(out, path)
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}

// openPlain opens a file and unpacks it when its name ends with .gz.
func openPlain(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil || !strings.HasSuffix(path, ".gz") {
		return f, err
	}
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

// valueRows reads rows of an id and numbers; empty cells end a row. A first row without numbers is a heading.
func valueRows(path string) (map[string][]float64, error) {
	f, err := openPlain(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows := csv.NewReader(f)
	rows.FieldsPerRecord, rows.ReuseRecord = -1, true
	out := map[string][]float64{}
	for line := 0; ; line++ {
		row, err := rows.Read()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		var v []float64
		for _, cell := range row[1:] {
			if cell == "" {
				break
			}
			x, err := strconv.ParseFloat(cell, 64)
			if err != nil && line == 0 {
				break
			}
			if err != nil {
				return nil, err
			}
			v = append(v, x)
		}
		if len(v) > 0 {
			out[strings.Clone(row[0])] = v
		}
	}
}

// numberColumns reads a table with a heading; the first column, a date, is left out.
func numberColumns(path string) (names []string, columns [][]float64, err error) {
	f, err := openPlain(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	rows := csv.NewReader(f)
	head, err := rows.Read()
	if err != nil {
		return nil, nil, err
	}
	names, columns = head[1:], make([][]float64, len(head)-1)
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return names, columns, nil
		}
		if err != nil {
			return nil, nil, err
		}
		for i, cell := range row[1:] {
			x, err := strconv.ParseFloat(cell, 64)
			if err != nil {
				return nil, nil, err
			}
			columns[i] = append(columns[i], x)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
