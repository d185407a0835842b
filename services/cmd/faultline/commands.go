package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/faultline-io/faultline/services/agent/agentcmd"
	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/doctor"
	"github.com/faultline-io/faultline/services/internal/engine"
)

// newCommand returns the command line.
func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "faultline",
		Short: "Find out what broke, why, and what will break next",
		Long: "Faultline turns metrics, logs and traces into a handful of incidents with a named root cause.\n\n" +
			"Without a command it runs everything on this machine: transport, store, gateway, query API with the console, and an agent.\n" +
			"Every flag is also a FAULTLINE_… variable and a key in the file named by --config; a flag wins over a variable, and that over the file.",
		Version: app.BuildInfo().String(),
		Args:    cobra.NoArgs,
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	flags := launch.BindFlags(root)
	root.RunE = func(cmd *cobra.Command, _ []string) error { return runAll(cmd, flags) }
	agent := agentcmd.Command(app.BuildInfo().Version)
	agent.Use = "agent"
	root.AddCommand(versionCommand(), doctorCommand(flags), migrateCommand(flags), explainCommand(flags), rulesCommand(), benchCommand(), pipelineCommand(flags), sqlCommand(flags), incidentsCommand(flags), backtestCommand(flags), agent)
	for _, r := range clusterRoles() {
		root.AddCommand(&cobra.Command{
			Use: r.Name, Short: r.Short + " (a process of its own, for a cluster)", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return launch.RunRole(cmd, flags, r, openers()) },
		})
	}
	return root
}

// versionCommand prints what this binary is.
func versionCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "version", Short: "Print version, commit and platform", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := app.BuildInfo()
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(b)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "faultline", b)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// doctorCommand checks the installation. Its exit status is 1 if something does not work.
func doctorCommand(flags *launch.Flags) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check whether Faultline can run here and say what to do", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.Load()
			if err != nil {
				return err
			}
			report := doctor.Run(cmd.Context(), cfg, doctor.Deps{ProbeEngine: probeEngine})
			if asJSON {
				err = report.WriteJSON(cmd.OutOrStdout())
			} else {
				err = report.WriteText(cmd.OutOrStdout())
			}
			if err == nil && report.Failed() {
				err = launch.ExitStatus(1)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// migrateCommand brings the schema up to date, which a cluster does before its roles start.
func migrateCommand(flags *launch.Flags) *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the schema of the store up to date", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.Load()
			if err != nil {
				return err
			}
			p := launch.Process{Name: processName, Openers: openers(), Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()}
			return p.MigrateOnly(cmd.Context(), cfg)
		},
	}
}

// The engine's names for its users are the launcher's; this does not compile otherwise.
var _ = map[bool]struct{}{false: {}, engine.RoleWriter == launch.RoleWriter && engine.RoleReader == launch.RoleReader && engine.RoleMigrator == launch.RoleMigrator: {}}
