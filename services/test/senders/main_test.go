//go:build linux

package senders

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/test/rig"
)

// rootEnv names the variable with the folder into which the programs are unpacked. Where it is set, all of them must be there.
const rootEnv = "TEST_SENDERS"

// programs are the programs under test, compiled once.
var programs rig.Binaries

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "faultline-senders-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 1
	if programs, err = rig.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// folders are where Debian has programs, below the root.
var folders = []string{"usr/bin", "usr/sbin", "bin", "sbin", "usr/lib/systemd", "lib/systemd"}

// libraries are where Debian has libraries, below the root.
var libraries = []string{"usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd", "lib/x86_64-linux-gnu/systemd", "usr/lib/syslog-ng", "usr/lib/syslog-ng/3.38"}

// tool is a program of others.
type tool struct {
	path string
	// root is below which its own files are: "/", or where it was unpacked.
	root string
}

// find returns a program; without it the test is skipped.
func find(t *testing.T, name string) tool {
	t.Helper()
	given := os.Getenv(rootEnv)
	for _, root := range []string{given, "/"} {
		if root == "" {
			continue
		}
		for _, f := range folders {
			path := filepath.Join(root, f, name)
			if st, err := os.Stat(path); err == nil && st.Mode()&0o111 != 0 {
				return tool{path, root}
			}
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return tool{path, "/"}
	}
	if given != "" {
		t.Fatalf("%s is neither installed nor in %s, where all senders should be", name, given)
	}
	t.Skipf("%s is not installed; `make test` unpacks it (deploy/ci/senders.sh)", name)
	return tool{}
}

// file returns the path of a file of the tool's packages.
func (x tool) file(parts ...string) string {
	return filepath.Join(append([]string{x.root}, parts...)...)
}

// command prepares a call that finds the tool's own libraries.
func (x tool) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, x.path, args...)
	cmd.Env = rig.Environ()
	if x.root != "/" {
		var dirs []string
		for _, l := range libraries {
			dirs = append(dirs, x.file(l))
		}
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+strings.Join(dirs, ":"))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs a program to its end and returns what it printed.
func (x tool) run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Limit)
	defer cancel()
	cmd := x.command(ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(x.path), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// output keeps what a daemon prints.
type output struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	return len(p), nil
}

// String returns the last of it.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text[max(0, len(o.text)-4000):])
}

// start runs a program until the returned function, or the end of the test, stops it.
func (x tool) start(t *testing.T, args ...string) (stop func()) {
	t.Helper()
	cmd := x.command(context.WithoutCancel(t.Context()), args...)
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Error(err)
			}
			select {
			case <-done:
			case <-time.After(rig.Limit):
				t.Errorf("%s does not stop", filepath.Base(x.path))
				_ = cmd.Process.Kill()
				<-done
			}
			if t.Failed() {
				t.Logf("%s says:\n%s", filepath.Base(x.path), out)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// server is the server that all send to, with every receiver on a port of its own.
type server struct {
	*rig.Server
	syslog, syslogTLS, elastic, graphite, statsd string
	// target is where the server's scraper expects a Prometheus.
	target string
}

// startServer starts one; secure turns TLS on and has what needs it.
func startServer(t *testing.T, secure bool) *server {
	t.Helper()
	s := &server{syslog: address(t), syslogTLS: address(t), elastic: address(t), graphite: address(t), statsd: address(t), target: address(t)}
	scrape := filepath.Join(t.TempDir(), "scrape.yml")
	writeFile(t, scrape, `
scrape_configs:
- job_name: scraped
  scrape_interval: 1s
  static_configs: [{targets: ['`+s.target+`'], labels: {env: test}}]
`)
	args := []string{"--receivers-syslog-addr", s.syslog, "--receivers-elastic-addr", s.elastic, "--receivers-graphite-addr", s.graphite, "--receivers-statsd-addr", s.statsd, "--scrape-config", scrape}
	if secure {
		args = append(args, "--receivers-syslog-tls-addr", s.syslogTLS)
	}
	s.Server = rig.New(t, programs, filepath.Join(t.TempDir(), "data"), args...)
	if secure {
		s.Secure()
	}
	s.Start(t)
	return s
}

// address returns an address on loopback that was free a moment ago.
func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// shortDir returns a folder whose name is short enough for a socket in it.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "fl-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// line is a log record with all that is stored of it.
type line struct {
	Time       string            `json:"time"`
	Service    string            `json:"service"`
	Host       string            `json:"host"`
	Severity   uint8             `json:"severity"`
	Body       string            `json:"body"`
	Attributes map[string]string `json:"attributes"`
	Resource   map[string]string `json:"resource"`
	Trace      string            `json:"trace"`
}

// logs waits until n records have a body with this text, and returns them in order of time.
func (s *server) logs(t *testing.T, text string, n int) []line {
	t.Helper()
	query := `SELECT base64Encode(toJSONString(CAST((toString(toUnixTimestamp64Nano(ts)), service, host, severity, body, attributes, r.attributes, lower(hex(trace_id))),
		'Tuple(time String, service String, host String, severity UInt8, body String, attributes Map(String, String), resource Map(String, String), trace String)')))
		FROM logs AS l LEFT JOIN (SELECT resource_id, anyLast(attributes) AS attributes FROM resources GROUP BY resource_id) AS r ON l.resource_id = r.resource_id
		WHERE position(body, '` + text + `') > 0 ORDER BY ts`
	var out []line
	rig.Eventually(t, fmt.Sprintf("%d records with %q", n, text), func() (bool, string) {
		rows, err := s.SQL(t, query)
		if err != nil {
			return false, err.Error()
		}
		out = make([]line, len(rows))
		for i, r := range rows {
			b, err := base64.StdEncoding.DecodeString(r[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &out[i]); err != nil {
				t.Fatal(err)
			}
		}
		if len(rows) > n {
			t.Fatalf("%d records with %q, want %d: %+v", len(rows), text, n, out)
		}
		return len(rows) == n, fmt.Sprintf("%d records", len(rows))
	})
	return out
}

// recent fails the test when a record is not of the last minutes.
func (l *line) recent(t *testing.T) {
	t.Helper()
	ns, err := strconv.ParseInt(l.Time, 10, 64)
	if d := time.Since(time.Unix(0, ns)).Abs(); err != nil || d > 5*time.Minute {
		t.Errorf("%s: the time is off by %s (%v)", l.Body, d, err)
	}
}

// series is what a query gives now: labels and value.
type series struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
}

// query waits until an instant query gives n series.
func (s *server) query(t *testing.T, promql string, n int) []series {
	t.Helper()
	var a struct {
		Data struct {
			Result []series `json:"result"`
		} `json:"data"`
	}
	rig.Eventually(t, promql, func() (bool, string) {
		a.Data.Result = nil
		if err := s.JSON(t, "/api/v1/query?query="+escape(promql), &a); err != nil {
			return false, err.Error()
		}
		return len(a.Data.Result) == n, fmt.Sprintf("%d series, want %d: %.500v", len(a.Data.Result), n, a.Data.Result)
	})
	return a.Data.Result
}
