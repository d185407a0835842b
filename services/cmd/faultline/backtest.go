package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/internal/backtests"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// backtestAsk is the body of the request.
type backtestAsk struct {
	From        string  `json:"from"`
	To          string  `json:"to,omitempty"`
	Warmup      string  `json:"warmup,omitempty"`
	Sensitivity float64 `json:"sensitivity,omitempty"`
}

// backtestCommand asks a running server what the brain would have found in a stored range.
func backtestCommand(flags *launch.Flags) *cobra.Command {
	var ask backtestAsk
	var client apiClient
	var asJSON bool
	cmd := &cobra.Command{
		Use: "backtest", Short: "Replay a stored range through the brain", Args: cobra.NoArgs,
		Long: "Replays stored telemetry through the same brain that runs live, much faster than real time, and shows the incidents and pages that\n" +
			"there would have been. Nothing of it is stored but the answer.",
		Example: "  faultline backtest --from now-24h\n  faultline backtest --from 2026-11-20T00:00:00Z --to 2026-11-21T00:00:00Z --sensitivity 2",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.Load()
			if err != nil {
				return err
			}
			if err := client.open(cfg); err != nil {
				return err
			}
			t, err := runBacktest(cmd.Context(), &client, ask, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(t)
			}
			return printBacktest(cmd.OutOrStdout(), t)
		},
	}
	f := cmd.Flags()
	f.StringVar(&ask.From, "from", "now-24h", "start of the range: RFC 3339, Unix seconds or now-24h")
	f.StringVar(&ask.To, "to", "", "end of the range; now when empty")
	f.StringVar(&ask.Warmup, "warmup", "6h", "time before the range that is replayed to learn from")
	f.Float64Var(&ask.Sensitivity, "sensitivity", 1, "1 is as live, 2 finds about twice as many")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	client.flags(f)
	return cmd
}

// backtestPoll is the pause between two looks at how far it is.
const backtestPoll = 500 * time.Millisecond

func runBacktest(ctx context.Context, c *apiClient, ask backtestAsk, progress io.Writer) (*backtests.Test, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	var t backtests.Test
	if err := c.do(ctx, http.MethodPost, "/api/v1/backtests", bytes.NewReader(body), &t); err != nil {
		return nil, err
	}
	tick := time.NewTicker(backtestPoll)
	defer tick.Stop()
	for t.State == backtests.Queued || t.State == backtests.Running {
		fmt.Fprintf(progress, "\r%s: %3.0f %%  ", t.State, 100*t.Progress)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		if err := c.do(ctx, http.MethodGet, "/api/v1/backtests/"+t.ID, nil, &t); err != nil {
			return nil, err
		}
	}
	fmt.Fprint(progress, "\r                    \r")
	if t.State == backtests.Failed {
		return nil, errs.New(errs.Internal, "the backtest failed: %s", t.Error)
	}
	return &t, nil
}

func printBacktest(w io.Writer, t *backtests.Test) error {
	r := t.Result
	fmt.Fprintf(w, "%s to %s: %d series, %d samples in %s, %.0f times as fast as it happened\n", t.From.Format(time.RFC3339), t.To.Format(time.RFC3339), r.Series, r.Samples, r.Took.Round(time.Millisecond), r.Speed)
	fmt.Fprintf(w, "%d incidents, %d of them would have paged\n", r.IncidentCount, r.Pages)
	for _, d := range slices.Sorted(maps.Keys(r.Findings)) {
		fmt.Fprintf(w, "  %-24s %d findings\n", d, r.Findings[d])
	}
	if len(r.Incidents) == 0 {
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\ndetected\tseverity\tpages\tfor\tincident\tcause")
	for i := range r.Incidents {
		in := &r.Incidents[i]
		end := t.To
		if in.End != nil {
			end = *in.End
		} else if in.Quiet != nil {
			end = *in.Quiet
		}
		pages, cause := "", "unknown"
		if in.Paged != nil {
			pages = "yes"
		}
		if len(in.Verdict.Candidates) > 0 {
			cause = in.Verdict.Candidates[0].Why
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", in.Detected.Format("01-02 15:04:05"), in.Severity, pages, end.Sub(in.Start).Round(time.Second), in.Title, strings.TrimSpace(cause))
	}
	return tw.Flush()
}
