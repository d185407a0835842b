// Package rulefile finds and checks files of rules in Prometheus' format. It evaluates nothing.
package rulefile

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Bounds of what is read.
const (
	// maxFiles is more than anybody keeps by hand; a pattern that finds more has caught something else.
	maxFiles = 10_000
	// maxFileBytes bounds one file; the largest public collections have a tenth of it.
	maxFileBytes = 16 << 20
)

// Find returns the files that the patterns name, as sorted absolute paths, each once. A pattern that finds nothing is no error: files may
// come later. Errors: errs.Invalid for a pattern that cannot be read, or too many files.
func Find(patterns []string) ([]string, error) {
	var all []string
	for _, p := range patterns {
		found, err := filepath.Glob(p)
		if err != nil {
			return nil, errs.New(errs.Invalid, "rules.files: pattern %q: %w", p, err)
		}
		for _, f := range found {
			abs, err := filepath.Abs(f)
			if err != nil {
				return nil, errs.New(errs.Internal, "rules.files: %w", err)
			}
			all = append(all, abs)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) > maxFiles {
		return nil, errs.New(errs.Invalid, "rules.files: %d files, more than %d", len(all), maxFiles)
	}
	return all, nil
}

// Parser is the parser of rules' expressions: what queries may use, rules may use.
func Parser() parser.Parser {
	return parser.NewParser(parser.Options{EnableExperimentalFunctions: true})
}

// Summary says what a file has.
type Summary struct {
	Groups    int
	Alerting  int
	Recording int
}

// Check reads a file and returns what it has, and every mistake as "file:line:column: what".
func Check(file string, p parser.Parser) (Summary, []error) {
	info, err := os.Stat(file)
	if err != nil {
		return Summary{}, []error{err}
	}
	if info.Size() > maxFileBytes {
		return Summary{}, []error{fmt.Errorf("%s: has %d bytes, more than %d", file, info.Size(), maxFileBytes)}
	}
	groups, mistakes := rulefmt.ParseFile(file, false, model.UTF8Validation, p, slog.New(slog.DiscardHandler))
	for i, m := range mistakes {
		mistakes[i] = clickable{file: file, err: m}
	}
	if groups == nil {
		return Summary{}, mistakes
	}
	s := Summary{Groups: len(groups.Groups)}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				s.Alerting++
			} else {
				s.Recording++
			}
		}
	}
	return s, mistakes
}

// CheckAll checks files together. Errors: errs.Invalid with every mistake on a line of its own.
func CheckAll(files []string, p parser.Parser) (Summary, error) {
	var sum Summary
	var text string
	n := 0
	for _, f := range files {
		s, mistakes := Check(f, p)
		sum.Groups, sum.Alerting, sum.Recording = sum.Groups+s.Groups, sum.Alerting+s.Alerting, sum.Recording+s.Recording
		for _, m := range mistakes {
			const told = 50 // A screen; the next run shows what is left.
			if n++; n <= told {
				text += "\n  " + m.Error()
			}
		}
	}
	if n > 0 {
		return sum, errs.WithHint(errs.Invalid, "`faultline rules check FILE…` checks rule files", "%d mistakes in rule files:%s", n, text)
	}
	return sum, nil
}

// clickable writes a mistake as editors read it.
type clickable struct {
	file string
	err  error
}

var (
	withColumn = regexp.MustCompile(`^(\d+:\d+): (?s:(.*))$`)
	yamlLine   = regexp.MustCompile(`^(?s:(?:yaml: |.*?)(?:unmarshal errors:\s*)?line (\d+): (.*))$`)
)

func (c clickable) Error() string {
	text := c.err.Error()
	if rest, ok := strings.CutPrefix(text, c.file+": "); ok {
		text = rest
	}
	if m := withColumn.FindStringSubmatch(text); m != nil {
		return c.file + ":" + m[1] + ": " + m[2]
	}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		return c.file + ":" + m[1] + ": " + m[2]
	}
	return c.file + ": " + text
}

func (c clickable) Unwrap() error { return c.err }
