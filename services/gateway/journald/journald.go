// Package journald takes what systemd-journal-upload sends: the journal export format, entry after entry, in one request that may last as long as
// the journal grows. It reads field by field and holds one field at a time.
package journald

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/event"
	"github.com/faultline-io/faultline/services/gateway/frames"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

const (
	// maxFieldBytes is how much of a field is kept; a core dump in the journal is not a log line.
	maxFieldBytes = 1 << 20
	// maxName is the longest name that journald takes.
	maxName = 64
	// maxSkipBytes is the longest binary field that is skipped; journald's own limit is 768 MiB.
	maxSkipBytes = 1 << 30
)

// ContentType is what the uploader sends.
const ContentType = "application/vnd.fdo.journal"

// Receiver handles uploads. It is safe for several goroutines.
type Receiver struct {
	core *intake.Core
}

// New returns a receiver.
func New(core *intake.Core) *Receiver { return &Receiver{core: core} }

// entry is the entry being read.
type entry struct {
	w      *event.Writer
	in     *frames.Reader
	fields int
	body   bool
	// Times in microseconds, and what the service is named after.
	received, source                  int64
	unit, userUnit, objectUnit, ident string
	comm, transport, containerName    string
	priority                          int
}

// Upload publishes the entries of body. grow is asked before memory grows.
// Errors: errs.Invalid when body is not the export format, those of body, and those of the sink; entries before are published then.
func (r *Receiver) Upload(ctx context.Context, req *intake.Request, body io.Reader, grow func(int64) error) error {
	e := &entry{w: event.New(r.core, req, event.Options{}), in: frames.New(body, '\n', maxFieldBytes, func(n int64) error { return grow(2<<20 + 3*n) })}
	defer e.w.Close()
	e.begin()
	for {
		line, err := e.in.Next()
		if errors.Is(err, io.EOF) {
			if err := e.end(ctx); err != nil {
				return err
			}
			return e.w.Flush(ctx)
		}
		if err != nil {
			return err
		}
		if len(line) == 0 {
			if err := e.end(ctx); err != nil {
				return err
			}
			continue
		}
		if err := e.line(line); err != nil {
			return errors.Join(err, e.w.Flush(ctx))
		}
	}
}

func (e *entry) begin() {
	w, in := e.w, e.in
	*e = entry{w: w, in: in, priority: -1}
	w.Begin()
}

// line reads NAME=value, or NAME before a binary value.
func (e *entry) line(line []byte) error {
	if i := bytes.IndexByte(line, '='); i > 0 {
		if i > maxName {
			return errs.New(errs.Invalid, "journal: a field name of %d bytes", i)
		}
		e.field(string(line[:i]), line[i+1:])
		return nil
	}
	if len(line) > maxName || e.in.Cut() {
		return errs.New(errs.Invalid, "journal: this is not the export format")
	}
	return e.binary(string(line))
}

// binary reads a length of eight bytes, the value, and a newline.
func (e *entry) binary(name string) error {
	head, err := e.in.Take(8)
	if err != nil {
		return early(err)
	}
	n := binary.LittleEndian.Uint64(head)
	if n > maxSkipBytes {
		return errs.New(errs.Invalid, "journal: a field of %d bytes", n)
	}
	value, err := e.in.Take(int(n))
	if err != nil {
		return early(err)
	}
	e.field(name, value)
	for left := int(n) - len(value); left > 0; {
		k, err := e.in.Discard(left)
		if err != nil {
			return early(err)
		}
		left -= k
	}
	if end, err := e.in.Take(1); err != nil {
		return early(err)
	} else if end[0] != '\n' {
		return errs.New(errs.Invalid, "journal: a binary field has no end")
	}
	return nil
}

func early(err error) error {
	if errors.Is(err, io.EOF) {
		return errs.New(errs.Invalid, "journal: the upload ends within a field")
	}
	return err
}

// attributes are fields under OpenTelemetry's names; the others keep theirs.
var attributes = map[string]string{
	"_PID": "process.pid", "_COMM": "process.executable.name", "_EXE": "process.executable.path", "_CMDLINE": "process.command_line",
	"SYSLOG_IDENTIFIER": "syslog.identifier", "SYSLOG_FACILITY": "syslog.facility", "CODE_FILE": "code.file.path", "CODE_LINE": "code.line.number", "CODE_FUNC": "code.function.name",
}

