package snapshot_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/correlator/snapshot"
	"github.com/faultline-io/faultline/services/model"
)

func finding() *model.Finding {
	return &model.Finding{
		ID: 1 << 63, Entity: model.Entity{Kind: model.KindHost, Name: "h"}, Kind: model.FindingNew, Direction: -1, OnsetMS: -5, SeenMS: 7, EndMS: math.MaxInt64,
		Signal: model.SignalRef{SeriesID: 3, Name: "x", Labels: []model.Label{{Name: "a", Value: ""}}, Role: model.RoleLog, Unit: "1/s"},
		Value:  1.5, Expected: -2, Low: 3, High: 4, Score: 5, PValue: 1e-300, Confidence: 0.5, HistoryMS: 9, Detector: "d", Text: "ü\x00",
	}
}

func written() []byte {
	w := snapshot.NewWriter('x', 3)
	w.Uint(math.MaxUint64)
	w.Int(math.MinInt64)
	w.Fixed(42)
	w.Float(math.SmallestNonzeroFloat64)
	w.Byte(7)
	w.Bool(true)
	w.String("a\nb")
	w.Entity(model.Entity{Kind: model.KindQueue, Name: "q"})
	w.Finding(finding())
	return w.Bytes()
}

func TestRoundTrip(t *testing.T) {
	r, err := snapshot.Open(written(), 'x', 3)
	if err != nil {
		t.Fatal(err)
	}
	if r.Uint() != math.MaxUint64 || r.Int() != math.MinInt64 || r.Fixed() != 42 || r.Float() != math.SmallestNonzeroFloat64 || r.Byte() != 7 || !r.Bool() || r.String() != "a\nb" {
		t.Error("a field differs")
	}
	if e := r.Entity(); e.String() != "queue:q" {
		t.Error(e)
	}
	if d := cmp.Diff(finding(), r.Finding()); d != "" {
		t.Error(d)
	}
	if err := r.End(); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	good := written()
	for n := range good {
		if _, err := snapshot.Open(good[:n], 'x', 3); !errors.Is(err, snapshot.ErrUnusable) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for name, open := range map[string]func() (*snapshot.Reader, error){
		"of another stage":          func() (*snapshot.Reader, error) { return snapshot.Open(good, 'y', 3) },
		"version 3, this build":     func() (*snapshot.Reader, error) { return snapshot.Open(good, 'x', 4) },
		"bytes after the end":       func() (*snapshot.Reader, error) { return snapshot.Open(good, 'x', 3) },
		"count beyond the end":      after(func(r *snapshot.Reader) { r.Count(1) }, 0xff, 0x7f),
		"bad number":                after(func(r *snapshot.Reader) { r.Uint() }, 0xff),
		"number too large":          after(func(r *snapshot.Reader) { r.Uint32() }, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"no flag":                   after(func(r *snapshot.Reader) { r.Bool() }, 2),
		"no number":                 after(func(r *snapshot.Reader) { r.Float() }, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f),
		"ends early: snapshot":      after(func(r *snapshot.Reader) { r.Fixed() }, 1),
		"count beyond the end: sna": after(func(r *snapshot.Reader) { _ = r.String() }, 9, 'a'),
	} {
		r, err := open()
		if err == nil {
			err = r.End()
		}
		if !errors.Is(err, snapshot.ErrUnusable) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// after returns a reader of the given bytes after read.
func after(read func(*snapshot.Reader), body ...byte) func() (*snapshot.Reader, error) {
	return func() (*snapshot.Reader, error) {
		r, err := snapshot.Open(snapshot.Seal(append([]byte{'x', 1}, body...)), 'x', 1)
		if err == nil {
			read(r)
		}
		return r, err
	}
}

// The stages are pure: no clock, no I/O, no goroutines, no randomness. It would not show at once if they were not.
func TestStagesArePure(t *testing.T) {
	refused := []string{"context", "io", "log/slog", "math/rand", "math/rand/v2", "net/http", "os", "sync", "sync/atomic", "time", "hash/maphash"}
	for _, dir := range []string{".", "../topology", "../spanstage", "../logstage", "../template"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range file.Imports {
				path, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range refused {
					if path == r {
						t.Errorf("%s imports %s", name, path)
					}
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n.(type) {
				case *ast.GoStmt, *ast.SendStmt, *ast.SelectStmt, *ast.ChanType:
					t.Errorf("%s has goroutines or channels", name)
				}
				return true
			})
		}
	}
}
