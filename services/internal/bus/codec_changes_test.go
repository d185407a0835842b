package bus

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

func fullChanges() *model.Changes {
	return &model.Changes{Changes: []model.Change{
		{ID: "a", TimeNS: 1795132800000000001, EndNS: 1795132800000000002, Kind: "deploy", Title: "Deploy", Text: "more\nlines", Status: "success", Service: "shop", Host: "web-1",
			Environment: "prod", Version: "2", PreviousVersion: "1", Actor: "ann", URL: "https://x", Source: "github", Attributes: []model.Label{{Name: "k", Value: "v"}}},
		{ID: "b", TimeNS: 1, Kind: "event"},
	}}
}

func TestChangesRoundTrip(t *testing.T) {
	for _, in := range []*model.Changes{{}, fullChanges()} {
		data, err := EncodeChanges(in)
		if err != nil {
			t.Fatal(err)
		}
		var out model.Changes
		if err := DecodeChanges(data, &out); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(in, &out, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("round trip differs (-in +out):\n%s", d)
		}
	}
}

func TestChangesRefuses(t *testing.T) {
	for name, change := range map[string]func(*model.Changes){
		"id":       func(c *model.Changes) { c.Changes[0].ID = "" },
		"time":     func(c *model.Changes) { c.Changes[0].TimeNS = 0 },
		"end":      func(c *model.Changes) { c.Changes[0].EndNS = 5 },
		"too many": func(c *model.Changes) { c.Changes = make([]model.Change, maxChanges+1) },
	} {
		c := fullChanges()
		change(c)
		if _, err := EncodeChanges(c); errs.KindOf(err) != errs.Invalid {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
}

func FuzzDecodeChanges(f *testing.F) {
	data, err := EncodeChanges(fullChanges())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{1, 0, 0x0a, 0x02, 0x0a, 0x00})
	f.Fuzz(func(t *testing.T, data []byte) {
		var c model.Changes
		err := DecodeChanges(data, &c)
		if err != nil {
			if errs.KindOf(err) != errs.Invalid {
				t.Fatalf("error of kind %s: %v", errs.KindOf(err), err)
			}
			return
		}
		if _, err := EncodeChanges(&c); err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
	})
}
