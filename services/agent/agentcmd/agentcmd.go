// Package agentcmd is the command line of the agent: configuration file, environment and flags, in rising order of weight. The role
// binary runs it as its whole command, `faultline agent` as one of its commands.
package agentcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/faultline-io/faultline/services/agent"
	"github.com/faultline-io/faultline/services/internal/errs"
)

const (
	// memoryLimit is where the collector of garbage starts to work hard; the agent's budget is 50 MB of resident memory.
	memoryLimit = 36 << 20
	// gcPercent trades a little processor time, of which the agent uses next to none, for memory.
	gcPercent = 50
	// maxConfigBytes refuses what cannot be a configuration.
	maxConfigBytes = 1 << 20
)

// option is one setting by its name in the file. set takes the text of a flag or a variable.
type option struct {
	name, usage string
	list        bool
	set         func(c *agent.Config, value string) error
}

func text(p func(*agent.Config) *string) func(*agent.Config, string) error {
	return func(c *agent.Config, v string) error { *p(c) = v; return nil }
}

func duration(p func(*agent.Config) *time.Duration) func(*agent.Config, string) error {
	return func(c *agent.Config, v string) (err error) { *p(c), err = time.ParseDuration(v); return err }
}

func number(p func(*agent.Config) *int) func(*agent.Config, string) error {
	return func(c *agent.Config, v string) (err error) { *p(c), err = strconv.Atoi(v); return err }
}

func size(p func(*agent.Config) *int64) func(*agent.Config, string) error {
	return func(c *agent.Config, v string) (err error) { *p(c), err = parseSize(v); return err }
}

func boolean(p func(*agent.Config) *bool) func(*agent.Config, string) error {
	return func(c *agent.Config, v string) (err error) { *p(c), err = strconv.ParseBool(v); return err }
}

// options lists every setting; each has a flag --name and a variable FAULTLINE_AGENT_NAME.
func options() []option {
	return []option{
		{"endpoint", "base address of the OTLP/HTTP receiver", false, text(func(c *agent.Config) *string { return &c.Endpoint })},
		{"key", "ingest key; loopback needs none", false, func(c *agent.Config, v string) error { c.Key = agent.Secret(v); return nil }},
		{"ca-file", "PEM file of certificates to trust besides the system's", false, text(func(c *agent.Config) *string { return &c.CAFile })},
		{"interval", "pause between two collections", false, duration(func(c *agent.Config) *time.Duration { return &c.Interval })},
		{"process-interval", "pause between two reports of the top processes", false, duration(func(c *agent.Config) *time.Duration { return &c.ProcessInterval })},
		{"top-processes", "how many processes to report by CPU, and as many by memory", false, number(func(c *agent.Config) *int { return &c.TopProcesses })},
		{"state-dir", "folder of the spool and of what must survive a restart", false, text(func(c *agent.Config) *string { return &c.StateDir })},
		{"spool-max-bytes", "bound of the spool, such as 256MiB", false, size(func(c *agent.Config) *int64 { return &c.SpoolMaxBytes })},
		{"compression", "zstd, gzip or none", false, text(func(c *agent.Config) *string { return &c.Compression })},
		{"host-id", "id of this host instead of the machine's own", false, text(func(c *agent.Config) *string { return &c.HostID })},
		{"journald", "read systemd's journal where there is one", false, boolean(func(c *agent.Config) *bool { return &c.Journald })},
		{"container-logs", "read the logs of Docker and of Kubernetes' pods where there are any", false, boolean(func(c *agent.Config) *bool { return &c.ContainerLogs })},
		{"look-back-bytes", "how much of the end of each log file a first start sends", false, size(func(c *agent.Config) *int64 { return &c.LookBack })},
		{"max-log-files", "how many log files to follow at once", false, number(func(c *agent.Config) *int { return &c.MaxLogFiles })},
		{"log-file", "glob of log files to follow, instead of the default ones; may be given more than once", true,
			func(c *agent.Config, v string) error { c.LogFiles = append(c.LogFiles, v); return nil }},
		{"exclude", "glob of log files to leave out, besides the default ones; may be given more than once", true,
			func(c *agent.Config, v string) error { c.Exclude = append(c.Exclude, v); return nil }},
		{"tag", "attribute name=value to put on everything; may be given more than once", true, setTag},
		{"proc-path", "mount point of the host's /proc", false, text(func(c *agent.Config) *string { return &c.ProcPath })},
		{"sys-path", "mount point of the host's /sys", false, text(func(c *agent.Config) *string { return &c.SysPath })},
		{"root-path", "mount point of the host's root file system", false, text(func(c *agent.Config) *string { return &c.RootPath })},
	}
}

func setTag(c *agent.Config, v string) error {
	name, value, ok := strings.Cut(v, "=")
	if !ok || name == "" {
		return errs.New(errs.Invalid, "%q is not name=value", v)
	}
	if c.Tags == nil {
		c.Tags = map[string]string{}
	}
	c.Tags[name] = value
	return nil
}

