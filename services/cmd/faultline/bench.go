package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// suites are the quality suites by name: each reads a folder of a public set and returns rows for the table.
var suites = map[string]func(dir string) ([]quality.TemplateScore, error){
	"templates": func(dir string) ([]quality.TemplateScore, error) {
		cases, err := adapters.Loghub(dir)
		if err != nil {
			return nil, &errs.Error{Kind: errs.NotFound, Err: err, Hint: "Loghub-2k with corrected labels: github.com/logpai/loghub-2.0, folder 2k_dataset"}
		}
		var out []quality.TemplateScore
		for _, c := range cases {
			out = append(out, quality.Templates(c))
		}
		return out, nil
	},
}

// benchCommand measures the quality of what Faultline finds on public labelled data.
func benchCommand() *cobra.Command {
	bench := &cobra.Command{Use: "bench", Short: "Measure quality on public labelled data", Args: cobra.NoArgs}
	var suite, dir string
	var asJSON bool
	brain := &cobra.Command{
		Use: "brain", Short: "Score the brain: log templates so far", Args: cobra.NoArgs,
		Long: "Runs the product's own code over a labelled public set and prints the usual measures. The set is not part of Faultline; docs/quality.md says where each comes from.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			run, ok := suites[suite]
			if !ok {
				return errs.WithHint(errs.Invalid, "suites: "+strings.Join(suiteNames(), ", "), "there is no suite %q", suite)
			}
			scores, err := run(dir)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(scores)
			}
			return printScores(cmd.OutOrStdout(), scores)
		},
	}
	brain.Flags().StringVar(&suite, "suite", "templates", "what to measure: "+strings.Join(suiteNames(), ", "))
	brain.Flags().StringVar(&dir, "data", ".", "folder with the labelled data")
	brain.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	bench.AddCommand(brain)
	return bench
}

func suiteNames() []string {
	var out []string
	for n := range suites {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

func printScores(w io.Writer, scores []quality.TemplateScore) error {
	var ga, fga float64
	fmt.Fprintf(w, "%-14s %7s %6s %6s %6s %6s %12s\n", "system", "lines", "GA", "FGA", "found", "true", "lines/s/core")
	for _, s := range scores {
		fmt.Fprintf(w, "%-14s %7d %6.3f %6.3f %6d %6d %12.0f\n", s.Name, s.Lines, s.GA, s.FGA, s.Found, s.True, s.LinesPerSec)
		ga, fga = ga+s.GA, fga+s.FGA
	}
	n := float64(len(scores))
	_, err := fmt.Fprintf(w, "%-14s %7s %6.3f %6.3f\n", "mean", "", ga/n, fga/n)
	return err
}
