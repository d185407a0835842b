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

	"github.com/klauspost/compress/zstd"
)

// file is an opened file of a set, unpacked by the end of its name.
type file struct {
	io.Reader
	close []func() error
}

// Close closes all layers.
func (f *file) Close() error {
	var first error
	for i := len(f.close) - 1; i >= 0; i-- {
		if err := f.close[i](); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// maxWindow is the window of zstd's --long=27, which some sets need.
const maxWindow = 128 << 20

func open(path string) (*file, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	out := &file{Reader: bufio.NewReaderSize(f, 1<<16), close: []func() error{f.Close}}
	switch {
	case strings.HasSuffix(path, ".gz"):
		z, err := gzip.NewReader(out.Reader)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out.Reader, out.close = z, append(out.close, z.Close)
	case strings.HasSuffix(path, ".zst"):
		z, err := zstd.NewReader(out.Reader, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out.Reader, out.close = z, append(out.close, func() error { z.Close(); return nil })
	}
	return out, nil
}

// table is a CSV file with its columns by name.
type table struct {
	head []string
	rows [][]string
}

// readTable reads path, or path with .gz.
func readTable(path string) (*table, error) {
	if _, err := os.Stat(path); err != nil {
		path += ".gz"
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s is empty", path)
	}
	rows[0][0] = strings.TrimPrefix(rows[0][0], "\ufeff")
	for i := range rows[0] {
		rows[0][i] = strings.TrimSpace(rows[0][i])
	}
	return &table{head: rows[0], rows: rows[1:]}, nil
}

// column returns the index of the first of the named columns that is there, -1 for none.
func (t *table) column(names ...string) int {
	for _, n := range names {
		if i := slices.Index(t.head, n); i >= 0 {
			return i
		}
	}
	return -1
}

// cell returns the text at a place, "" where there is none.
func cell(row []string, i int) string {
	if i < 0 || i >= len(row) {
		return ""
	}
	return row[i]
}

// number returns NaN for what is none.
func number(s string) float64 {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// findFiles returns the files below dir with one of the names (".gz" is tried too), sorted.
func findFiles(dir string, names ...string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && slices.Contains(names, strings.TrimSuffix(d.Name(), ".gz")) {
			out = append(out, p)
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}

// readJSON reads a whole JSON file.
func readJSON(path string, into any) error {
	f, err := open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := json.NewDecoder(f).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