// parseSize parses bytes with an optional unit.
func parseSize(v string) (int64, error) {
	s := strings.TrimSpace(v)
	factor := int64(1)
	for _, u := range []struct {
		unit   string
		factor int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(s, u.unit); ok {
			s, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/factor {
		return 0, errs.New(errs.Invalid, "%q is no size such as 256MiB", v)
	}
	return n * factor, nil
}

func envName(option string) string {
	return "FAULTLINE_AGENT_" + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
}

// Command returns the agent's command. version is what --version and the inventory say.
func Command(version string) *cobra.Command {
	opts := options()
	texts := map[string]*string{}
	lists := map[string]*[]string{}
	var configFile, logLevel string
	var once bool
	cmd := &cobra.Command{
		Use:   "faultline-agent",
		Short: "Send this host's metrics, logs and inventory to Faultline",
		Long: "The agent reads the host's metrics and logs and delivers them over OTLP/HTTP through a spool on disk.\n" +
			"Every flag also has a key in the configuration file (with _ for -) and a variable FAULTLINE_AGENT_…; flags win over variables, those over the file.",
		Example:       "  faultline-agent --once                # what would be sent, as JSON\n  faultline-agent --endpoint https://faultline.example:4318 --key $KEY",
		Args:          cobra.NoArgs,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			changed := func(name string) []string {
				if !cmd.Flags().Changed(name) {
					return nil
				}
				if l := lists[name]; l != nil {
					return *l
				}
				return []string{*texts[name]}
			}
			cfg, err := load(configFile, opts, os.LookupEnv, changed)
			if err != nil {
				return err
			}
			log, err := newLogger(cmd.ErrOrStderr(), logLevel)
			if err != nil {
				return err
			}
			deps := agent.Deps{Log: log, Version: version}
			if once {
				return agent.Once(cmd.Context(), cfg, deps, cmd.OutOrStdout())
			}
			return run(cmd.Context(), cfg, deps)
		},
	}
	f := cmd.Flags()
	f.StringVar(&configFile, "config", os.Getenv(envName("config")), "configuration file (YAML)")
	f.BoolVar(&once, "once", envBool(envName("once")), "collect once, print it as JSON and end; nothing is sent")
	f.StringVar(&logLevel, "log-level", envOr(envName("log-level"), "info"), "debug, info, warn or error")
	for _, o := range opts {
		usage := o.usage + " (" + envName(o.name) + ")"
		if o.list {
			lists[o.name] = f.StringArray(o.name, nil, usage)
		} else {
			texts[o.name] = f.String(o.name, "", usage)
		}
	}
	return cmd
}

// run is the agent as a process of its own, which may tune the runtime for little memory.
func run(ctx context.Context, cfg agent.Config, deps agent.Deps) error {
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(gcPercent)
	runtime.GOMAXPROCS(min(runtime.GOMAXPROCS(0), 2)) // one to collect, one to ship: more only spread the heap
	a, err := agent.New(cfg, deps)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

func envOr(name, def string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return def
}

func envBool(name string) bool {
	v, err := strconv.ParseBool(os.Getenv(name))
	return err == nil && v
}

// load builds the configuration: the defaults, the file, the environment, the flags.
func load(file string, opts []option, lookupEnv func(string) (string, bool), flag func(name string) []string) (agent.Config, error) {
	cfg := agent.Default()
	if file != "" {
		if err := loadFile(&cfg, file); err != nil {
			return cfg, err
		}
	}
	for _, o := range opts {
		values, from := flag(o.name), "--"+o.name
		if v, ok := lookupEnv(envName(o.name)); ok && values == nil {
			values, from = []string{v}, envName(o.name)
			if o.list {
				values = strings.FieldsFunc(v, func(r rune) bool { return r == ',' })
			}
		}
		if len(values) > 0 && o.name == "log-file" {
			cfg.LogFiles = nil
		}
		for _, v := range values {
			if err := o.set(&cfg, v); err != nil {
				return cfg, errs.WithHint(errs.Invalid, "see faultline-agent --help", "%s: %v", from, err)
			}
		}
	}
	return cfg, cfg.Validate()
}

// loadFile reads the YAML file over cfg; unknown keys are errors, as they are typing mistakes.
func loadFile(cfg *agent.Config, file string) error {
	fi, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return errs.WithHint(errs.NotFound, "leave --config out to run with the defaults", "configuration file %q does not exist", file)
	}
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if fi.Size() > maxConfigBytes {
		return errs.New(errs.Invalid, "configuration file %q has %d bytes", file, fi.Size())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(cfg); err != nil && !errors.Is(err, io.EOF) {
		return errs.New(errs.Invalid, "configuration file %q: %w", file, err)
	}
	return nil
}

func newLogger(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, errs.New(errs.Invalid, "--log-level: %q is none of debug, info, warn, error", level)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l})), nil
}
