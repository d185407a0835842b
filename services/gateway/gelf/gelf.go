// Package gelf takes logs in Graylog's extended log format: over UDP in one datagram or in chunks, plain or compressed; over TCP, where a zero
// byte ends a message; and over HTTP. Chunks wait for their others for five seconds, within bounds.
package gelf

import (
	"bytes"
	"context"

	"github.com/valyala/fastjson"

	"github.com/faultline-io/faultline/services/gateway/event"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// MaxMessageBytes is the longest message, opened: 128 chunks hold a megabyte, and text compresses.
const MaxMessageBytes = 4 << 20

// Encoding returns how a message is compressed, by its first bytes, as a Content-Encoding; "" when it is plain.
func Encoding(data []byte) string {
	switch {
	case len(data) >= 2 && data[0] == 0x1f && data[1] == 0x8b:
		return "gzip"
	case len(data) >= 2 && data[0] == 0x78 && (int(data[0])<<8|int(data[1]))%31 == 0:
		return "deflate"
	case len(data) >= 4 && data[0] == 0x28 && data[1] == 0xb5 && data[2] == 0x2f && data[3] == 0xfd:
		return "zstd"
	}
	return ""
}

// Decoder writes messages as events. It belongs to one goroutine.
type Decoder struct {
	w      *event.Writer
	req    *intake.Request
	parser fastjson.Parser
	text   []byte
	visit  func(k []byte, v *fastjson.Value)
	full   []byte
	long   bool
}

// NewDecoder returns a decoder of one request. Close it.
func NewDecoder(core *intake.Core, req *intake.Request) *Decoder {
	d := &Decoder{w: event.New(core, req, event.Options{}), req: req}
	d.visit = d.field
	return d
}

// Close drops what was not flushed.
func (d *Decoder) Close() { d.w.Close() }

// Flush publishes what was decoded.
func (d *Decoder) Flush(ctx context.Context) error { return d.w.Flush(ctx) }

// Message adds one plain message. One that is none is counted as refused. Errors: errs.Invalid for it, and those of the sink.
func (d *Decoder) Message(ctx context.Context, data []byte) error {
	v, err := d.parser.ParseBytes(data)
	if err == nil {
		var o *fastjson.Object
		if o, err = v.Object(); err == nil {
			return d.object(ctx, o, data)
		}
	}
	d.req.Reject(model.SignalLogs, limits.InvalidData, 1)
	return errs.New(errs.Invalid, "gelf: %w", err)
}

func (d *Decoder) object(ctx context.Context, o *fastjson.Object, raw []byte) error {
	d.w.Begin()
	d.full, d.long = d.full[:0], false
	short := o.Get("short_message")
	if full := o.Get("full_message"); full != nil {
		d.full, _ = event.AppendText(d.full, full)
	}
	d.text = d.text[:0]
	if short != nil {
		d.text, _ = event.AppendText(d.text, short)
	}
	switch { // The full message begins with the short one as a rule; where it does not, both are kept.
	case len(d.full) > 0:
		d.w.SetBody(d.full)
		if len(d.text) > 0 && !bytes.Contains(d.full, d.text) {
			d.w.SetAttribute("gelf.short_message", d.text)
		}
	case len(d.text) > 0:
		d.w.SetBody(d.text)
	}
	o.Visit(d.visit)
	_, err := d.w.End(ctx, raw)
	return err
}

// field adds one field that is not a message.
func (d *Decoder) field(k []byte, v *fastjson.Value) {
	switch string(k) {
	case "version", "short_message", "full_message":
		return
	}
	var number bool
	d.text, number = event.AppendText(d.text[:0], v)
	switch string(k) {
	case "host":
		d.w.SetResource(model.AttrHostName, d.text)
		return
	case "level":
		if s := event.SyslogSeverity(v.GetInt()); s != 0 && number {
			d.w.SetSeverity(s)
			return
		}
	case "timestamp":
		if ns, ok := event.ParseTime(string(d.text)); ok {
			d.w.SetTime(ns)
			return
		}
	}
	if len(k) > 1 && k[0] == '_' { // A field of the sender's own.
		k = k[1:]
	}
	if o, err := v.Object(); err == nil {
		d.w.Object(o, string(k))
		return
	}
	d.w.Set(k, d.text, number)
}
