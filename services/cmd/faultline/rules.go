package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/responder/rulefile"
)

// rulesCommand works on rule files without a server.
func rulesCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rules", Short: "Work on files of alerting and recording rules"}
	cmd.AddCommand(&cobra.Command{
		Use: "check FILE…", Short: "Check rule files; patterns in quotes work too", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return checkRules(cmd, args) },
	})
	return cmd
}

// checkRules prints what each file has, or its mistakes. Its exit status is 1 if there are any.
func checkRules(cmd *cobra.Command, patterns []string) error {
	failed := false
	for _, p := range patterns {
		files, err := rulefile.Find([]string{p})
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return errs.New(errs.NotFound, "no file is named %s", p)
		}
		for _, f := range files {
			sum, mistakes := rulefile.Check(f, rulefile.Parser())
			for _, m := range mistakes {
				fmt.Fprintln(cmd.ErrOrStderr(), m)
				failed = true
			}
			if len(mistakes) == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d groups, %d alerting rules, %d recording rules\n", f, sum.Groups, sum.Alerting, sum.Recording)
			}
		}
	}
	if failed {
		return launch.ExitStatus(1)
	}
	return nil
}
