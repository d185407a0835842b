// Package doctor checks whether Faultline can run on this machine with this configuration, and says what to do where it cannot. It
// changes nothing: what it writes for a measurement it removes.
package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// State is the outcome of a check.
type State string

// The states. Warn works, but not as well as it should; Fail does not work.
const (
	OK   State = "ok"
	Warn State = "warn"
	Fail State = "fail"
)

// Item is the result of one check.
type Item struct {
	Check  string `json:"check"`
	State  State  `json:"state"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// Report is the result of all checks.
type Report struct {
	Items []Item `json:"items"`
}

// Deps is what code passes in.
type Deps struct {
	// ProbeEngine finds the engine library, loads it and returns its path. It is passed in because only the all-in-one links the engine.
	ProbeEngine func(ctx context.Context, cfg config.Config) (string, error)
}

// Run makes all checks. It takes a few seconds, most of them for the disk.
func Run(ctx context.Context, cfg config.Config, deps Deps) Report {
	var r Report
	running := r.dataDir(cfg)
	r.add(diskSpace(cfg))
	r.add(diskSpeed(cfg.DataDir))
	r.ports(ctx, cfg, running)
	r.engine(ctx, cfg, deps)
	r.backend(ctx, cfg, "nats_url", cfg.NATS.URL, "4222")
	r.backend(ctx, cfg, "clickhouse_url", cfg.ClickHouse.URL, "9000")
	r.add(clock())
	r.add(memory(cfg))
	r.add(files())
	if cfg.Agent.Enabled {
		r.add(logs(cfg))
	}
	return r
}

// add appends a result.
func (r *Report) add(i Item) { r.Items = append(r.Items, i) }

// addErr appends a failure, with the error's own hint.
func (r *Report) addErr(check string, err error) {
	r.add(Item{Check: check, State: Fail, Detail: err.Error(), Hint: errs.HintOf(err)})
}

// Failed reports whether something does not work.
func (r Report) Failed() bool { return r.count(Fail) > 0 }

// count returns how many checks have a state.
func (r Report) count(s State) int {
	n := 0
	for _, i := range r.Items {
		if i.State == s {
			n++
		}
	}
	return n
}

// WriteText writes the report for people.
func (r Report) WriteText(w io.Writer) error {
	marks := map[State]string{OK: "✓", Warn: "!", Fail: "✗"}
	var b strings.Builder
	for _, i := range r.Items {
		fmt.Fprintf(&b, "%s %-12s %s\n", marks[i.State], i.Check, i.Detail)
		if i.Hint != "" && i.State != OK {
			fmt.Fprintf(&b, "  → %s\n", i.Hint)
		}
	}
	switch fails, warns := r.count(Fail), r.count(Warn); {
	case fails > 0:
		fmt.Fprintf(&b, "\n%d of %d checks failed.\n", fails, len(r.Items))
	case warns > 0:
		fmt.Fprintf(&b, "\nFaultline can run here; %d of %d checks have a remark.\n", warns, len(r.Items))
	default:
		fmt.Fprintf(&b, "\nAll %d checks passed.\n", len(r.Items))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON writes the report for machines.
func (r Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Report
		Failed int `json:"failed"`
		Warned int `json:"warned"`
	}{r, r.count(Fail), r.count(Warn)})
}
