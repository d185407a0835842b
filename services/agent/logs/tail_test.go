package logs

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// memory is a Sink that keeps records and positions as a store would.
type memory struct {
	entries []*Entry
	marks   map[string]string
	history []map[string]string // the marks after each record
}

func newMemory() *memory { return &memory{marks: map[string]string{}} }

func (m *memory) Put(e *Entry) {
	m.entries = append(m.entries, e)
	m.marks[markAlive] = time.Now().UTC().Format(time.RFC3339)
	if e.Marker != nil {
		m.marks[e.Marker.MarkName()] = e.Marker.MarkValue(e.Offset)
	}
	m.history = append(m.history, maps.Clone(m.marks))
}

func (m *memory) Forget(name string) { delete(m.marks, name) }

func (m *memory) bodies() []string {
	out := []string{}
	for _, e := range m.entries {
		out = append(out, e.Body)
	}
	m.entries = nil
	return out
}

// bench drives a Tailer by hand.
type bench struct {
	t    *testing.T
	dir  string
	sink *memory
	tail *Tailer
	now  time.Time
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, dir: t.TempDir(), sink: newMemory(), now: time.Now()}
	b.start()
	return b
}

// start makes a Tailer that knows what the last one stored, as after a kill.
func (b *bench) start() {
	if b.tail != nil {
		b.tail.closeAll()
	}
	b.tail = NewTailer(TailOptions{Root: "/", Patterns: []string{filepath.ToSlash(b.dir) + "/**/*.log"}, Excludes: []string{"*-old.log"}, LookBack: 100, MaxFiles: 20,
		Poll: time.Second, Rescan: time.Second, Location: time.UTC, Marks: b.sink.marks, Now: func() time.Time { return b.now }}, b.sink, slog.New(slog.DiscardHandler))
}

