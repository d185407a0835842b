package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/gateway/pipeline"
	"github.com/faultline-io/faultline/services/gateway/pipeline/dryrun"
)

// pipelineCommand checks a pipeline's file and tries it out. Its --config is that file, not the one with the settings.
func pipelineCommand(flags *launch.Flags) *cobra.Command {
	cmd := &cobra.Command{Use: "pipeline", Short: "Check and try what is done to telemetry on its way"}
	file := ""
	cmd.PersistentFlags().StringVar(&file, "config", "", "the pipeline's file (docs/pipeline.md); without it that of the setting pipeline")
	path := func() (string, error) {
		if file != "" {
			return file, nil
		}
		cfg, err := flags.Load()
		return cfg.Pipeline, err
	}
	check := &cobra.Command{
		Use: "check", Short: "Say whether a pipeline's file can be used, and what its stages are", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := path()
			if err != nil {
				return err
			}
			t, err := pipeline.NewTrial(file, pipeline.Sender{}, time.Now)
			if err != nil {
				return err
			}
			defer t.Close()
			for i, s := range t.Stages() {
				fmt.Fprintf(cmd.OutOrStdout(), "%d. %s (%s)\n", i+1, s.Stage, s.Kind)
			}
			return nil
		},
	}
	o := dryrun.Options{}
	color := ""
	test := &cobra.Command{
		Use: "test", Short: "Show what a pipeline makes of the lines on standard input", Args: cobra.NoArgs,
		Long: "Show what a pipeline makes of the lines on standard input: what came out, by which stage, counts and time.\n\n" +
			"A line is a log line, the name of a span, or a series such as name{label=\"value\"} 1. What every item has besides is given with --sample; a line\n" +
			"that is a JSON object with body (or name) and other keys of a sample is an item with those.",
		Example: "  faultline pipeline test --config pipeline.yaml --sample '{\"resource\":{\"service.name\":\"shop\"}}' < access.log",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.File, err = path(); err != nil {
				return err
			}
			o.Color = color == "always" || color == "auto" && terminal(os.Stdout) && os.Getenv("NO_COLOR") == ""
			return dryrun.Run(cmd.InOrStdin(), cmd.OutOrStdout(), o, time.Now)
		},
	}
	f := test.Flags()
	f.StringVar(&o.Signal, "signal", "logs", "logs, metrics or spans")
	f.StringVar(&o.Sample, "sample", "", `JSON of what every item has: {"resource":{…},"attributes":{…},"severity":"info","source":"…","protocol":"…"}`)
	f.BoolVar(&o.JSON, "json", false, "print JSON, one object a line, with a summary at the end")
	f.BoolVar(&o.Quiet, "quiet", false, "print the summary alone")
	f.StringVar(&color, "color", "auto", "auto, always or never")
	cmd.AddCommand(check, test)
	return cmd
}

// terminal reports whether a person reads f.
func terminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
