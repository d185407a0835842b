package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// JournalOptions say how to read the journal.
type JournalOptions struct {
	// Command is the program, journalctl unless in a test. Root is the mount point of the host's file system.
	Command string
	Root    string
	// LookBack is the number of entries that a first start sends.
	LookBack int
	// Marks are the stored positions of the last run.
	Marks map[string]string
	Now   func() time.Time
}

// journalFields are the fields that are asked for and kept; there are a dozen more per entry that nobody looks at.
var journalFields = [...]string{"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_SYSTEMD_USER_UNIT", "UNIT", "_PID", "_COMM",
	"_TRANSPORT", "_SOURCE_REALTIME_TIMESTAMP", "_BOOT_ID", "CONTAINER_NAME"}

// The marks of the journal: the cursor of the last entry that was stored, and its time in microseconds.
const (
	markCursor      = "journal:cursor"
	maxSources      = 1024
	journalRestart  = 2 * time.Second
	journalMaxPause = time.Minute
)

// Journal follows systemd's journal through a journalctl child process: reading its files natively needs libsystemd and with it cgo.
type Journal struct {
	opts    JournalOptions
	sink    Sink
	log     *slog.Logger
	sources map[string]*Source
	cursor  string // where the next child starts
	micros  int64

	// mu guards records and restarts.
	mu       sync.Mutex
	records  uint64
	restarts uint64
}

// journalMark is a Marker; every entry has its own.
type journalMark struct {
	cursor string
	micros int64
}

// MarkName implements Marker; the journal has one position.
func (m *journalMark) MarkName() string { return markCursor }

// MarkValue implements Marker.
func (m *journalMark) MarkValue(int64) string {
	return strconv.FormatInt(m.micros, 10) + " " + m.cursor
}

// HasJournal says whether root has a journal with files in it and a journalctl to read it.
func HasJournal(command, root string) bool {
	if _, err := exec.LookPath(command); err != nil {
		return false
	}
	for _, dir := range []string{"/var/log/journal", "/run/log/journal"} {
		if m, err := filepath.Glob(filepath.Join(root, dir, "*", "*.journal")); err == nil && len(m) > 0 {
			return true
		}
	}
	return false
}

// NewJournal returns a Journal that hands records to sink.
func NewJournal(opts JournalOptions, sink Sink, log *slog.Logger) *Journal {
	j := &Journal{opts: opts, sink: sink, log: log, sources: map[string]*Source{}}
	if micros, cursor, ok := strings.Cut(opts.Marks[markCursor], " "); ok {
		j.cursor = cursor
		j.micros, _ = strconv.ParseInt(micros, 10, 64)
	}
	return j
}

// Records returns how many entries were read and how often journalctl had to be started again.
func (j *Journal) Records() (records, restarts uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.records, j.restarts
}

