package deploytest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/faultline-io/faultline/services/agent"
	"github.com/faultline-io/faultline/services/internal/config"
)

// instruction is one line of a Dockerfile, continuations joined.
type instruction struct{ name, rest string }

func parseDockerfile(t *testing.T, path string) []instruction {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "\\\n", " ")
	var out []instruction
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		out = append(out, instruction{name, strings.TrimSpace(rest)})
	}
	return out
}

func TestDockerfiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "deploy", "docker", "*.Dockerfile"))
	if err != nil || len(files) < 3 {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".Dockerfile"), func(t *testing.T) { checkDockerfile(t, parseDockerfile(t, f)) })
	}
}

var goImage = regexp.MustCompile(`^golang:([0-9.]+)-`)

// checkDockerfile holds one Dockerfile against the rules.
func checkDockerfile(t *testing.T, lines []instruction) {
	user := ""
	for _, l := range lines {
		switch l.name {
		case "FROM":
			user = ""
			image := strings.Fields(l.rest)[0]
			if !pinned(image) {
				t.Errorf("base image %q is not pinned to a version", image)
			}
			if m := goImage.FindStringSubmatch(image); m != nil && !atLeast(m[1], workspaceGo(t)) {
				t.Errorf("%s is older than go.work, which says %s", image, workspaceGo(t))
			}
		case "USER":
			user = l.rest
		case "ADD":
			t.Error("ADD fetches and unpacks; use COPY")
		case "COPY":
			checkCopy(t, l.rest)
		case "ENV":
			for _, kv := range strings.Fields(l.rest) {
				if key, _, _ := strings.Cut(kv, "="); strings.HasPrefix(key, "FAULTLINE_") && !knownVariables(false)[key] {
					t.Errorf("nothing reads %s", key)
				}
			}
		}
	}
	if uid, _, _ := strings.Cut(user, ":"); uid == "" || uid == "0" || uid == "root" {
		t.Errorf("the image runs as %q", user)
	}
}

// checkCopy checks that what is copied from the repository exists there.
func checkCopy(t *testing.T, rest string) {
	if strings.Contains(rest, "--from=") {
		return
	}
	fields := strings.Fields(rest)
	for _, src := range fields[:len(fields)-1] {
		found, err := filepath.Glob(filepath.Join(root, src))
		if err != nil || len(found) == 0 {
			t.Errorf("COPY %s: there is no such file", src)
		}
	}
}

func workspaceGo(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "go.work"))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^go ([0-9.]+)$`).FindStringSubmatch(string(b))[1]
}

// atLeast compares versions of the same number of parts, none above 99.
func atLeast(have, want string) bool {
	pad := func(v string) string {
		parts := strings.Split(v, ".")
		for i, p := range parts {
			parts[i] = strings.Repeat("0", max(0, 2-len(p))) + p
		}
		return strings.Join(parts, ".")
	}
	return pad(have) >= pad(want)
}

// TestInitMakesSecretsOnce runs the script that the compose file runs, and loads the configuration it makes.
func TestInitMakesSecretsOnce(t *testing.T) {
	out := t.TempDir()
	for _, d := range []string{"nats", "clickhouse", "migrate", "gateway", "query", "correlator", "agent"} {
		if err := os.Mkdir(filepath.Join(out, d), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	run := func() {
		t.Helper()
		if b, err := exec.CommandContext(t.Context(), "sh", filepath.Join(root, "deploy/docker/init.sh"), out).CombinedOutput(); err != nil {
			t.Fatalf("init.sh: %v: %s", err, b)
		}
	}
	run()
	first := snapshot(t, out)
	run()
	if second := snapshot(t, out); len(first) != 12 || !bytes.Equal([]byte(strings.Join(first, "")), []byte(strings.Join(second, ""))) {
		t.Errorf("%d files; a second run changed them or there are not 12", len(first))
	}
	for _, name := range []string{"gateway", "query", "correlator", "migrate"} {
		c, err := config.Load(config.Sources{File: filepath.Join(out, name, "faultline.yaml")})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.ClickHouseEmbedded() || (name != "migrate" && c.NATSEmbedded()) {
			t.Errorf("%s uses an embedded backend", name)
		}
	}
	for _, file := range []string{filepath.Join(out, "clickhouse", "faultline.xml"), filepath.Join(root, "deploy/docker/clickhouse/config.xml")} {
		checkXML(t, file)
	}
	b, err := os.ReadFile(filepath.Join(out, "agent", "agent.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	a := agent.Default()
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&a); err != nil || a.Validate() != nil || len(a.Key) < 20 {
		t.Errorf("agent.yaml: %v, %v", err, a.Validate())
	}
}

// checkXML reports a file that the server could not parse.
func checkXML(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dec := xml.NewDecoder(f)
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("%s: %v", file, err)
			return
		}
	}
}

// snapshot returns the content of all files below dir, and fails when others may read one.
func snapshot(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o007 != 0 {
			t.Errorf("%s may be read by everybody: %v", path, info.Mode())
		}
		b, err := os.ReadFile(path)
		out = append(out, path+"\n"+string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