// plumbing are fields that say nothing to a reader of logs.
var plumbing = map[string]bool{
	"__CURSOR": true, "__MONOTONIC_TIMESTAMP": true, "__SEQNUM": true, "__SEQNUM_ID": true, "_SOURCE_MONOTONIC_TIMESTAMP": true, "_SOURCE_BOOTTIME_TIMESTAMP": true,
	"_CAP_EFFECTIVE": true, "_SELINUX_CONTEXT": true, "_STREAM_ID": true, "_SYSTEMD_INVOCATION_ID": true, "SYSLOG_TIMESTAMP": true, "SYSLOG_RAW": true, "_RUNTIME_SCOPE": true,
}

func (e *entry) field(name string, value []byte) {
	if len(value) == 0 || plumbing[name] {
		return
	}
	e.fields++
	keep := func(dst *string) { *dst = strings.Clone(string(value)) }
	switch name {
	case "MESSAGE":
		e.w.SetBody(value)
		e.body = true
		return
	case "PRIORITY":
		if len(value) == 1 && value[0] >= '0' && value[0] <= '7' {
			e.priority = int(value[0] - '0')
		}
		return
	case "__REALTIME_TIMESTAMP":
		e.received, _ = strconv.ParseInt(string(value), 10, 64)
		return
	case "_SOURCE_REALTIME_TIMESTAMP":
		e.source, _ = strconv.ParseInt(string(value), 10, 64)
		return
	case "_HOSTNAME":
		e.w.SetResource(model.AttrHostName, value)
		return
	case "_MACHINE_ID":
		e.w.SetResource(model.AttrHostID, value)
		return
	case "CONTAINER_ID_FULL":
		e.w.SetResource(model.AttrContainerID, value)
		return
	case "_SYSTEMD_UNIT":
		keep(&e.unit)
		return
	case "_SYSTEMD_USER_UNIT":
		keep(&e.userUnit)
	case "UNIT":
		keep(&e.objectUnit)
	case "SYSLOG_IDENTIFIER":
		keep(&e.ident)
	case "_COMM":
		keep(&e.comm)
	case "_TRANSPORT":
		keep(&e.transport)
	case "CONTAINER_NAME":
		keep(&e.containerName)
		e.w.SetResource("container.name", value)
		return
	}
	if known := attributes[name]; known != "" {
		name = known
	}
	e.w.SetAttribute(intake.Valid(name), value)
}

// end finishes the entry; one without fields, or without a message, is none.
func (e *entry) end(ctx context.Context) error {
	defer e.begin()
	if !e.body {
		return nil
	}
	micros := e.received
	if e.source > 0 && e.source <= e.received {
		micros = e.source
	}
	if micros > 0 && micros < 1<<53 {
		e.w.SetTime(micros * 1000)
	}
	// Whatever a service prints has priority 6: there the message itself knows better.
	if e.priority >= 0 && e.priority != 6 {
		e.w.SetSeverity(event.SyslogSeverity(e.priority))
	} else if e.priority == 6 {
		e.w.DefaultSeverity(event.SyslogSeverity(6))
	}
	unit := e.unit
	if unit == "init.scope" && e.objectUnit != "" {
		unit = e.objectUnit // what systemd itself says about a unit belongs to that unit
	}
	e.w.SetResource(model.AttrServiceName, []byte(e.service(unit)))
	e.w.SetResource("systemd.unit", []byte(unit))
	_, err := e.w.End(ctx, nil)
	return err
}

// service is the name of the service unit, as our agent has it; scopes and sessions are named by who writes in them.
func (e *entry) service(unit string) string {
	if e.containerName != "" {
		return e.containerName
	}
	if name, ok := strings.CutSuffix(unit, ".service"); ok && !strings.HasPrefix(name, "user@") {
		return name
	}
	if u, ok := strings.CutSuffix(e.userUnit, ".service"); ok {
		return u
	}
	for _, s := range []string{e.ident, e.comm, e.transport} {
		if s != "" {
			return s
		}
	}
	return "journal"
}
