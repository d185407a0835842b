package adapters

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/bench/quality"
)

// sessionFile tells what a file of sessions has by the end of its name.
var sessionFile = regexp.MustCompile(`^(.*?)_(train|test_normal|test_abnormal)(?:\.(?:csv|txt|log))?(?:\.gz)?$`)

// Sessions reads labelled sessions of log events below dir: files "<set>_train", "<set>_test_normal" and "<set>_test_abnormal" with a line
// "<session>,<event> <event> …" each, as github.com/ait-aecid/anomaly-detection-log-datasets makes them, and files of JSON lines with the fields session,
// split (train, else for testing), label (0 or 1) and templates.
func Sessions(dir string) ([]quality.SessionCase, error) {
	cases := map[string]*quality.SessionCase{}
	get := func(path, set string) *quality.SessionCase {
		rel, err := filepath.Rel(dir, filepath.Dir(path))
		if err != nil {
			rel = ""
		}
		name := filepath.ToSlash(filepath.Join(rel, set))
		if cases[name] == nil {
			cases[name] = &quality.SessionCase{Name: name}
		}
		return cases[name]
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if m := sessionFile.FindStringSubmatch(d.Name()); m != nil {
			return readSessions(path, m[2], get(path, m[1]))
		}
		if name := strings.TrimSuffix(d.Name(), ".gz"); strings.HasSuffix(name, ".jsonl") {
			return readJSONSessions(path, get(path, strings.TrimSuffix(name, ".jsonl")))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []quality.SessionCase
	for _, c := range cases {
		if len(c.Train) > 0 && len(c.Abnormal) > 0 {
			out = append(out, *c)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no sessions to train and to test on", dir)
	}
	slices.SortFunc(out, func(a, b quality.SessionCase) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// eachLine calls f with every line of a file that may be compressed.
func eachLine(path string, f func([]byte) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	// A session of a host has all that it wrote in a day on one line.
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 1<<20), 1<<28)
	for sc.Scan() {
		if err := f(sc.Bytes()); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return sc.Err()
}

func readSessions(path, part string, c *quality.SessionCase) error {
	return eachLine(path, func(line []byte) error {
		_, events, ok := strings.Cut(string(line), ",")
		if !ok {
			return fmt.Errorf("a line without a comma")
		}
		s := strings.Fields(events)
		switch part {
		case "train":
			c.Train = append(c.Train, s)
		case "test_normal":
			c.Normal = append(c.Normal, s)
		default:
			c.Abnormal = append(c.Abnormal, s)
		}
		return nil
	})
}

func readJSONSessions(path string, c *quality.SessionCase) error {
	return eachLine(path, func(line []byte) error {
		var s struct {
			Split     string
			Label     int
			Templates []string
		}
		if err := json.Unmarshal(line, &s); err != nil {
			return err
		}
		switch {
		case s.Split == "train" && s.Label == 0: // What a solver learns from is normal; labels of the rest are for the score only.
			c.Train = append(c.Train, s.Templates)
		case s.Split == "train":
		case s.Label == 0:
			c.Normal = append(c.Normal, s.Templates)
		default:
			c.Abnormal = append(c.Abnormal, s.Templates)
		}
		return nil
	})
}
