package upkeep

import (
	"testing"

	"github.com/faultline-io/faultline/services/internal/store"
)

func TestPickOldest(t *testing.T) {
	f := func(name string, want string, parts ...store.Partition) {
		t.Helper()
		p, ok := pickOldest(parts, 20261123)
		got := ""
		if ok {
			got = p.Table
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	f("nothing", "")
	f("never today", "", store.Partition{Table: "logs", Day: 20261123}, store.Partition{Table: "spans", Day: 20261124})
	f("oldest first", "samples_packed", store.Partition{Table: "logs", Day: 20261122}, store.Partition{Table: "samples_packed", Day: 20261101})
	f("logs before metrics of a day", "logs", store.Partition{Table: "samples_packed", Day: 20261101}, store.Partition{Table: "logs", Day: 20261101})
}