// Run follows the journal until ctx ends. A child that ends is started again behind the last entry that was read; when it refuses the
// cursor (the journal was thrown away), it starts at the entry's time.
func (j *Journal) Run(ctx context.Context) error {
	pause := journalRestart
	for {
		n, err := j.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if n > 0 {
			pause = journalRestart
		} else {
			if j.cursor != "" {
				j.log.WarnContext(ctx, "journal refuses the stored cursor; going on by time", slog.String("cursor", j.cursor))
				j.cursor = ""
			}
			pause = min(pause*2, journalMaxPause)
		}
		j.mu.Lock()
		j.restarts++
		j.mu.Unlock()
		j.log.WarnContext(ctx, "journalctl ended; it is started again", slog.Duration("in", pause), slog.String("error", errText(err)))
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

func errText(err error) string {
	if err == nil {
		return "it ended by itself"
	}
	return err.Error()
}

func (j *Journal) args() []string {
	args := []string{"--output=export", "--follow", "--no-pager", "--quiet", "--output-fields=" + strings.Join(journalFields[:], ",")}
	if j.opts.Root != "" && j.opts.Root != "/" {
		args = append(args, "--directory="+filepath.Join(j.opts.Root, "var/log/journal"))
	}
	switch {
	case j.cursor != "":
		return append(args, "--no-tail", "--after-cursor="+j.cursor)
	case j.micros > 0:
		return append(args, "--no-tail", fmt.Sprintf("--since=@%d.%06d", (j.micros+1)/1e6, (j.micros+1)%1e6))
	}
	return append(args, "--lines="+strconv.Itoa(j.opts.LookBack))
}

// follow runs one child and returns how many entries it gave.
func (j *Journal) follow(ctx context.Context) (n int, err error) {
	cmd := exec.CommandContext(ctx, j.opts.Command, j.args()...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0")
	cmd.WaitDelay = time.Second
	release := dieWithParent(cmd)
	defer release()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	var said tail
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	x := newExportReader(out, wantedField)
	for {
		fields, rerr := x.next()
		if rerr != nil {
			err = rerr
			break
		}
		j.put(fields)
		n++
	}
	if cmd.Process != nil && !errors.Is(err, io.EOF) {
		_ = cmd.Process.Kill() // a stream that cannot be parsed: the next child starts behind the last good entry
	}
	werr := cmd.Wait()
	if said.String() != "" {
		werr = errors.Join(werr, errors.New(said.String()))
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, errors.Join(err, werr)
}

func wantedField(name string) bool {
	if name == "__CURSOR" || name == "__REALTIME_TIMESTAMP" {
		return true
	}
	for _, f := range journalFields {
		if f == name {
			return true
		}
	}
	return false
}

// put hands one entry on.
func (j *Journal) put(fields map[string]string) {
	cursor := fields["__CURSOR"]
	received, _ := strconv.ParseInt(fields["__REALTIME_TIMESTAMP"], 10, 64)
	if cursor == "" {
		return
	}
	j.cursor, j.micros = cursor, received
	message := fields["MESSAGE"]
	if message == "" {
		return
	}
	micros := received
	if v, err := strconv.ParseInt(fields["_SOURCE_REALTIME_TIMESTAMP"], 10, 64); err == nil && v > 0 && v <= received {
		micros = v
	}
	j.mu.Lock()
	j.records++
	j.mu.Unlock()
	var attrs telemetry.Attrs
	if pid, err := strconv.ParseInt(fields["_PID"], 10, 64); err == nil {
		attrs = telemetry.Attrs{telemetry.Int("process.pid", pid)}
	}
	j.sink.Put(&Entry{Source: j.source(fields), TimeNS: micros * 1000, ObservedNS: j.opts.Now().UnixNano(), Severity: journalSeverity(fields, message),
		Body: message, Attrs: attrs, Marker: &journalMark{cursor, received}})
}

// journalSeverity takes the priority, except that whatever a service prints has priority 6: there the message itself knows better.
func journalSeverity(fields map[string]string, message string) Severity {
	p := fields["PRIORITY"]
	if len(p) != 1 || p[0] < '0' || p[0] > '7' {
		return ParseSeverity(message)
	}
	s := syslogSeverities[p[0]-'0']
	if s == Info {
		if own := ParseSeverity(message); own != Unspecified {
			return own
		}
	}
	return s
}

func (j *Journal) source(fields map[string]string) *Source {
	unit, ident := fields["_SYSTEMD_UNIT"], fields["SYSLOG_IDENTIFIER"]
	if unit == "init.scope" && fields["UNIT"] != "" {
		unit = fields["UNIT"] // what systemd itself says about a unit belongs to that unit
	}
	key := unit + "\x00" + ident + "\x00" + fields["_COMM"] + "\x00" + fields["CONTAINER_NAME"]
	if s := j.sources[key]; s != nil {
		return s
	}
	if len(j.sources) >= maxSources {
		clear(j.sources)
	}
	attrs := telemetry.Strs("service.name", journalService(fields, unit, ident))
	if unit != "" {
		attrs = append(attrs, telemetry.Str("systemd.unit", unit))
	}
	record := telemetry.Strs("log.source", "journald")
	if ident != "" {
		record = append(record, telemetry.Str("syslog.identifier", ident))
	}
	if c := fields["_COMM"]; c != "" {
		record = append(record, telemetry.Str("process.executable.name", c))
	}
	s := &Source{Resource: attrs, Record: record}
	j.sources[key] = s
	return s
}

// journalService is the name of the service unit; scopes and sessions are named by who writes in them.
func journalService(fields map[string]string, unit, ident string) string {
	if c := fields["CONTAINER_NAME"]; c != "" {
		return c
	}
	if name, ok := strings.CutSuffix(unit, ".service"); ok && !strings.HasPrefix(name, "user@") {
		return name
	}
	if u, ok := strings.CutSuffix(fields["_SYSTEMD_USER_UNIT"], ".service"); ok {
		return u
	}
	for _, s := range []string{ident, fields["_COMM"], fields["_TRANSPORT"]} {
		if s != "" {
			return s
		}
	}
	return "journal"
}

// tail keeps the end of what a child said to stderr.
type tail struct{ buf []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - bufio.MaxScanTokenSize/64; over > 0 {
		t.buf = t.buf[over:]
	}
	return len(p), nil
}

// String returns it without blanks around.
func (t *tail) String() string { return strings.TrimSpace(string(t.buf)) }
