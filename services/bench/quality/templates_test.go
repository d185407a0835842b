package quality_test

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
)

// kinds are the kinds of lines of a system that the test makes up, with what varies in them.
var kinds = []func(i int) string{
	func(i int) string {
		return fmt.Sprintf("accepted connection from 10.0.%d.%d port %d", i%9, i%200, 1024+i)
	},
	func(i int) string {
		return fmt.Sprintf("user %s logged in", []string{"root", "bob", "eve", "kim", "sue", "tom", "ann", "max"}[i%8])
	},
	func(i int) string {
		return fmt.Sprintf("flushed %d.%d MB to /data/segment-%04x in %d ms", i, i%9, i*7919, i*3)
	},
	func(i int) string {
		return fmt.Sprintf(`request id=%08x path="/orders/%d" ok=%t`, i*31337, i, i%2 == 0)
	},
	func(int) string { return "shutting down" },
}

// write makes a folder in the shape of the public set.
func write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "Made"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "Made", "Made_2k.log_structured_corrected.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := csv.NewWriter(z)
	rows := [][]string{{"LineId", "Content", "EventId", "EventTemplate"}}
	for i := range 400 {
		k := i % len(kinds)
		rows = append(rows, []string{fmt.Sprint(i), kinds[k](i), fmt.Sprintf("E%d", k), "unused"})
	}
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	for _, c := range []interface{ Close() error }{z, f} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTemplatesSuite(t *testing.T) {
	cases, err := adapters.Loghub(write(t))
	if err != nil {
		t.Fatal(err)
	}
	s := quality.Templates(cases[0])
	if s.Lines != 400 || s.True != len(kinds) || s.GA != 1 || s.FGA != 1 {
		t.Errorf("%+v", s)
	}
	// A wrong grouping must score as such: with the labels of two kinds swapped for half of their lines nothing of those is right.
	for i := range cases[0].Truth {
		if i%10 == 0 {
			cases[0].Truth[i] = "E1"
		}
	}
	if bad := quality.Templates(cases[0]); bad.GA > 0.7 || bad.FGA > 0.7 {
		t.Errorf("%+v", bad)
	}
	if _, err := adapters.Loghub(t.TempDir()); err == nil {
		t.Error("an empty folder")
	}
}
