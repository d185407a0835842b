package eventtime

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func someOrder() *Order {
	r, o := &recorder{}, NewOrder(DefaultLimits())
	o.Batch(announce(batch(1, 10, 20, 3000), seriesOf(0, 1), series(1, 5)), r)
	if err := o.Mark(Mark{Seq: 1, AtMS: 30, WatermarkMS: 15}, r); err != nil {
		panic("BUG: " + err.Error())
	}
	o.Batch(announce(batch(7, 40, 12), series(2, 5)), r)
	return o
}

func TestSnapshotRefusals(t *testing.T) {
	good := someOrder().Snapshot(42)
	if o, position, err := Restore(good, DefaultLimits()); err != nil || position != 42 || !bytes.Equal(o.Snapshot(42), good) {
		t.Fatalf("position %d, %v", position, err)
	}
	for n := range good {
		if _, _, err := Restore(good[:n], DefaultLimits()); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		bad := bytes.Clone(good)
		bad[n] ^= 0x40
		if _, _, err := Restore(bad, DefaultLimits()); !errors.Is(err, ErrSnapshot) {
			t.Fatalf("byte %d changed: %v", n, err)
		}
	}
	next := bytes.Clone(good[:len(good)-4])
	next[0]++
	if _, _, err := Restore(seal(next), DefaultLimits()); !errors.Is(err, ErrSnapshot) || !strings.Contains(err.Error(), "version") {
		t.Errorf("another version: %v", err)
	}
}

// Whatever the bytes are, Restore refuses them or gives a state that works and comes back as the same bytes.
func FuzzRestore(f *testing.F) {
	good := someOrder().Snapshot(42)
	f.Add(good[:len(good)-4])
	f.Add(NewOrder(DefaultLimits()).Snapshot(0))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 3})
	f.Fuzz(func(t *testing.T, body []byte) {
		data := seal(bytes.Clone(body))
		if g, err := RestoreMerge(data, 100); err == nil {
			if _, err := g.Add(0, g.next, nil); err == nil {
				g.Snapshot()
			}
		}
		o, position, err := Restore(data, DefaultLimits())
		if err != nil {
			return
		}
		once := o.Snapshot(position)
		o2, _, err := Restore(once, DefaultLimits())
		if err != nil || !bytes.Equal(o2.Snapshot(position), once) {
			t.Fatalf("a snapshot does not come back: %v", err)
		}
		r := &recorder{}
		o.Batch(announce(batch(1, 10, 20), series(1, 5)), r)
		if err := o.Mark(Mark{Seq: o.mark.Seq + 1, WatermarkMS: 15}, r); err != nil {
			t.Fatal(err)
		}
	})
}

// The package is pure: no clock, no I/O, no goroutines, no randomness. It would not show at once if it were not.
func TestPure(t *testing.T) {
	allowed := []string{
		"bytes", "cmp", "encoding/binary", "errors", "fmt", "hash/crc32", "maps", "math", "slices",
		"github.com/faultline-io/faultline/services/model",
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
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
			if path, err := strconv.Unquote(i.Path.Value); err != nil || !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", name, i.Path.Value)
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