// settle scans and polls until everything is emitted that needs no more than after to wait.
func (b *bench) settle(after time.Duration) []string {
	b.t.Helper()
	b.tail.Scan(b.now)
	for b.tail.PollAll(context.Background(), b.now) {
	}
	b.now = b.now.Add(after)
	b.tail.PollAll(context.Background(), b.now)
	return b.sink.bodies()
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) {
	b.t.Helper()
	f, err := os.OpenFile(b.path(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		b.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) rename(from, to string) {
	b.t.Helper()
	if err := os.Rename(b.path(from), b.path(to)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) want(got []string, want ...string) {
	b.t.Helper()
	if len(want) == 0 {
		want = []string{}
	}
	if d := cmp.Diff(want, got); d != "" {
		b.t.Fatal("records differ (-want +got):", d)
	}
}

func TestFollow(t *testing.T) {
	b := newBench(t)
	b.write("a.log", "one\ntwo\nthr")
	b.want(b.settle(2*time.Second), "one", "two")
	b.write("a.log", "ee\r\n")
	b.want(b.settle(2*time.Second), "three")
	b.write("a.log", "no newline")
	b.want(b.settle(2 * time.Second))
	b.want(b.settle(partialAge), "no newline")
	b.write("a.log", "\n\n   \nnext\n")
	b.want(b.settle(2*time.Second), "next")
	b.write("b-old.log", "excluded\n")
	b.want(b.settle(2 * time.Second))
}

func TestLookBackOfFirstStart(t *testing.T) {
	b := newBench(t)
	b.write("a.log", strings.Repeat("old line that is not sent\n", 50)+"recent 1\nrecent 2\n")
	got := b.settle(2 * time.Second)
	if len(got) < 3 || got[len(got)-1] != "recent 2" || len(got) > 6 {
		t.Fatalf("look-back gives %q", got)
	}
	for _, line := range got[:len(got)-2] {
		if line != "old line that is not sent" {
			t.Errorf("look-back starts inside a line: %q", line)
		}
	}
	// A file that appears later is new, however long.
	b.write("new.log", strings.Repeat("0123456789\n", 50))
	if got := b.settle(2 * time.Second); len(got) != 50 {
		t.Fatalf("%d lines of a new file, want 50", len(got))
	}
}

func TestRotation(t *testing.T) {
	b := newBench(t)
	b.write("a.log", "1\n2\n")
	b.want(b.settle(2*time.Second), "1", "2")
	b.rename("a.log", "a.log.1")
	b.write("a.log.1", "3 into the old file\n")
	b.write("a.log", "4\n")
	got := b.settle(2 * time.Second)
	if len(got) != 2 {
		t.Fatalf("after rotation %q, want both files' lines", got)
	}
	if n := len(b.tail.files); n != 2 {
		t.Fatalf("%d files followed while the old one drains, want 2", n)
	}
	b.want(b.settle(drainIdle + time.Second))
	b.tail.Scan(b.now)
	if n := len(b.tail.files); n != 1 {
		t.Fatalf("%d files followed after the old one is drained, want 1", n)
	}
	if err := os.Remove(b.path("a.log")); err != nil {
		t.Fatal(err)
	}
	b.want(b.settle(drainIdle + time.Second))
	for name := range b.sink.marks {
		if strings.HasPrefix(name, markFile) {
			t.Errorf("position %s of a file that is gone is kept", name)
		}
	}
}

func TestCopyTruncate(t *testing.T) {
	b := newBench(t)
	first := strings.Repeat("before the truncation\n", 3)
	b.write("a.log", first)
	if got := b.settle(2 * time.Second); len(got) != 3 {
		t.Fatalf("%d lines, want 3", len(got))
	}
	if err := os.Truncate(b.path("a.log"), 0); err != nil {
		t.Fatal(err)
	}
	b.write("a.log", "after\n")
	b.want(b.settle(2*time.Second), "after")
	// Truncated and grown past the old offset between two looks.
	if err := os.Truncate(b.path("a.log"), 0); err != nil {
		t.Fatal(err)
	}
	b.write("a.log", "grown 1\ngrown 2\ngrown 3\n")
	b.want(b.settle(2*time.Second), "grown 1", "grown 2", "grown 3")
	if st := b.tail.Stats(); st.Truncations != 2 {
		t.Errorf("%d truncations counted, want 2", st.Truncations)
	}
	// A writer that kept its offset leaves a hole of zeros.
	b.write("hole.log", strings.Repeat("\x00", 300)+"behind the hole\n")
	b.want(b.settle(2*time.Second), "behind the hole")
}

func TestResume(t *testing.T) {
	b := newBench(t)
	b.write("a.log", "1\n2\npart")
	b.want(b.settle(2*time.Second), "1", "2")
	b.start()
	b.write("a.log", "ial\n3\n")
	b.want(b.settle(2*time.Second), "partial", "3")

	// Renamed while nobody looked, with lines before and after.
	b.write("a.log", "4\n")
	b.tail.closeAll()
	b.write("a.log", "5\n")
	b.rename("a.log", "a.log.1")
	b.write("a.log", "6\n")
	b.start()
	got := b.settle(2 * time.Second)
	if d := cmp.Diff(map[string]int{"4": 1, "5": 1, "6": 1}, tally(got)); d != "" {
		t.Fatal("after a rotation while away:", d)
	}

	// Replaced by a shorter file and by a longer one of the same name; the inode may well be the same.
	for _, text := range []string{"s\n", "a longer text than there was\n"} {
		b.tail.closeAll()
		if err := os.Remove(b.path("a.log")); err != nil {
			t.Fatal(err)
		}
		b.write("a.log", text)
		b.start()
		b.want(b.settle(2*time.Second), strings.TrimSpace(text))
	}
	b.start()
	b.want(b.settle(2 * time.Second))
}

func tally(lines []string) map[string]int {
	out := map[string]int{}
	for _, l := range lines {
		out[l]++
	}
	return out
}

// TestResumeAtEveryPoint stops after every single record of a multi-line log and looks for every record once.
func TestResumeAtEveryPoint(t *testing.T) {
	text := "2026-01-01T00:00:00Z ERROR a\n  at x\n  at y\n\n2026-01-01T00:00:01Z INFO b\n2026-01-01T00:00:02Z WARN c\n\tmore\nd\n"
	want := []string{"2026-01-01T00:00:00Z ERROR a\n  at x\n  at y", "2026-01-01T00:00:01Z INFO b", "2026-01-01T00:00:02Z WARN c\n\tmore", "d"}
	b := newBench(t)
	b.write("other.log", "x\n")
	b.settle(2 * time.Second) // no first start any more, so the file is read from its beginning
	b.sink.history = nil
	b.write("a.log", text)
	b.want(b.settle(2*time.Second), want...)
	for stop, marks := range b.sink.history {
		b.sink.marks = marks // what a process that was killed now had stored
		b.start()
		b.want(b.settle(2*time.Second), want[stop+1:]...)
	}
}

func TestLongAndBinary(t *testing.T) {
	b := newBench(t)
	b.write("empty.log", "x\n")
	b.settle(2 * time.Second)
	b.write("a.log", strings.Repeat("x", maxLine+1000)+"\nshort\n")
	got := b.settle(2 * time.Second)
	if len(got) != 2 || len(got[0]) != maxLine || got[1] != "short" {
		t.Fatalf("%d records, first of %d bytes", len(got), len(got[0]))
	}
	if st := b.tail.Stats(); st.CutLines != 1 || st.CutBytes != 1000 {
		t.Errorf("cut %d lines by %d bytes, want 1 by 1000", st.CutLines, st.CutBytes)
	}
	b.write("b.log", "ELF\x00\x01\x02\nmore\n")
	b.want(b.settle(2 * time.Second))
	if st := b.tail.Stats(); st.BinaryFiles != 1 {
		t.Errorf("%d binary files, want 1", st.BinaryFiles)
	}
	b.write("c.log", "bad utf-8 \xff\xfe here\n")
	if got := b.settle(2 * time.Second); len(got) != 1 {
		t.Fatalf("%q", got)
	}
}

func TestMultiLine(t *testing.T) {
	f := func(name, text string, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.write("a.log", "start\n")
			b.settle(2 * time.Second)
			b.write("a.log", text)
			b.want(b.settle(2*time.Second), want...)
		})
	}
	java := "ERROR failed\njava.lang.X: no\n\tat a.B.c(B.java:1)\n\tat d\nCaused by: java.io.Y: z\n\t... 3 more"
	f("java", java+"\nINFO next\n", "ERROR failed", strings.TrimPrefix(java, "ERROR failed\n"), "INFO next")
	python := "ERROR:root:division\nTraceback (most recent call last):\n  File \"x.py\", line 1, in <module>\n    1/0\nZeroDivisionError: division by zero"
	f("python", python+"\nINFO:root:next\n", python, "INFO:root:next")
	golang := "panic: boom\n\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/x/main.go:5 +0x1d\nmain.main()\n\t/x/main.go:9 +0x1d\nexit status 2"
	f("go", golang+"\nlistening on :80\n", golang, "listening on :80")
	var lines []string
	for i := range maxEventLines + 10 {
		lines = append(lines, fmt.Sprint(" l", i))
	}
	b := newBench(t)
	b.write("a.log", "start\n")
	b.settle(2 * time.Second)
	b.write("a.log", "head\n"+strings.Join(lines, "\n")+"\n")
	if got := b.settle(2 * time.Second); len(got) != 2 || strings.Count(got[0], "\n") != maxEventLines-1 {
		t.Errorf("an event of %d lines became %d records", maxEventLines+11, len(got))
	}
}

func TestContainers(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	id := strings.Repeat("ab", 32)
	write("var/lib/docker/containers/"+id+"/"+id+"-json.log", `{"log":"half ","stream":"stdout","time":"2026-01-02T03:04:05.5Z"}
{"log":"line\n","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}
{"log":"ERROR no\n","stream":"stderr","time":"2026-01-02T03:04:06Z"}
not json
`)
	write("var/lib/docker/containers/"+id+"/config.v2.json", `{"Name":"/shop-web-1","Config":{"Image":"web:1","Labels":{"com.docker.compose.service":"web","com.docker.compose.project":"shop"}}}`)
	write("var/log/pods/prod_api-7d_1234/api/2.log", "2026-01-02T03:04:05.000000001Z stdout P first \n2026-01-02T03:04:06Z stdout F second\n2026-01-02T03:04:07Z stderr F level=warn msg=x\n")
	sink := newMemory()
	tail := NewTailer(TailOptions{Root: root, Containers: true, LookBack: 1 << 20, MaxFiles: 10, Location: time.UTC, Marks: sink.marks, Now: time.Now}, sink, slog.New(slog.DiscardHandler))
	defer tail.closeAll()
	now := time.Now()
	tail.Scan(now)
	tail.PollAll(t.Context(), now)
	tail.PollAll(t.Context(), now.Add(2*time.Second))
	type rec struct{ Service, Body, Stream, Severity, Time string }
	var got []rec
	for _, e := range sink.entries {
		at := time.Unix(0, e.TimeNS).UTC().Format(time.RFC3339Nano)
		if e.Body == "not json" {
			at = ""
		}
		got = append(got, rec{telemetry.Lookup(e.Source.Resource, "service.name"), e.Body, telemetry.Lookup(e.Attrs, "log.iostream"), e.Severity.Text(), at})
	}
	want := []rec{
		{"web", "half line", "stdout", "", "2026-01-02T03:04:05.5Z"}, {"web", "ERROR no", "stderr", "ERROR", "2026-01-02T03:04:06Z"}, {"web", "not json", "", "", ""},
		{"api", "first second", "stdout", "", "2026-01-02T03:04:05.000000001Z"}, {"api", "level=warn msg=x", "stderr", "WARN", "2026-01-02T03:04:07Z"},
	}
	less := func(s []rec) map[rec]int {
		m := map[rec]int{}
		for _, r := range s {
			m[r]++
		}
		return m
	}
	if d := cmp.Diff(less(want), less(got)); d != "" {
		t.Fatal("records differ (-want +got):", d)
	}
	for _, e := range sink.entries {
		if telemetry.Lookup(e.Source.Resource, "service.name") == "api" && telemetry.Lookup(e.Source.Resource, "k8s.pod.name") != "api-7d" {
			t.Error("pod name is missing:", e.Source.Resource)
		}
	}
}

func BenchmarkTail(b *testing.B) {
	dir := b.TempDir()
	line := "2026-01-02T03:04:05Z INFO request 000001 served in 12 ms for user 42 from 192.0.2.1 with status 200\n"
	text := bytes.Repeat([]byte(line), 20000)
	if err := os.WriteFile(filepath.Join(dir, "a.log"), text, 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		batcher := NewBatcher(nil, "test", func(int, []byte, map[string]string) error { return nil }, slog.New(slog.DiscardHandler), time.Now)
		t := NewTailer(TailOptions{Root: "/", Patterns: []string{dir + "/*.log"}, LookBack: 1 << 30, MaxFiles: 10, Location: time.UTC, Now: time.Now}, batcher, slog.New(slog.DiscardHandler))
		now := time.Now()
		t.Scan(now)
		for t.PollAll(context.Background(), now) {
		}
		t.closeAll()
	}
}
