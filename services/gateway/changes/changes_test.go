package changes

import (
	"context"
	"testing"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestMoment(t *testing.T) {
	for text, want := range map[string]int64{
		`"2026-11-20T00:00:00Z"`: 1795132800e9, `"2026-11-20T01:00:00.5+01:00"`: 17951328005e8, `"2026-11-20 02:00:00 +0200"`: 1795132800e9, `"2026-11-20 00:00:00 UTC"`: 1795132800e9,
		`1795132800`: 1795132800e9, `1795132800.25`: 179513280025e7, `1795132800123`: 1795132800123e6, `1795132800123456`: 1795132800123456e3, `1795132800123456789`: 1795132800123456789,
		`"1795132800"`: 1795132800e9, `null`: 0, `""`: 0, `0`: 0,
	} {
		var m moment
		if err := m.UnmarshalJSON([]byte(text)); err != nil || int64(m) != want {
			t.Errorf("%s: got %d, %v, want %d", text, m, err, want)
		}
	}
	for _, text := range []string{`"yesterday"`, `-5`, `1e300`, `"NaN"`, `{}`, `"9999-01-01T00:00:00Z"`} {
		var m moment
		if err := m.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s is taken as %d", text, m)
		}
	}
}

func message(body []byte, header map[string]string) *Message {
	return &Message{Body: body, Header: func(n string) string { return header[n] }, Query: func(string) string { return "" }}
}

// Whatever the bytes, the answer is good or Invalid, and what was taken can be encoded.
func FuzzMessages(f *testing.F) {
	for _, s := range []string{
		`{"title":"x","time":1800000000,"attributes":{"a":1},"tags":["service:shop"]}`, `[{"service":"a"},{"version":"1"}]`,
		`{"specversion":"1.0","id":"1","source":"/s","type":"dev.cdevents.service.deployed","data":{"title":5}}`,
		`{"repository":{"name":"a"},"deployment":{"id":1},"deployment_status":{"state":"success"}}`, `{"object_kind":"pipeline","object_attributes":{"id":4}}`,
		`{"app":{"metadata":{"name":"a"},"status":{"history":[{"revision":"b"}]}}}`, `{"involvedObject":{"kind":"HelmRelease","name":"x"},"metadata":{"revision":"r"}}`,
		`{"text":"hello","time":1800000000000,"timeEnd":1,"tags":"a b"}`, `{"what":"x","when":1,"data":"y"}`,
	} {
		f.Add([]byte(s), "deployment_status")
	}
	f.Fuzz(func(t *testing.T, body []byte, event string) {
		core, _ := intaketest.Core(t)
		r := New(core)
		m := message(body, map[string]string{"X-GitHub-Event": event, "X-Gitlab-Event": event})
		number := func(take func(context.Context, *intake.Request, *Message) (uint64, error)) func(context.Context, *intake.Request, *Message) ([]string, error) {
			return func(ctx context.Context, req *intake.Request, m *Message) ([]string, error) {
				_, err := take(ctx, req, m)
				return nil, err
			}
		}
		for _, take := range []func(context.Context, *intake.Request, *Message) ([]string, error){
			r.JSON, r.GitHub, r.GitLab, r.ArgoCD, r.Flux, number(r.Annotation), number(r.GraphiteAnnotation),
		} {
			if _, err := take(context.Background(), intaketest.Request(core), m); err != nil && errs.KindOf(err) != errs.Invalid {
				t.Fatalf("error of kind %s: %v", errs.KindOf(err), err)
			}
		}
	})
}
