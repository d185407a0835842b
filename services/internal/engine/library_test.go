package engine

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// elf returns the head of a shared library for a processor.
func elf(machine byte) string {
	return "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9) + "\x03\x00" + string([]byte{machine, 0}) + strings.Repeat("\x00", 44)
}

func TestPlatformOf(t *testing.T) {
	for head, want := range map[string]string{
		elf(0x3e):                          "linux/amd64",
		elf(0xb7):                          "linux/arm64",
		elf(0x28):                          "for an unknown Linux processor",
		"\xcf\xfa\xed\xfe\x07\x00\x00\x01": "darwin/amd64",
		"\xcf\xfa\xed\xfe\x0c\x00\x00\x01": "darwin/arm64",
		"\xca\xfe\xba\xbe\x00\x00\x00\x02": "darwin/amd64 darwin/arm64",
		"#!/bin/sh\n":                      "not a shared library",
		"":                                 "not a shared library",
		"\x7fELF":                          "not a shared library",
		"version https://git-lfs.github.com/spec/v1\n": "not a shared library",
	} {
		if got := platformOf([]byte(head)); got != want {
			t.Errorf("platformOf(%q) = %q, want %q", head, got, want)
		}
	}
}

func FuzzPlatformOf(f *testing.F) {
	f.Add([]byte(elf(0x3e)))
	f.Fuzz(func(t *testing.T, head []byte) {
		if platformOf(head) == "" {
			t.Error("no answer")
		}
	})
}

func TestFindLibrarySaysWhatIsWrong(t *testing.T) {
	t.Setenv(LibraryEnv, "")
	dir := t.TempDir()
	other := filepath.Join(dir, "other.so")
	machine := byte(0xb7)
	if runtime.GOARCH == "arm64" {
		machine = 0x3e
	}
	if err := os.WriteFile(other, []byte(elf(machine)), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(path, want string) {
		t.Helper()
		_, err := FindLibrary(path, nil)
		if err == nil || !strings.Contains(err.Error(), want) || errs.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v (hint %q), want one line with %q and a hint", path, err, errs.HintOf(err), want)
		}
	}
	f(filepath.Join(dir, "missing.so"), "cannot be read")
	f(other, "but this machine is "+runtime.GOOS+"/"+runtime.GOARCH)
	f(dir, "cannot be read")
}

func TestFindLibraryPrefersTheExplicitOne(t *testing.T) {
	dir := t.TempDir()
	machine := map[string]byte{"amd64": 0x3e, "arm64": 0xb7}[runtime.GOARCH]
	if runtime.GOOS != "linux" || machine == 0 {
		t.Logf("the files made here are for Linux; on %s/%s only the order is tested", runtime.GOOS, runtime.GOARCH)
		return
	}
	explicit, beside := filepath.Join(dir, "mine.so"), filepath.Join(dir, "engine", libraryName)
	if err := os.MkdirAll(filepath.Dir(beside), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{explicit, beside} {
		if err := os.WriteFile(p, []byte(elf(machine)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(LibraryEnv, "")
	if got, err := FindLibrary("", []string{dir}); err != nil || got != beside {
		t.Errorf("in the data folder: %q, %v; want %q", got, err, beside)
	}
	t.Setenv(LibraryEnv, explicit)
	if got, err := FindLibrary("", []string{dir}); err != nil || got != explicit {
		t.Errorf("by the variable: %q, %v; want %q", got, err, explicit)
	}
	if got, err := FindLibrary(beside, nil); err != nil || got != beside {
		t.Errorf("by the configuration: %q, %v; want %q", got, err, beside)
	}
}

func TestOutputIsThrottledAndQuoted(t *testing.T) {
	var log strings.Builder
	o := newOutput(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})))
	now := time.Now()
	const line = "2026.01.02 03:04:05.678901 [ 12 ] {} <Error> MergeTreeBackgroundExecutor: disk trouble"
	for range 5 * linesPerWindow {
		o.add(line, now)
	}
	o.add("2026.01.02 03:04:05.678901 [ 12 ] {abc} <Error> executeQuery: a client's mistake", now)
	o.add(strings.Repeat("long ", 1000), now)
	if got := strings.Count(log.String(), "disk trouble"); got != linesPerWindow {
		t.Errorf("logged %d lines of a repeating condition, want %d", got, linesPerWindow)
	}
	if strings.Contains(log.String(), "a client's mistake") {
		t.Error("an error of one query is logged as ours")
	}
	o.add(line, now.Add(outputWindow))
	if want := "lines=40"; !strings.Contains(log.String(), want) {
		t.Errorf("no word about what was left out, want %s:\n%s", want, log.String())
	}
	if q := o.quote(); !strings.Contains(q, "disk trouble") || len(q) > 4*keptLineBytes {
		t.Errorf("quote has %d bytes: %.100s", len(q), q)
	}
	if len(o.last) != keptLines {
		t.Errorf("keeps %d lines, want %d", len(o.last), keptLines)
	}
	o.forget()
	if o.quote() != "" {
		t.Error("quotes the child before")
	}
}
