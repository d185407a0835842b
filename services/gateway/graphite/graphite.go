// Package graphite turns Graphite's plaintext protocol into samples, with VictoriaMetrics' parser: path value time, one a line, with
// tags as path;name=value where a sender knows them. Dots of a path become underscores. The protocol has no answers: a bad line is
// counted.
package graphite

import (
	"bytes"
	"context"
	"sync"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/protoparser/graphite"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/naming"
	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/model"
)

// Receiver handles lines. It is safe for several goroutines.
type Receiver struct {
	core *intake.Core
}

// New returns a receiver.
func New(core *intake.Core) *Receiver { return &Receiver{core: core} }

type parser struct {
	rows  graphite.Rows
	names naming.Arena
}

var parsers = sync.Pool{New: func() any { return new(parser) }}

// Write publishes the lines of body. What is refused is counted in req. Errors are those of the bus.
func (r *Receiver) Write(ctx context.Context, req *intake.Request, body []byte) error {
	b := r.core.Metrics(req)
	defer b.Close()
	p := parsers.Get().(*parser)
	defer parsers.Put(p)
	for len(body) > 0 {
		line := body
		if i := bytes.IndexByte(body, '\n'); i >= 0 {
			line, body = body[:i], body[i+1:]
		} else {
			body = nil
		}
		if !plausible(line) {
			if len(bytes.TrimSpace(line)) > 0 {
				req.Reject(model.SignalMetrics, limits.InvalidData, 1)
			}
			continue
		}
		p.rows.Unmarshal(wire.String(line))
		if len(p.rows.Rows) == 0 {
			req.Reject(model.SignalMetrics, limits.InvalidData, 1)
			continue
		}
		for i := range p.rows.Rows {
			p.write(b, req, &p.rows.Rows[i])
		}
		if err := b.Split(ctx); err != nil {
			return err
		}
	}
	return b.Flush(ctx)
}

// plausible tells lines of rubbish from others before the parser, which writes each that it cannot read to the log.
func plausible(line []byte) bool {
	path, rest := cutField(line)
	if len(path) == 0 || path[0] == ';' {
		return false
	}
	value, rest := cutField(rest)
	at, rest := cutField(rest)
	more, _ := cutField(rest)
	return numeric(value) && (len(at) == 0 || numeric(at)) && len(more) == 0
}

// cutField returns the first word of s and what follows it.
func cutField(s []byte) (word, rest []byte) {
	i := 0
	for i < len(s) && space(s[i]) {
		i++
	}
	j := i
	for j < len(s) && !space(s[j]) {
		j++
	}
	return s[i:j], s[j:]
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// numeric reports whether b is a number in digits, as the protocol has them.
func numeric(b []byte) bool {
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		b = b[1:]
	}
	digits, dots, exps := 0, 0, 0
	for i, c := range b {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case c == '.' && exps == 0:
			dots++
		case (c == 'e' || c == 'E') && digits > 0:
			exps++
			digits = 0
		case (c == '-' || c == '+') && i > 0 && (b[i-1] == 'e' || b[i-1] == 'E'):
		default:
			return false
		}
	}
	return digits > 0 && dots <= 1 && exps <= 1
}

func (p *parser) write(b *intake.Metrics, req *intake.Request, r *graphite.Row) {
	p.names.Reset()
	l := &b.Labels
	l.Reset()
	l.Add(model.LabelName, p.names.Metric(r.Metric))
	for i := range r.Tags {
		l.Add(p.names.Label(r.Tags[i].Key), r.Tags[i].Value)
	}
	if reason := b.Begin(); reason != "" {
		req.Reject(model.SignalMetrics, reason, 1)
		return
	}
	b.Sample(millis(r.Timestamp, req), r.Value)
}

// millis returns the time of a line, which is in seconds; 0 and -1 are now, and what is too large for seconds is milliseconds.
func millis(t int64, req *intake.Request) int64 {
	switch {
	case t == 0 || t == -1:
		return req.ReceivedAt.UnixMilli()
	case t > 1e11 || t < -1e11:
		return t
	}
	return t * 1000
}
