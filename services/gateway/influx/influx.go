// Package influx turns InfluxDB's line protocol into samples, with VictoriaMetrics' parser and its naming: each field is a metric
// measurement_field, tags are labels, the database is the label db. Lines are read one by one, so that a bad one costs itself alone.
// Fields of text are left out; the parser of line protocol keeps numbers only.
package influx

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/protoparser/influx"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/naming"
	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Receiver handles bodies of line protocol. It is safe for several goroutines.
type Receiver struct {
	core *intake.Core
}

// New returns a receiver.
func New(core *intake.Core) *Receiver { return &Receiver{core: core} }

// Options are what the sender's address says.
type Options struct {
	// DB becomes the label db where a line has no tag of that name.
	DB string
	// Precision of the times: ns, us, ms, s, m or h; with "" a time is told by its size.
	Precision string
}

// labelDB is the label of the database.
const labelDB = "db"

// maxLine bounds one line; a line of a hundred tags and fields has about ten kilobytes.
const maxLine = 256 << 10

type parser struct {
	rows  influx.Rows
	names naming.Arena
}

var parsers = sync.Pool{New: func() any { return new(parser) }}

// Write publishes the lines of body. It returns what is wrong with the first bad line, nil when there is none; the good ones are
// published all the same. What is refused is counted in req. Errors: errs.Invalid for a precision nobody knows, else as the bus has them.
func (r *Receiver) Write(ctx context.Context, req *intake.Request, body []byte, o Options) (lineErr, err error) {
	unit, ok := precisions[o.Precision]
	if !ok {
		return nil, errs.New(errs.Invalid, "precision %.16q is not one of ns, us, ms, s, m, h", o.Precision)
	}
	b := r.core.Metrics(req)
	defer b.Close()
	p := parsers.Get().(*parser)
	defer parsers.Put(p)
	w := walk{p: p, b: b, req: req, o: o, unit: unit}
	for n := 1; len(body) > 0; n++ {
		line := body
		if i := bytes.IndexByte(body, '\n'); i >= 0 {
			line, body = body[:i], body[i+1:]
		} else {
			body = nil
		}
		if bad := w.line(wire.String(line)); bad != nil && lineErr == nil {
			lineErr = fmt.Errorf("line %d: %w", n, bad)
		}
		if err := b.Split(ctx); err != nil {
			return lineErr, err
		}
	}
	return lineErr, b.Flush(ctx)
}

// precisions are the units of times in nanoseconds; 0 is told by the size.
var precisions = map[string]int64{"": 0, "n": 1, "ns": 1, "u": 1e3, "us": 1e3, "µ": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9}

type walk struct {
	p    *parser
	b    *intake.Metrics
	req  *intake.Request
	o    Options
	unit int64
}

func (w *walk) line(s string) error {
	if len(s) > maxLine {
		w.req.Reject(model.SignalMetrics, limits.BodyTooLarge, 1)
		return errs.New(errs.Invalid, "longer than %d bytes", maxLine)
	}
	if err := w.p.rows.Unmarshal(s, false); err != nil {
		w.req.Reject(model.SignalMetrics, limits.InvalidData, 1)
		text := err.Error()
		if i := strings.LastIndex(text, `": `); i >= 0 { // The parser repeats the line.
			text = text[i+3:]
		}
		return errs.New(errs.Invalid, "%.200s", text)
	}
	for i := range w.p.rows.Rows {
		w.row(&w.p.rows.Rows[i], s)
	}
	return nil
}

func (w *walk) row(r *influx.Row, line string) {
	w.p.names.Reset()
	ms := w.time(r.Timestamp)
	quoted := strings.IndexByte(line, '"') >= 0
	l := &w.b.Labels
	for i := range r.Fields {
		f := &r.Fields[i]
		if quoted && f.Value == 0 && isText(line, f.Key) {
			continue
		}
		l.Reset()
		l.Add(model.LabelName, w.p.names.Join(r.Measurement, f.Key))
		hasDB := false
		for j := range r.Tags {
			t := &r.Tags[j]
			hasDB = hasDB || t.Key == labelDB
			l.Add(w.p.names.Label(t.Key), t.Value)
		}
		if !hasDB {
			l.Add(labelDB, w.o.DB)
		}
		if reason := w.b.Begin(); reason != "" {
			w.req.Reject(model.SignalMetrics, reason, 1)
			continue
		}
		w.b.Sample(ms, f.Value)
	}
}

// isText reports whether a field whose value reads as zero is text in the line: the parser makes a zero of what is not a number.
func isText(line, key string) bool {
	i := strings.Index(line, key+`="`)
	if i < 0 {
		return false
	}
	text := line[i+len(key)+2:]
	end := strings.IndexByte(text, '"')
	if end < 0 {
		return true
	}
	_, err := strconv.ParseFloat(text[:end], 64)
	return err != nil
}

// time returns Unix milliseconds; a line without a time is of now.
func (w *walk) time(t int64) int64 {
	switch {
	case t == 0:
		return w.req.ReceivedAt.UnixMilli()
	case w.unit == 0:
		return guessMillis(t)
	case w.unit >= 1e6:
		n := w.unit / 1e6
		if t > math.MaxInt64/n || t < math.MinInt64/n {
			return math.MaxInt64
		}
		return t * n
	}
	return t / (1e6 / w.unit)
}

// guessMillis reads a time of unknown unit: below 10^11 it is seconds, below 10^14 milliseconds, below 10^17 microseconds, else
// nanoseconds, which is what the protocol means.
func guessMillis(t int64) int64 {
	switch {
	case t < 1e11:
		return t * 1000
	case t < 1e14:
		return t
	case t < 1e17:
		return t / 1000
	}
	return t / 1e6
}
