package rulefile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/responder/rulefile"
)

func TestMistakesNameFileAndLine(t *testing.T) {
	dir := t.TempDir()
	f := func(name, text, want string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := rulefile.CheckAll([]string{path}, rulefile.Parser())
		if errs.KindOf(err) != errs.Invalid || !strings.Contains(err.Error(), path+want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	f("expr.yml", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: 'sum('\n", ":5:")
	f("yaml.yml", "groups:\n- name: g\n  rules: [\n", ":")
	f("field.yml", "groups:\n- name: g\n  odd: 1\n", ":3:")
	f("both.yml", "groups:\n- name: g\n  rules:\n  - alert: A\n    record: b\n    expr: up\n", ":")
	good := filepath.Join(dir, "good.yml")
	text := "groups:\n- name: g\n  limit: 3\n  query_offset: 10s\n  rules:\n  - {alert: A, expr: up == 0, keep_firing_for: 1m}\n  - {record: 'a:b', expr: sum(up)}\n"
	if err := os.WriteFile(good, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := rulefile.CheckAll([]string{good}, rulefile.Parser()); err != nil || s.Groups != 1 || s.Alerting != 1 || s.Recording != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	files, err := rulefile.Find([]string{filepath.Join(dir, "g*.yml"), good, filepath.Join(dir, "none-*")})
	if err != nil || len(files) != 1 || files[0] != good {
		t.Errorf("%v, %v", files, err)
	}
	if _, err := rulefile.Find([]string{"["}); errs.KindOf(err) != errs.Invalid {
		t.Errorf("a bad pattern: %v", err)
	}
}
