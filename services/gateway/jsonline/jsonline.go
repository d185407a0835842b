// Package jsonline takes logs as JSON: one object a line, several objects one after the other, a list of objects, and lines of plain text in
// between. What the fields mean is what the sender says, else what their names suggest. It reads line by line, whatever the size.
package jsonline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/faultline-io/faultline/services/gateway/event"
	"github.com/faultline-io/faultline/services/gateway/frames"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// maxLineBytes is the longest line.
const maxLineBytes = 10 << 20

// maxWholeBytes is the longest list or object that spans lines: it is read whole.
const maxWholeBytes = 32 << 20

// maxTold bounds how many fields a sender may name for a purpose.
const maxTold = 32

// Options reads what the sender says about its fields from the query, under VictoriaLogs' names, and the headers it has for them.
func Options(q url.Values, header func(string) string) event.Options {
	list := func(name, headerName string) []string {
		text := q.Get(name)
		if text == "" {
			text = header(headerName)
		}
		if text == "" {
			return nil
		}
		names := strings.Split(text, ",")
		return names[:min(len(names), maxTold)]
	}
	return event.Options{
		Time: list("_time_field", "VL-Time-Field"), Message: list("_msg_field", "VL-Msg-Field"), Resource: list("_stream_fields", "VL-Stream-Fields"),
	}
}

// Receiver handles such requests. It is safe for several goroutines.
type Receiver struct {
	core *intake.Core
}

// New returns a receiver.
func New(core *intake.Core) *Receiver { return &Receiver{core: core} }

// reading is one request on its way.
type reading struct {
	w      *event.Writer
	req    *intake.Request
	parser fastjson.Parser
	strict bool
	told   bool // which field has the time
}

// Lines publishes one event for each line of body. With strict set a line that is not a JSON object is refused; otherwise it is a message.
// Errors: those of body and of the sink; a bad line is counted in req, and the others are taken.
func (r *Receiver) Lines(ctx context.Context, req *intake.Request, body io.Reader, opts event.Options, strict bool, grow func(int64) error) error {
	in := frames.New(body, '\n', maxLineBytes, growing(grow))
	x := &reading{w: event.New(r.core, req, opts), req: req, strict: strict, told: opts.Time != nil}
	defer x.w.Close()
	return x.lines(ctx, in)
}

// base is what a request holds before its lines are long.
const base = 2 << 20

// growing asks for the line, the parser's copy of it, and the values.
func growing(grow func(int64) error) func(int64) error {
	return func(n int64) error { return grow(base + 3*n) }
}

// Any publishes whatever body is: lines as Lines takes them, or one JSON text that spans lines, of an object or a list of them.
func (r *Receiver) Any(ctx context.Context, req *intake.Request, body io.Reader, opts event.Options, grow func(int64) error) error {
	in := frames.New(body, '\n', maxWholeBytes, growing(grow))
	x := &reading{w: event.New(r.core, req, opts), req: req, told: opts.Time != nil}
	defer x.w.Close()
	whole, err := spansLines(in)
	if err != nil {
		return err
	}
	if !whole {
		return x.lines(ctx, in)
	}
	text, err := in.Rest()
	if err != nil {
		return err
	}
	if in.Cut() {
		return errs.New(errs.Invalid, "a JSON text that spans lines may have %d bytes; send one object a line", maxWholeBytes)
	}
	if err := x.values(ctx, text); err != nil {
		return err
	}
	return x.w.Flush(ctx)
}

// spansLines looks at the start: a list, or a brace that its line does not close, is one JSON text.
func spansLines(in *frames.Reader) (bool, error) {
	for {
		b, err := in.Peek(1)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		switch b[0] {
		case ' ', '\t', '\r', '\n':
			if _, err := in.Discard(1); err != nil {
				return false, err
			}
			continue
		case '[':
			return true, nil
		case '{':
		default:
			return false, nil
		}
		line, err := in.PeekFrame()
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		return fastjson.ValidateBytes(line) != nil, nil
	}
}

func (x *reading) lines(ctx context.Context, in *frames.Reader) error {
	for {
		line, err := in.Next()
		if errors.Is(err, io.EOF) {
			return x.w.Flush(ctx)
		}
		if err != nil {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if in.Cut() {
			x.refuse()
			continue
		}
		if err := x.line(ctx, line); err != nil {
			return err
		}
	}
}

func (x *reading) refuse() { x.req.Reject(model.SignalLogs, limits.InvalidData, 1) }

func (x *reading) line(ctx context.Context, line []byte) error {
	if line[0] != '{' {
		if x.strict {
			x.refuse()
			return nil
		}
		return x.text(ctx, line)
	}
	v, err := x.parser.ParseBytes(line)
	if err == nil {
		return x.object(ctx, v, line)
	}
	if x.strict {
		x.refuse()
		return nil
	}
	return x.text(ctx, line)
}

func (x *reading) text(ctx context.Context, line []byte) error {
	x.w.Begin()
	x.w.SetBody(line)
	_, err := x.w.End(ctx, nil)
	return err
}

func (x *reading) object(ctx context.Context, v *fastjson.Value, raw []byte) error {
	o, err := v.Object()
	if err != nil {
		x.refuse()
		return nil
	}
	x.w.Begin()
	x.w.Object(o, "")
	if x.told && x.w.BadTime() {
		x.w.Begin()
		x.refuse()
		return nil
	}
	_, err = x.w.End(ctx, raw)
	return err
}

// values publishes JSON texts that follow one another: objects, and lists of them.
func (x *reading) values(ctx context.Context, text []byte) error {
	var sc fastjson.Scanner
	sc.InitBytes(text)
	var raw []byte
	one := func(v *fastjson.Value) error {
		raw = v.MarshalTo(raw[:0])
		if v.Type() == fastjson.TypeString {
			if s, err := v.StringBytes(); err == nil && len(s) > 0 {
				return x.text(ctx, s)
			}
		}
		return x.object(ctx, v, raw)
	}
	for sc.Next() {
		v := sc.Value()
		if v.Type() != fastjson.TypeArray {
			if err := one(v); err != nil {
				return err
			}
			continue
		}
		for _, e := range v.GetArray() {
			if err := one(e); err != nil {
				return err
			}
		}
	}
	if err := sc.Error(); err != nil {
		return errs.New(errs.Invalid, "neither JSON nor lines: %w", err)
	}
	return nil
}
