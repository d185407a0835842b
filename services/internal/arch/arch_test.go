package arch

import (
	"bufio"
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the import path of services.
const module = "github.com/faultline-io/faultline/services/"

// maxLines is the longest file by hand; a longer one has more than one idea in it.
const maxLines = 500

// goFile is one Go file of the repository.
type goFile struct {
	path      string // From services, with slashes: "internal/errs/errs.go".
	dir       string
	test      bool
	generated bool
	lines     int
	pkg       string
	doc       bool
	imports   []string
}

// load reads all Go files of services. It walks the folder itself: the test's cache then knows what it depends on.
func load(t *testing.T) []goFile {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []goFile
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), "_")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(src, []byte("//go:build never")) {
			return nil // Keeps requirements; it is never compiled.
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, src, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		g := goFile{
			path: filepath.ToSlash(rel), dir: path.Dir(filepath.ToSlash(rel)), test: strings.HasSuffix(p, "_test.go"), generated: ast.IsGenerated(f),
			lines: countLines(src), pkg: f.Name.Name, doc: f.Doc != nil && strings.TrimSpace(f.Doc.Text()) != "",
		}
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			g.imports = append(g.imports, name)
		}
		all = append(all, g)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("found only %d Go files: the walk is broken", len(all))
	}
	return all
}

// countLines returns the number of lines.
func countLines(src []byte) int {
	n := 0
	for sc := bufio.NewScanner(bytes.NewReader(src)); sc.Scan(); {
		n++
	}
	return n
}

// within reports whether a folder is dir or below it.
func within(folder, dir string) bool { return folder == dir || strings.HasPrefix(folder, dir+"/") }

// withinAny reports whether a folder is in one of dirs.
func withinAny(folder string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return within(folder, d) })
}

// parts are the siblings that meet on the bus and in tables only.
var parts = []string{"agent", "gateway", "correlator", "query", "responder"}

// ours returns why a file in folder must not import the package at dir of this module; "" if it may.
func ours(folder, dir string) string {
	switch {
	case within(folder, "model") && !within(dir, "model"):
		return "model imports the standard library only"
	case within(folder, "internal/errs"):
		return "errs is a leaf"
	case within(folder, "internal") && withinAny(dir, append([]string{"cmd", "bench"}, parts...)...):
		return "internal is below the parts"
	case withinAny(folder, parts...) && within(dir, "cmd"):
		return "the parts are below cmd"
	}
	for _, p := range parts {
		if within(folder, p) && withinAny(dir, parts...) && !within(dir, p) {
			return "siblings meet on the bus and in tables, not by import"
		}
	}
	return ""
}

// outside lists modules that only some folders may import. bench and test are tools, and may use what they measure.
var outside = []struct {
	prefix string
	dirs   []string
}{
	{"github.com/ClickHouse/", []string{"internal/store"}},
	{"github.com/nats-io/", []string{"internal/bus"}},
	{"github.com/ebitengine/purego", []string{"internal/engine"}},
	{"github.com/gin-gonic/gin", []string{"query", "gateway"}},
	{"github.com/danielgtaylor/huma", []string{"query", "gateway"}},
	{"github.com/prometheus/alertmanager", []string{"internal/alerts", "query/alertsapi", "responder"}},
	{"github.com/VictoriaMetrics/VictoriaMetrics", []string{"gateway"}},
	{"github.com/spf13/cobra", []string{"cmd", "agent/agentcmd"}},
	{"github.com/faultline-io/faultline/web", []string{"cmd"}},
}

// tools may import what they measure or drive.
var tools = []string{"bench", "test", "cmd/gwbench"}

func TestImportDirection(t *testing.T) {
	for _, f := range load(t) {
		if f.test || withinAny(f.dir, tools...) {
			continue // A test may stand above what it tests.
		}
		for _, name := range f.imports {
			if dir, ok := strings.CutPrefix(name, module); ok {
				if why := ours(f.dir, dir); why != "" {
					t.Errorf("%s imports %s: %s", f.path, dir, why)
				}
				continue
			}
			for _, o := range outside {
				if strings.HasPrefix(name, o.prefix) && !withinAny(f.dir, o.dirs...) {
					t.Errorf("%s imports %s: that is for %s only", f.path, name, strings.Join(o.dirs, ", "))
				}
			}
			if first, _, _ := strings.Cut(name, "/"); within(f.dir, "model") && strings.Contains(first, ".") {
				t.Errorf("%s imports %s: model imports the standard library only", f.path, name)
			}
		}
	}
}

func TestRulesRefuseWhatTheyShould(t *testing.T) {
	for _, c := range []struct {
		folder, dir string
		refused     bool
	}{
		{"gateway/otlp", "query", true},
		{"gateway/otlp", "gateway/series", false},
		{"internal/bus", "gateway", true},
		{"model", "internal/errs", true},
		{"query", "cmd/internal/launch", true},
		{"cmd/faultline", "query", false},
		{"query", "internal/store", false},
		{"querying", "gateway", false},
		{"responder", "query/promstore", true},
		{"gateway/promappend", "responder", true},
	} {
		if why := ours(c.folder, c.dir); (why != "") != c.refused {
			t.Errorf("%s importing %s: %q, want refused %v", c.folder, c.dir, why, c.refused)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	docs := map[string]int{}
	for _, f := range load(t) {
		if f.test || f.generated {
			continue
		}
		if _, ok := docs[f.dir]; !ok {
			docs[f.dir] = 0
		}
		if f.doc {
			docs[f.dir]++
		}
	}
	for dir, n := range docs {
		if n != 1 {
			t.Errorf("%s has %d package comments, want 1", dir, n)
		}
	}
}

func TestFilesStayShort(t *testing.T) {
	for _, f := range load(t) {
		switch {
		case f.generated || f.lines <= maxLines:
		case f.test: // A table of cases may be long; it is still worth a word.
			t.Logf("%s has %d lines, more than %d", f.path, f.lines, maxLines)
		default:
			t.Errorf("%s has %d lines, want at most %d: split it by noun", f.path, f.lines, maxLines)
		}
	}
}

func TestPackagesHaveNamesThatMeanSomething(t *testing.T) {
	for _, f := range load(t) {
		if slices.Contains([]string{"util", "utils", "common", "helpers", "base", "types", "misc"}, f.pkg) {
			t.Errorf("%s: package %s says nothing about what is in it", f.path, f.pkg)
		}
	}
}

func TestMainsOfRolesAreShort(t *testing.T) {
	const longest = 40
	for _, f := range load(t) {
		if within(f.dir, "cmd") && strings.HasPrefix(f.dir, "cmd/faultline-") && !f.test && f.lines > longest {
			t.Errorf("%s has %d lines, want at most %d: wiring belongs into cmd/internal", f.path, f.lines, longest)
		}
	}
}
