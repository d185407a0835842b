package logs

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

func binaryField(name, value string) string {
	return name + "\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(value)))) + value + "\n"
}

func all(string) bool { return true }

func TestExportReader(t *testing.T) {
	in := "__CURSOR=c1\nMESSAGE=one=1\n\n\n__CURSOR=c2\n" + binaryField("MESSAGE", "two\nlines") + "X=1\nX=2\n\n" +
		"__CURSOR=c3\nMESSAGE=" + strings.Repeat("y", maxJournalField+10) + "\n" + binaryField("B", strings.Repeat("z", maxJournalField+10)) + "\n"
	x := newExportReader(strings.NewReader(in), all)
	var got []map[string]string
	for {
		fields, err := x.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fields)
	}
	want := []map[string]string{{"__CURSOR": "c1", "MESSAGE": "one=1"}, {"__CURSOR": "c2", "MESSAGE": "two\nlines", "X": "1"},
		{"__CURSOR": "c3", "MESSAGE": strings.Repeat("y", maxJournalField), "B": strings.Repeat("z", maxJournalField)}}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if x.cut != 2 {
		t.Errorf("%d values cut, want 2", x.cut)
	}
	for _, bad := range []string{"MESSAGE=half", "MESSAGE\n\x05\x00\x00\x00\x00\x00\x00\x00ab", "M\n\xff\xff\xff\xff\xff\xff\xff\xff", strings.Repeat("N", 300) + "=x\n\n"} {
		if _, err := newExportReader(strings.NewReader(bad), all).next(); err == nil {
			t.Errorf("%q is accepted", bad[:min(len(bad), 20)])
		}
	}
}

func FuzzJournalExport(f *testing.F) {
	f.Add([]byte("__CURSOR=c\nMESSAGE=x\n\n"))
	f.Add([]byte(binaryField("MESSAGE", "two\nlines") + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		x := newExportReader(bytes.NewReader(b), all)
		for range 1000 {
			fields, err := x.next()
			if err != nil {
				return
			}
			for _, v := range fields {
				if len(v) > maxJournalField {
					t.Fatalf("value of %d bytes", len(v))
				}
			}
		}
	})
}

// locked is a Sink for another goroutine.
type locked struct {
	mu sync.Mutex
	m  *memory
	ch chan struct{}
}

func (l *locked) Put(e *Entry) {
	l.mu.Lock()
	l.m.Put(e)
	l.mu.Unlock()
	l.ch <- struct{}{}
}

func (l *locked) Forget(name string) { l.m.Forget(name) }

// TestJournal runs a child that behaves as journalctl does: it prints entries behind the cursor it is given and, once, dies.
func TestJournal(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "journalctl")
	calls := filepath.Join(dir, "calls")
	body := `#!/bin/sh
echo "$@" >> ` + calls + `
entry() { printf '__CURSOR=c%s\n__REALTIME_TIMESTAMP=17000000000000%s0\nPRIORITY=%s\n_SYSTEMD_UNIT=%s\nSYSLOG_IDENTIFIER=%s\n_PID=7\nMESSAGE=%s\n\n' "$1" "$1" "$2" "$3" "$4" "$5"; }
case "$*" in
*after-cursor=c2*) entry 3 6 sshd.service sshd "ERROR from a service"; exec sleep 60 ;;
*) entry 1 4 nginx.service nginx "low on space"; entry 2 3 session-1.scope cron "job failed" ;;
esac
`
	if err := os.WriteFile(script, []byte(body), 0o700); err != nil {
		t.Fatal(err)
	}
	sink := &locked{m: newMemory(), ch: make(chan struct{}, 10)}
	j := NewJournal(JournalOptions{Command: script, Root: "/", LookBack: 5, Marks: nil, Now: time.Now}, sink, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	for range 3 {
		select {
		case <-sink.ch:
		case <-time.After(20 * time.Second):
			t.Fatal("journal gives nothing")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range sink.m.entries {
		got = append(got, fmt.Sprintf("%s %s %d %s", telemetry.Lookup(e.Source.Resource, "service.name"), e.Severity.Text(), e.TimeNS, e.Body))
	}
	want := []string{"nginx WARN 1700000000000010000 low on space", "cron ERROR 1700000000000020000 job failed", "sshd ERROR 1700000000000030000 ERROR from a service"}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if _, restarts := j.Records(); restarts != 1 {
		t.Errorf("%d restarts, want 1", restarts)
	}
	// Another run of the agent starts behind what was stored.
	again := NewJournal(JournalOptions{Command: script, Root: "/", LookBack: 5, Marks: sink.m.marks, Now: time.Now}, sink, slog.New(slog.DiscardHandler))
	if args := strings.Join(again.args(), " "); !strings.Contains(args, "--after-cursor=c3") || !strings.Contains(args, "--no-tail") {
		t.Error("arguments after a restart:", args)
	}
	again.cursor = ""
	if args := strings.Join(again.args(), " "); !strings.Contains(args, "--since=@1700000000.000031") {
		t.Error("arguments without the cursor:", args)
	}
}
