package deploytest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/faultline-io/faultline/services/agent/agentcmd"
	"github.com/faultline-io/faultline/services/internal/config"
)

// root is the root of the repository.
const root = "../../.."

// loadCompose parses docker-compose.yml as `docker compose` does.
func loadCompose(t *testing.T) *types.Project {
	t.Helper()
	opts, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithDiscardEnvFile)
	if err != nil {
		t.Fatal(err)
	}
	p, err := opts.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// oneShot are services that end by themselves; noListener have nothing to ask for health.
var (
	oneShot    = []string{"init", "migrate"}
	noListener = []string{"agent"}
)

func TestComposeServices(t *testing.T) {
	p := loadCompose(t)
	want := []string{"agent", "clickhouse", "correlator", "gateway", "init", "migrate", "nats", "query"}
	if got := p.ServiceNames(); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Fatalf("services %v, want %v", got, want)
	}
	for name, s := range p.Services {
		t.Run(name, func(t *testing.T) { checkService(t, name, &s) })
	}
}

// checkService holds one service against the rules.
func checkService(t *testing.T, name string, s *types.ServiceConfig) {
	if s.Build == nil && !pinned(s.Image) {
		t.Errorf("image %q is not pinned to a version", s.Image)
	}
	if s.Build != nil {
		if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Error(err)
		}
		if b := s.Build.Args["BINARY"]; b != nil {
			if _, err := os.Stat(filepath.Join(root, "services", "cmd", *b, "main.go")); err != nil {
				t.Errorf("BINARY: %v", err)
			}
		}
	}
	if uid, _, _ := strings.Cut(s.User, ":"); uid == "" || uid == "0" || uid == "root" {
		t.Errorf("user %q is root or not said", s.User)
	}
	if s.Privileged || !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || len(s.CapAdd) > 0 || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
		t.Errorf("privileged %v, read_only %v, cap_drop %v, cap_add %v, security_opt %v", s.Privileged, s.ReadOnly, s.CapDrop, s.CapAdd, s.SecurityOpt)
	}
	if !slices.Contains(oneShot, name) {
		if s.Restart == "" {
			t.Error("no restart policy")
		}
		if s.HealthCheck == nil && !slices.Contains(noListener, name) {
			t.Error("no health check")
		}
	}
	for _, p := range s.Ports {
		if p.HostIP != "127.0.0.1" {
			t.Errorf("port %s is published on %q by default, want this machine only", p.Published, p.HostIP)
		}
		if !slices.Contains(defaultPorts(t), p.Target) {
			t.Errorf("port %d is none of the defaults %v", p.Target, defaultPorts(t))
		}
	}
	for key, v := range s.Environment {
		if strings.Contains(key, "PASSWORD") && !strings.HasSuffix(key, "_FILE") || strings.HasSuffix(key, "_KEY") {
			t.Errorf("%s holds a secret; use a file", key)
		}
		if v != nil && strings.Contains(*v, "://") && strings.Contains(*v, "@") {
			t.Errorf("%s holds an address with a password", key)
		}
	}
}

// pinned reports whether an image has a tag with at least two parts of a version.
func pinned(image string) bool {
	_, tag, ok := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return ok && regexp.MustCompile(`^[0-9]+\.[0-9]+`).MatchString(tag)
}

func defaultPorts(t *testing.T) []uint32 {
	t.Helper()
	c := config.Default()
	var out []uint32
	for _, addr := range []string{c.HTTPAddr, c.OTLPGRPCAddr, c.OTLPHTTPAddr} {
		n, err := strconv.ParseUint(addr[strings.LastIndex(addr, ":")+1:], 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, uint32(n))
	}
	return out
}

// knownVariables returns the variables that the binaries read: the agent's own, or those of all others.
func knownVariables(agent bool) map[string]bool {
	known := map[string]bool{}
	if agent {
		for _, w := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(agentcmd.Command("").Flags().FlagUsages(), -1) {
			known["FAULTLINE_AGENT_"+strings.ToUpper(strings.ReplaceAll(w[1], "-", "_"))] = true
		}
		return known
	}
	c := config.Default()
	for _, o := range c.Options() {
		known[o.Env()] = true
	}
	known["FAULTLINE_CONFIG"] = true
	return known
}

func TestVariablesExist(t *testing.T) {
	for name, s := range loadCompose(t).Services {
		known := knownVariables(name == "agent")
		var env []string
		for key, v := range s.Environment {
			if strings.HasPrefix(key, "FAULTLINE_") && !known[key] {
				t.Errorf("%s: nothing reads %s", name, key)
			}
			if v != nil && key != "FAULTLINE_CONFIG" {
				env = append(env, key+"="+*v)
			}
		}
		if name == "agent" {
			continue
		}
		if _, err := config.Load(config.Sources{Env: env}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVolumesOfSecretsGoToTheirOwner keeps a service from reading another one's passwords.
func TestVolumesOfSecretsGoToTheirOwner(t *testing.T) {
	readers := map[string][]string{}
	for name, s := range loadCompose(t).Services {
		for _, v := range s.Volumes {
			if strings.HasSuffix(v.Source, "-conf") && name != "init" {
				readers[v.Source] = append(readers[v.Source], name)
				if !v.ReadOnly {
					t.Errorf("%s may write %s", name, v.Source)
				}
			}
		}
	}
	if len(readers) != 7 {
		t.Errorf("volumes with secrets: %v, want 7", readers)
	}
	for volume, names := range readers {
		slices.Sort(names)
		owner := strings.TrimSuffix(volume, "-conf")
		if !slices.Equal(names, []string{owner}) {
			t.Errorf("%s is read by %v", volume, names)
		}
	}
}
