package paging

import (
	"testing"

	"github.com/faultline-io/faultline/services/internal/errs"
)

type key struct {
	TimeNS int64  `json:"t"`
	ID     uint64 `json:"i"`
}

func TestCursorRoundTrip(t *testing.T) {
	want := key{TimeNS: 1795435200123456789, ID: 1<<63 + 5}
	filter := FilterHash("error", "now-1h")
	c, err := Encode(filter, want)
	if err != nil {
		t.Fatal(err)
	}
	got, ok, err := Decode[key](c, filter)
	if err != nil || !ok || got != want {
		t.Errorf("Decode = %+v, %v, %v; want %+v", got, ok, err, want)
	}
	if _, _, err := Decode[key](c, FilterHash("errors", "now-1h")); errs.KindOf(err) != errs.Invalid {
		t.Errorf("changed filter: %v, want an invalid one", err)
	}
}

func TestFirstPageHasNoCursor(t *testing.T) {
	if _, ok, err := Decode[key]("", "f"); ok || err != nil {
		t.Errorf("Decode(\"\") = %v, %v", ok, err)
	}
}

func TestFilterHashSeparates(t *testing.T) {
	if FilterHash("ab", "c") == FilterHash("a", "bc") {
		t.Error("two filter lists share a hash")
	}
}

func TestLimit(t *testing.T) {
	for asked, want := range map[int]int{0: 50, -3: 50, 7: 7, 500: 500, 501: 500} {
		if got := Limit(asked); got != want {
			t.Errorf("Limit(%d) = %d, want %d", asked, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	c, _ := Encode("f", key{1, 2})
	f.Add(c)
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		if _, _, err := Decode[key](s, "f"); err != nil && errs.KindOf(err) != errs.Invalid {
			t.Errorf("Decode(%q): %v", s, err)
		}
	})
}
