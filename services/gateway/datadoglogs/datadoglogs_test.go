package datadoglogs

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestJSON(t *testing.T) {
	core, kept := intaketest.Keep(t)
	r := New(core)
	err := r.JSON(context.Background(), intaketest.Request(core), []byte(`[{"message":"m1","status":"warn","timestamp":1764042000123,"hostname":"h1","service":"shop","ddsource":"nginx","ddtags":"env:prod,team:a,flag,pod_name:p1"},
		{"message":"{\"level\":\"error\"}","ddtags":"service:from-tag","attr":{"x":1}}]`), Meta{Host: "dflt", Tags: "team:q"})
	if err != nil {
		t.Fatal(err)
	}
	want := []intaketest.Row{
		{Body: "m1", Service: "shop", Host: "h1", TimeNS: 1764042000123000000, Severity: 13, Attrs: map[string]string{"team": "q", "flag": "true"},
			Res: map[string]string{"host.name": "h1", "service.name": "shop", "datadog.source": "nginx", "deployment.environment.name": "prod", "k8s.pod.name": "p1"}},
		{Body: `{"level":"error"}`, Service: "from-tag", Host: "dflt", TimeNS: intaketest.Now().UnixNano(), Severity: 17, Attrs: map[string]string{"team": "q", "attr.x": "1"},
			Res: map[string]string{"host.name": "dflt", "service.name": "from-tag"}},
	}
	if d := cmp.Diff(want, kept.Rows()); d != "" {
		t.Error(d)
	}
	for _, ok := range []string{"{}", "[]", "", "{\"message\":\"a\"}\n{\"message\":\"b\"}"} {
		if err := r.JSON(context.Background(), intaketest.Request(core), []byte(ok), Meta{}); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{"[1]", "{", "x"} {
		if err := r.JSON(context.Background(), intaketest.Request(core), []byte(bad), Meta{}); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if n := len(kept.Rows()); n != 4 {
		t.Errorf("%d rows", n)
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`[{"message":"m1","status":"warn","timestamp":1764042000123,"ddtags":"env:prod,a:,:b,,"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		core, _ := intaketest.Core(t)
		if err := New(core).JSON(context.Background(), intaketest.Request(core), b, Meta{}); err != nil && errs.KindOf(err) != errs.Invalid {
			t.Fatal(err)
		}
	})
}
