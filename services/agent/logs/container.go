package logs

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// format is how the lines of a file are wrapped.
type format uint8

const (
	plainFormat  format = iota
	dockerFormat        // json-file: {"log":"…\n","stream":"stdout","time":"…"}
	criFormat           // 2026-01-02T15:04:05.999999999Z stdout F …
)

// The places where container runtimes put their logs.
const (
	dockerPattern = "/var/lib/docker/containers/*/*-json.log"
	criPattern    = "/var/log/pods/*/*/*.log"
)

// wrapped is one unwrapped line of a container log.
type wrapped struct {
	text    string
	stream  string
	time    time.Time
	partial bool // the line goes on in the next one
}

// parseCRI parses "time stream tags text" as containerd and CRI-O write it; tag P marks a partial line.
func parseCRI(line string) (wrapped, bool) {
	stamp, rest, ok := strings.Cut(line, " ")
	if !ok {
		return wrapped{}, false
	}
	stream, rest, ok := strings.Cut(rest, " ")
	if !ok || stream != "stdout" && stream != "stderr" {
		return wrapped{}, false
	}
	tags, text, ok := strings.Cut(rest, " ")
	if !ok { // an empty line may lack the last blank
		tags = rest
	}
	t, ok := parseISO(stamp, time.UTC)
	if !ok || tags == "" {
		return wrapped{}, false
	}
	partial := tags == "P" || strings.HasPrefix(tags, "P:")
	return wrapped{text: text, stream: stream, time: t, partial: partial}, true
}

// parseDocker parses a line of Docker's json-file driver, which splits lines at 16 KiB: those without a newline go on.
func parseDocker(line string) (wrapped, bool) {
	var j struct {
		Log    string    `json:"log"`
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}
	if err := json.Unmarshal([]byte(line), &j); err != nil || j.Time.IsZero() {
		return wrapped{}, false
	}
	text, whole := strings.CutSuffix(j.Log, "\n")
	return wrapped{text: strings.TrimSuffix(text, "\r"), stream: j.Stream, time: j.Time, partial: !whole}, true
}

// formatOf tells by the path how a file is wrapped.
func formatOf(name string, containers bool) format {
	switch {
	case !containers:
		return plainFormat
	case Match(dockerPattern, name):
		return dockerFormat
	case Match(criPattern, name):
		return criFormat
	}
	return plainFormat
}

// newSource derives the service and the other attributes of a file from its path.
func newSource(file, name string, f format) *Source {
	record := telemetry.Strs("log.file.path", name, "log.file.name", path.Base(name))
	switch f {
	case dockerFormat:
		return &Source{Resource: dockerResource(file), Record: record}
	case criFormat:
		return &Source{Resource: podResource(name), Record: record}
	}
	return &Source{Resource: telemetry.Strs("service.name", serviceOfPath(name)), Record: record}
}

// maxContainerConfig bounds the description of a container that is read for its name.
const maxContainerConfig = 1 << 20

// dockerResource reads the container's name, image and Compose service from the description beside its log.
func dockerResource(file string) telemetry.Attrs {
	id := filepath.Base(filepath.Dir(file))
	short := id[:min(len(id), 12)]
	attrs := telemetry.Strs("container.id", id, "container.runtime.name", "docker")
	var c struct {
		Name   string `json:"Name"`
		Config struct {
			Image  string            `json:"Image"`
			Labels map[string]string `json:"Labels"`
		} `json:"Config"`
	}
	config := filepath.Join(filepath.Dir(file), "config.v2.json")
	if fi, err := os.Stat(config); err == nil && fi.Size() < maxContainerConfig {
		if data, err := os.ReadFile(config); err == nil && json.Unmarshal(data, &c) != nil {
			c.Name = ""
		}
	}
	name := strings.TrimPrefix(c.Name, "/")
	service := name
	if s := c.Config.Labels["com.docker.compose.service"]; s != "" {
		service = s
	}
	if service == "" {
		service = short
	}
	attrs = append(attrs, telemetry.Str("service.name", service))
	if name != "" {
		attrs = append(attrs, telemetry.Str("container.name", name))
	}
	if c.Config.Image != "" {
		attrs = append(attrs, telemetry.Str("container.image.name", c.Config.Image))
	}
	if p := c.Config.Labels["com.docker.compose.project"]; p != "" {
		attrs = append(attrs, telemetry.Str("service.namespace", p))
	}
	return attrs
}

// podResource reads namespace, pod and container from /var/log/pods/<namespace>_<pod>_<uid>/<container>/<restarts>.log.
func podResource(name string) telemetry.Attrs {
	parts := strings.Split(name, "/")
	if len(parts) < 4 {
		return nil
	}
	container := parts[len(parts)-2]
	pod := strings.Split(parts[len(parts)-3], "_")
	if len(pod) != 3 {
		return telemetry.Strs("service.name", container, "k8s.container.name", container)
	}
	return telemetry.Strs("service.name", container, "service.namespace", pod[0], "k8s.namespace.name", pod[0], "k8s.pod.name", pod[1],
		"k8s.pod.uid", pod[2], "k8s.container.name", container,
		"k8s.container.restart_count", strings.TrimSuffix(parts[len(parts)-1], ".log"))
}

// serviceOfPath names the writer of a file: the folder it has for itself (nginx for /var/log/nginx/access.log), else the file's name
// without its ending.
func serviceOfPath(name string) string {
	for dir := path.Dir(name); dir != "/" && dir != "."; dir = path.Dir(dir) {
		switch base := path.Base(dir); base {
		case "log", "logs":
			if up := path.Dir(dir); dir == path.Dir(name) && (up == "/var" || up == "/") {
				return serviceOfFile(name)
			}
		case "var", "tmp", "home", "root", "srv", "opt":
			return serviceOfFile(name)
		default:
			return base
		}
	}
	return serviceOfFile(name)
}

func serviceOfFile(name string) string {
	base := path.Base(name)
	if i := strings.IndexByte(base, '.'); i > 0 {
		base = base[:i]
	}
	return base
}
