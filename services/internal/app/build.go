package app

import (
	"runtime"
	"runtime/debug"
	"strings"
)

// Build says what this binary is.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Date    string `json:"date"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// version and commit are set by the linker (-X) and never written by code.
var version, commit string

// BuildInfo returns what the linker was told, completed by what the Go tool noted in the binary.
func BuildInfo() Build {
	b := Build{Version: version, Commit: commit, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.complete(info)
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	return b
}

// complete fills what is empty.
func (b *Build) complete(info *debug.BuildInfo) {
	if v := info.Main.Version; b.Version == "" && v != "(devel)" {
		b.Version = v
	}
	var dirty bool
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && b.Commit == "":
			b.Commit = s.Value
		case s.Key == "vcs.time" && b.Date == "":
			b.Date = s.Value
		case s.Key == "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty && b.Commit != "" && !strings.HasSuffix(b.Commit, "-dirty") {
		b.Commit += "-dirty"
	}
}

// String returns one line for people.
func (b Build) String() string {
	parts := []string{b.Version}
	if b.Commit != "" {
		parts = append(parts, b.Commit[:min(len(b.Commit), 12)])
	}
	if b.Date != "" {
		parts = append(parts, b.Date)
	}
	return strings.Join(append(parts, b.Go, b.OS+"/"+b.Arch), " ")
}
