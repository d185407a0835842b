package agent

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Secret is a string that no log and no dump shows.
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return "***" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "***" }

// MarshalJSON implements json.Marshaler.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"***"`), nil }

// MarshalYAML implements yaml.Marshaler.
func (Secret) MarshalYAML() (any, error) { return "***", nil }

// Config is what a user may set. Every key has a flag or an environment variable FAULTLINE_AGENT_… of the same name.
type Config struct {
	// Endpoint is the base address of the OTLP/HTTP receiver; Key the ingest key, which loopback does not need.
	Endpoint string `yaml:"endpoint"`
	Key      Secret `yaml:"key"`
	// CAFile is a PEM file of certificates to trust besides the system's.
	CAFile string `yaml:"ca_file"`
	// Interval is the pause between two collections; ProcessInterval that between two reports of the top
	// processes, which come with a collection and so are never more frequent.
	Interval        time.Duration `yaml:"interval"`
	ProcessInterval time.Duration `yaml:"process_interval"`
	// TopProcesses is how many processes to report by CPU, and as many by memory; 0 reports none.
	TopProcesses int `yaml:"top_processes"`
	// LogFiles and Exclude are globs with ** for any number of folders. An exclude pattern without a slash is for the file name alone.
	LogFiles []string `yaml:"log_files"`
	Exclude  []string `yaml:"exclude"`
	// Journald and ContainerLogs switch these sources on where the host has them.
	Journald      bool `yaml:"journald"`
	ContainerLogs bool `yaml:"container_logs"`
	// MaxLogFiles bounds the files followed at once; LookBack is how much of a file's end a first start sends.
	MaxLogFiles int   `yaml:"max_log_files"`
	LookBack    int64 `yaml:"look_back_bytes"`
	// StateDir holds the spool and what must survive a restart.
	StateDir string `yaml:"state_dir"`
	// SpoolMaxBytes bounds the spool: a quarter is for metrics, the rest for logs.
	SpoolMaxBytes int64 `yaml:"spool_max_bytes"`
	// Compression is zstd, gzip or none.
	Compression string `yaml:"compression"`
	// HostID overrides the machine's id; Tags are resource attributes put on everything.
	HostID string            `yaml:"host_id"`
	Tags   map[string]string `yaml:"tags"`
	// ProcPath, SysPath and RootPath are where the host's file systems are mounted, for an agent in a container.
	ProcPath string `yaml:"proc_path"`
	SysPath  string `yaml:"sys_path"`
	RootPath string `yaml:"root_path"`
}

// DefaultStateDir returns where the agent keeps its state when it runs as a service.
func DefaultStateDir() string {
	switch runtime.GOOS {
	case "windows":
		return `C:\ProgramData\faultline-agent`
	case "darwin":
		return "/usr/local/var/faultline-agent"
	}
	return "/var/lib/faultline-agent"
}

// Default returns the configuration of an agent beside a gateway on the same host.
func Default() Config {
	return Config{
		Endpoint: "http://127.0.0.1:4318", Interval: 10 * time.Second, ProcessInterval: 30 * time.Second, TopProcesses: 50,
		LogFiles: []string{"/var/log/*.log", "/var/log/**/*.log", "/var/log/syslog", "/var/log/messages", "/var/log/secure", "/var/log/maillog", "/var/log/cron"},
		Exclude: []string{"*.gz", "*.xz", "*.bz2", "*.zst", "*.[0-9]", "*.[0-9][0-9]", "*.old", "*-20[0-9][0-9][01][0-9][0-3][0-9]*",
			"/var/log/journal/**", "/var/log/containers/**", "/var/log/pods/**", "/var/log/installer/**"},
		Journald: runtime.GOOS == "linux", ContainerLogs: runtime.GOOS == "linux",
		MaxLogFiles: 500, LookBack: 64 << 10,
		StateDir: DefaultStateDir(), SpoolMaxBytes: 256 << 20, Compression: "zstd",
		ProcPath: "/proc", SysPath: "/sys", RootPath: "/",
	}
}

// journaldCopies are the files in which rsyslog writes what the journal has too.
var journaldCopies = [...]string{"/var/log/syslog", "/var/log/messages", "/var/log/auth.log", "/var/log/secure", "/var/log/kern.log",
	"/var/log/daemon.log", "/var/log/user.log", "/var/log/cron.log", "/var/log/cron", "/var/log/mail.log", "/var/log/maillog", "/var/log/debug"}

// minInterval keeps a typo from turning the agent into a load.
const minInterval = time.Second

// minSpool is room for a few batches of each signal.
const minSpool = 4 << 20

// Validate names the first key with a value that does not work, and what does.
func (c *Config) Validate() error {
	bad := func(key, format string, args ...any) error {
		return errs.WithHint(errs.Invalid, "see faultline-agent --help or the configuration file", "%s: %s", key, fmt.Sprintf(format, args...))
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return bad("endpoint", "%q is no address such as http://127.0.0.1:4318", c.Endpoint)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return bad("endpoint", "%q has a query or a fragment; give the base address only", c.Endpoint)
	}
	if c.Interval < minInterval {
		return bad("interval", "%s is shorter than %s", c.Interval, minInterval)
	}
	if c.ProcessInterval <= 0 {
		return bad("process_interval", "%s is not positive", c.ProcessInterval)
	}
	if c.TopProcesses < 0 || c.TopProcesses > 1000 {
		return bad("top_processes", "%d is not between 0 and 1000", c.TopProcesses)
	}
	if c.MaxLogFiles < 1 || c.MaxLogFiles > 10000 {
		return bad("max_log_files", "%d is not between 1 and 10000", c.MaxLogFiles)
	}
	if c.LookBack < 0 {
		return bad("look_back_bytes", "%d is negative", c.LookBack)
	}
	if c.SpoolMaxBytes < minSpool {
		return bad("spool_max_bytes", "%d is less than %d", c.SpoolMaxBytes, minSpool)
	}
	switch c.Compression {
	case "zstd", "gzip", "none":
	default:
		return bad("compression", "%q is none of zstd, gzip, none", c.Compression)
	}
	if c.StateDir == "" {
		return bad("state_dir", "it is empty")
	}
	return c.validatePatterns(bad)
}

func (c *Config) validatePatterns(bad func(key, format string, args ...any) error) error {
	for _, p := range c.LogFiles {
		if !filepath.IsAbs(p) && !path.IsAbs(p) {
			return bad("log_files", "%q is no absolute path", p)
		}
	}
	for key, list := range map[string][]string{"log_files": c.LogFiles, "exclude": c.Exclude} {
		for _, p := range list {
			if _, err := path.Match(strings.ReplaceAll(p, "**", "*"), ""); err != nil {
				return bad(key, "%q is no glob: %v", p, err)
			}
		}
	}
	return nil
}
