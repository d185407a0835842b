package timeparam

import (
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestParse(t *testing.T) {
	f := func(in string, want time.Time) {
		t.Helper()
		got, err := Parse("start", in, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("Parse(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	f("now", now)
	f("now-1h", now.Add(-time.Hour))
	f("now-1h30m", now.Add(-90*time.Minute))
	f("now-7d", now.AddDate(0, 0, -7))
	f("now+5m", now.Add(5*time.Minute))
	f("2026-11-23T11:00:00Z", now.Add(-time.Hour))
	f("2026-11-23T12:00:00.000000001+01:00", now.Add(-time.Hour+1))
	f("1795435200", time.Unix(1795435200, 0))
	f("1795435200.123", time.Unix(1795435200, 123e6))
	f("0", time.Unix(0, 0))
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{"", "yesterday", "nowish", "now-", "now-x", "1e300", "NaN", "-Inf", "2026-11-23"} {
		if _, err := Parse("start", in, now); errs.KindOf(err) != errs.Invalid {
			t.Errorf("Parse(%q): error %v, want an invalid one", in, err)
		}
	}
}

func TestParseRange(t *testing.T) {
	r, err := ParseRange("", "", now, time.Hour)
	if err != nil || !r.End.Equal(now) || !r.Start.Equal(now.Add(-time.Hour)) {
		t.Errorf("defaults: %v, %v", r, err)
	}
	r, err = ParseRange("", "now-2h", now, time.Hour)
	if err != nil || !r.Start.Equal(now.Add(-3*time.Hour)) {
		t.Errorf("start follows end: %v, %v", r, err)
	}
	if _, err := ParseRange("now", "now-1h", now, time.Hour); errs.KindOf(err) != errs.Invalid {
		t.Errorf("reversed range: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"now-1h", "1795435200.5", "2026-11-23T12:00:00Z", "now-9999999999999d", "1e18"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := Parse("start", s, now); err != nil && errs.KindOf(err) != errs.Invalid {
			t.Errorf("Parse(%q): %v", s, err)
		}
	})
}
