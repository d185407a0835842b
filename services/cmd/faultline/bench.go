package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faultline-io/faultline/services/bench/suite"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// benchCommand measures the quality of what Faultline finds on public labelled data.
func benchCommand() *cobra.Command {
	bench := &cobra.Command{Use: "bench", Short: "Measure quality on public labelled data", Args: cobra.NoArgs}
	var name string
	var asJSON bool
	var o suite.Options
	brain := &cobra.Command{
		Use: "brain", Short: "Score the brain on labelled data", Args: cobra.NoArgs,
		Long: "Runs the product's own code over a labelled public set and prints the usual measures. The sets are not part of Faultline.\n\n" + suiteList(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Progress = func(s string) { fmt.Fprintln(cmd.ErrOrStderr(), s) }
			for _, s := range suite.All() {
				if s.Name != name {
					continue
				}
				r, err := s.Run(cmd.Context(), o)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
				}
				return r.Print(cmd.OutOrStdout())
			}
			return errs.WithHint(errs.Invalid, "suites: "+strings.Join(suiteNames(), ", "), "there is no suite %q", name)
		},
	}
	brain.Flags().StringVar(&name, "suite", "templates", "what to measure: "+strings.Join(suiteNames(), ", "))
	brain.Flags().StringVar(&o.Dir, "data", ".", "folder with the labelled data")
	brain.Flags().BoolVar(&o.Rename, "rename", false, "hide the names of services, metrics and cases, and shift time")
	brain.Flags().BoolVar(&o.NoMetadata, "no-metadata", false, "leave out types and units of metrics")
	brain.Flags().StringVar(&o.Only, "only", "", "cases by name or tag, separated by commas (suite scenarios)")
	brain.Flags().BoolVar(&o.Details, "details", false, "say of each case what was found (suites scenarios, rca, changes, k8s)")
	brain.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = brain.RegisterFlagCompletionFunc("suite", cobra.FixedCompletions(suiteNames(), cobra.ShellCompDirectiveNoFileComp))
	bench.AddCommand(brain)
	return bench
}

func suiteNames() []string {
	var out []string
	for _, s := range suite.All() {
		out = append(out, s.Name)
	}
	return out
}

// suiteList says what there is and where its data can be had.
func suiteList() string {
	var b strings.Builder
	for _, s := range suite.All() {
		fmt.Fprintf(&b, "%-12s %s\n%12s data: %s\n", s.Name, s.Short, "", s.Source)
	}
	return b.String()
}
