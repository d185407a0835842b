package deploytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// hardened are the settings that both units must have.
var hardened = []string{
	"DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "SystemCallFilter=@system-service",
	"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK", "SupplementaryGroups=adm systemd-journal", "UMask=0077", "Restart=on-failure",
}

var unitVariable = regexp.MustCompile(`(?m)^Environment=(FAULTLINE_[A-Z_0-9]+)=`)

func TestUnits(t *testing.T) {
	for _, name := range []string{"faultline", "faultline-agent"} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(root, "deploy", "systemd", name+".service"))
			if err != nil {
				t.Fatal(err)
			}
			lines := map[string]bool{}
			for line := range strings.Lines(string(b)) {
				lines[strings.TrimRight(line, "\n")] = true
			}
			for _, want := range append(hardened, "[Unit]", "[Service]", "[Install]", "StateDirectory="+name) {
				if !lines[want] {
					t.Errorf("%s is missing", want)
				}
			}
			for _, m := range unitVariable.FindAllStringSubmatch(string(b), -1) {
				if !knownVariables(name == "faultline-agent")[m[1]] {
					t.Errorf("nothing reads %s", m[1])
				}
			}
			verifyUnit(t, name, string(b))
		})
	}
}

var execStart = regexp.MustCompile(`(?m)^ExecStart=/usr/local/\S*faultline\S*$`)

// verifyUnit asks systemd itself where it is installed. The binary is not installed here, so another one stands in for it.
func verifyUnit(t *testing.T, name, text string) {
	t.Helper()
	if !execStart.MatchString(text) {
		t.Error("ExecStart does not start Faultline from /usr/local")
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not installed: the unit was checked by its text only")
		return
	}
	file := filepath.Join(t.TempDir(), name+".service")
	if err := os.WriteFile(file, []byte(execStart.ReplaceAllString(text, "ExecStart=/bin/true")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), name+".service:") {
		t.Errorf("systemd-analyze: %v: %s", err, out)
	}
}
