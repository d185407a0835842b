package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/config"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// ConfigEnv names the variable with the path of the configuration file.
const ConfigEnv = config.EnvPrefix + "CONFIG"

// Flags are the flags of one command: one for each setting, and --config.
type Flags struct {
	file  string
	given map[string]string
}

// flagValue notes the text of one flag; the configuration parses it, so that all sources follow the same rules.
type flagValue struct {
	option config.Option
	given  map[string]string
}

func (f *flagValue) String() string {
	if s, ok := f.given[f.option.Key]; ok {
		return s
	}
	return f.option.Value()
}

func (f *flagValue) Type() string { return f.option.Type() }

// Set checks the text against the option's own form at once, so that the mistake is reported with the flag's name.
func (f *flagValue) Set(text string) error {
	if err := f.option.Set(text); err != nil {
		return err
	}
	f.given[f.option.Key] = text
	return nil
}

// BindFlags gives a command all settings as flags, also for its subcommands.
func BindFlags(cmd *cobra.Command) *Flags {
	f := &Flags{given: map[string]string{}}
	set := cmd.PersistentFlags()
	set.SortFlags = false
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &errs.Error{Kind: errs.Invalid, Err: err, Hint: "`" + cmd.CommandPath() + " --help` lists every flag with its accepted values"}
	})
	set.StringVar(&f.file, "config", "", "YAML file with settings; also "+ConfigEnv)
	c := config.Default()
	for _, o := range c.Options() {
		flag := set.VarPF(&flagValue{option: o, given: f.given}, o.Flag(), "", o.Usage+" ("+o.Env()+")")
		if o.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
	return f
}

// Load reads the configuration from file, environment and the flags given.
func (f *Flags) Load() (config.Config, error) {
	file := f.file
	if file == "" {
		file = os.Getenv(ConfigEnv)
	}
	return config.Load(config.Sources{File: file, Env: os.Environ(), Flags: f.given})
}

// Execute runs a command until a signal stops it, prints its error with the hint, and returns the exit status. A second signal ends
// the process at once.
func Execute(cmd *cobra.Command) int {
	ctx, stop := app.OnSignal(context.Background(), func(os.Signal) {
		fmt.Fprintln(os.Stderr, "second signal: ending without an orderly stop")
		os.Exit(130)
	})
	defer stop()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var status ExitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	PrintError(os.Stderr, cmd.Name(), err)
	return 1
}

// ExitStatus is an error that has already been told to the user and only sets the exit status.
type ExitStatus int

// Error returns the status as text.
func (s ExitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// PrintError prints an error for a person: what went wrong, and what to do.
func PrintError(w io.Writer, name string, err error) {
	fmt.Fprintf(w, "%s: %v\n", name, err)
	if hint := errs.HintOf(err); hint != "" {
		fmt.Fprintf(w, "  → %s\n", hint)
	}
}

// RoleCommand is the whole command line of a binary with one role.
func RoleCommand(role Role) *cobra.Command {
	name := "faultline-" + role.Name
	cmd := &cobra.Command{Use: name, Short: role.Short, Args: cobra.NoArgs, Version: app.BuildInfo().String()}
	flags := BindFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return RunRole(cmd, flags, role, Remote())
	}
	return cmd
}

// RunRole runs one role as a process.
func RunRole(cmd *cobra.Command, flags *Flags, role Role, openers Openers) error {
	cfg, err := flags.Load()
	if err != nil {
		return err
	}
	p := Process{Name: "faultline-" + role.Name, Roles: []Role{role}, Openers: openers, Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()}
	return p.Run(cmd.Context(), cfg)
}
