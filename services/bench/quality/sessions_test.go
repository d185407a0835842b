package quality_test

import (
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
)

// session makes up what an order leaves in the log: a beginning, one to five tries, an end. An odd one stops in the middle, tries far too often, or says something
// of its own.
func session(r *rand.Rand, odd bool) []string {
	s := []string{"begin", "check"}
	for range 1 + r.IntN(5) {
		s = append(s, "try")
	}
	if !odd {
		return append(s, "store", "notify", "end")
	}
	switch r.IntN(3) {
	case 0:
		return s
	case 1:
		for range 40 {
			s = append(s, "try")
		}
		return append(s, "store", "notify", "end")
	}
	return append(s, "rollback", "store", "end")
}

func writeLines(t *testing.T, path string, lines []string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	if _, err := z.Write([]byte(strings.Join(lines, "\n") + "\n")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []interface{ Close() error }{z, f} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSessionsSuite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dev", "made")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	part := func(n int, odd bool) []string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf("s%d,%s", i, strings.Join(session(r, odd), " ")))
		}
		return out
	}
	writeLines(t, filepath.Join(dir, "made_train.gz"), part(700, false))
	writeLines(t, filepath.Join(dir, "made_test_normal.gz"), part(300, false))
	writeLines(t, filepath.Join(dir, "made_test_abnormal.gz"), part(90, true))
	writeLines(t, filepath.Join(dir, "others.jsonl.gz"), []string{
		`{"session":"a","split":"train","label":0,"templates":["x","y"]}`, `{"session":"b","split":"train","label":1,"templates":["z"]}`,
		`{"session":"c","split":"test","label":0,"templates":["x","y"]}`, `{"session":"d","split":"test","label":1,"templates":["z"]}`,
	})
	cases, err := adapters.Sessions(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 2 || len(cases[0].Train) != 700 || len(cases[0].Normal) != 300 || len(cases[0].Abnormal) != 90 || len(cases[1].Train) != 1 || len(cases[1].Abnormal) != 1 {
		t.Fatalf("%d cases: %+v", len(cases), cases)
	}
	c := cases[0]
	s := quality.Sessions(c, quality.Renamer{})
	if s.F1.Mean < 0.97 || s.F1.Low > s.F1.Mean || s.F1.High < s.F1.Mean || s.NewType > 0.8 {
		t.Errorf("%+v", s)
	}
	renamed := quality.Sessions(c, quality.NewRenamer(true))
	if renamed.F1 != s.F1 {
		t.Errorf("renamed: %v, as it is: %v", renamed.F1, s.F1)
	}
	// Labels that say nothing must not be found: the score of two halves of the same sessions is that of chance.
	c.Normal, c.Abnormal = c.Normal[:150], c.Normal[150:]
	if s := quality.Sessions(c, quality.Renamer{}); s.F1.Mean > 0.2 {
		t.Errorf("labels without meaning: %+v", s)
	}
	c.Normal, c.Abnormal = nil, cases[0].Abnormal
	if s := quality.Sessions(c, quality.Renamer{}); !s.HeldOut || s.F1.Mean < 0.97 {
		t.Errorf("held out: %+v", s)
	}
	if _, err := adapters.Sessions(t.TempDir()); err == nil {
		t.Error("an empty folder")
	}
}
