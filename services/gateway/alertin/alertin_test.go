package alertin_test

import (
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/gateway/alertin"
	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/errs"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func TestRead(t *testing.T) {
	type read func([]byte, time.Time) ([]*alerts.Record, error)
	f := func(name string, r read, body string, want int, kind errs.Kind, check func(*alerts.Record)) {
		t.Helper()
		got, err := r([]byte(body), now)
		if len(got) != want || errs.KindOf(err) != kind {
			t.Errorf("%s: %d alerts, %v", name, len(got), err)
			return
		}
		if check != nil {
			check(got[0])
		}
	}
	f("Prometheus", alertin.ReadAPI, `[{"labels":{"alertname":"A","empty":""},"startsAt":"2026-11-25T11:00:00Z","endsAt":"2026-11-25T12:04:00Z","generatorURL":"http://p"}]`, 1, "", func(r *alerts.Record) {
		if r.Resolved() == r.ResolvedAt(now) && r.ResolvedAt(now) || len(r.Labels) != 1 || r.Source != alerts.SourceAPI || r.Timeout {
			t.Errorf("%+v", r)
		}
	})
	f("without times", alertin.ReadAPI, `[{"labels":{"alertname":"A"}}]`, 1, "", func(r *alerts.Record) {
		if !r.StartsAt.Equal(now) || !r.EndsAt.Equal(now.Add(alertin.APIHold)) || !r.Timeout {
			t.Errorf("%+v", r)
		}
	})
	f("good and bad", alertin.ReadAPI, `[{"labels":{"alertname":"A"}},{"labels":{}},{"labels":{"alertname":"B"},"startsAt":"2026-11-25T12:00:00Z","endsAt":"2026-11-25T11:00:00Z"}]`, 1, errs.Invalid, nil)
	f("no list", alertin.ReadAPI, `{}`, 0, errs.Invalid, nil)
	f("Grafana fires", alertin.ReadGrafana, `{"alerts":[{"status":"firing","labels":{"alertname":"G"},"startsAt":"2026-11-25T11:00:00Z","endsAt":"0001-01-01T00:00:00Z","dashboardURL":"http://d"}]}`, 1, "", func(r *alerts.Record) {
		if !r.EndsAt.Equal(now.Add(alertin.WebhookHold)) || r.Annotations["dashboard_url"] != "http://d" || r.Source != alerts.SourceGrafana {
			t.Errorf("%+v", r)
		}
	})
	f("Grafana, old form", alertin.ReadGrafana, `{"ruleName":"x","state":"alerting"}`, 0, errs.Invalid, nil)
	f("Alertmanager resolves", alertin.ReadAlertmanager, `{"version":"4","alerts":[{"status":"resolved","labels":{"alertname":"M"},"startsAt":"2026-11-25T11:00:00Z","endsAt":"2026-11-25T11:30:00Z"}]}`, 1, "", func(r *alerts.Record) {
		if !r.ResolvedAt(now) || r.EndsAt.Minute() != 30 {
			t.Errorf("%+v", r)
		}
	})
	f("another version", alertin.ReadAlertmanager, `{"version":"5","alerts":[]}`, 0, errs.Invalid, nil)
	f("an unknown status", alertin.ReadAlertmanager, `{"version":"4","alerts":[{"status":"odd","labels":{"a":"b"}}]}`, 0, errs.Invalid, nil)
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`[{"labels":{"alertname":"A"},"startsAt":"2026-11-25T11:00:00Z"}]`))
	f.Add([]byte(`{"version":"4","alerts":[{"status":"resolved","labels":{"a":"b"},"endsAt":"2026-11-25T11:00:00+01:00"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func([]byte, time.Time) ([]*alerts.Record, error){alertin.ReadAPI, alertin.ReadAlertmanager, alertin.ReadGrafana} {
			got, err := read(body, now)
			if err != nil && errs.KindOf(err) != errs.Invalid {
				t.Fatalf("kind %s: %v", errs.KindOf(err), err)
			}
			for _, r := range got {
				b, err := r.Encode()
				if err != nil {
					t.Fatalf("an alert that was taken cannot be kept: %v", err)
				}
				back, err := alerts.Decode(b)
				if err != nil || back.Fingerprint() != r.Fingerprint() {
					t.Fatalf("an alert changed on its way: %v", err)
				}
			}
		}
	})
}
