// Package fluent takes logs as Fluentd, Fluent Bit and Docker forward them: msgpack over TCP in the modes message, forward, packed forward and
// compressed packed forward, with acknowledgements and the handshake of a shared key. A message is read whole, within a bound, and decoded in place.
package fluent

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/tinylib/msgp/msgp"

	"github.com/faultline-io/faultline/services/gateway/event"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// MaxMessageBytes is the longest message: Fluentd's chunks have 8 MiB by default, Fluent Bit's 2.
const MaxMessageBytes = 16 << 20

// maxDepth is how deep a message may nest; the format needs five levels, and records some more.
const maxDepth = 32

// Reader reads messages off a connection. It belongs to one goroutine.
type Reader struct {
	in  *msgp.Reader
	buf bounded
}

// NewReader returns a reader over src; grow is asked before memory grows.
func NewReader(src io.Reader, grow func(int64) error) *Reader {
	r := &Reader{in: msgp.NewReaderSize(src, 16<<10), buf: bounded{max: MaxMessageBytes, grow: grow}}
	r.in.SetMaxRecursionDepth(maxDepth)
	return r
}

// Limit sets the longest message from now on, in bytes; it is MaxMessageBytes at first.
func (r *Reader) Limit(n int) { r.buf.max = n }

// Next returns the next message, valid until the next call. Errors: io.EOF at the end, errs.Invalid for one that is too long or deep.
func (r *Reader) Next() ([]byte, error) {
	if cap(r.buf.b) > 1<<20 {
		r.buf.b = nil // The rare giant does not stay.
	}
	r.buf.b = r.buf.b[:0]
	if _, err := r.in.CopyNext(&r.buf); err != nil {
		if errors.Is(err, io.EOF) && len(r.buf.b) > 0 {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if msgp.NextType(r.buf.b) != msgp.ArrayType {
		return nil, errs.New(errs.Invalid, "fluent: %w", errShape) // Somebody speaks another protocol: every byte would be a message.
	}
	return r.buf.b, nil
}

// bounded is a buffer that does not grow beyond a message.
type bounded struct {
	b    []byte
	max  int
	grow func(int64) error
}

// Write appends.
func (w *bounded) Write(p []byte) (int, error) {
	n := len(w.b) + len(p)
	if n > w.max {
		return 0, errs.New(errs.Invalid, "fluent: a message of more than %d bytes", w.max)
	}
	if n > cap(w.b) {
		size := max(2*cap(w.b), n, 4<<10)
		if w.grow != nil {
			if err := w.grow(int64(size)); err != nil {
				return 0, err
			}
		}
		grown := make([]byte, len(w.b), size)
		copy(grown, w.b)
		w.b = grown
	}
	w.b = append(w.b, p...)
	return len(p), nil
}

// Opener opens compressed entries, at most so many bytes of them.
type Opener func(dst, body []byte, encoding string) ([]byte, error)

// Decoder writes the entries of messages as events. It belongs to one goroutine.
type Decoder struct {
	w    *event.Writer
	req  *intake.Request
	open Opener
	tag  []byte
	path []byte
	json bytes.Buffer
	left int // fields of the record that are still taken
}

// NewDecoder returns a decoder of one request. Close it.
func NewDecoder(core *intake.Core, req *intake.Request, open Opener) *Decoder {
	return &Decoder{w: event.New(core, req, event.Options{}), req: req, open: open}
}

// Close drops what was not flushed.
func (d *Decoder) Close() { d.w.Close() }

// Flush publishes what was decoded.
func (d *Decoder) Flush(ctx context.Context) error { return d.w.Flush(ctx) }

// errShape says that msgpack is none of the modes.
var errShape = errors.New("this is not the forward protocol")

// Message adds the entries of one message. chunk is not empty when the sender wants it acknowledged, after Flush.
// Errors: errs.Invalid, and those of the sink.
func (d *Decoder) Message(ctx context.Context, msg []byte) (chunk string, err error) {
	chunk, err = d.message(ctx, msg)
	if err != nil && errs.KindOf(err) == errs.Internal {
		d.req.Reject(model.SignalLogs, limits.InvalidData, 1)
		return "", errs.New(errs.Invalid, "fluent: %w", err)
	}
	return chunk, err
}

func (d *Decoder) message(ctx context.Context, b []byte) (string, error) {
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil {
		return "", err
	}
	if n < 2 || n > 4 {
		return "", errShape
	}
	if d.tag, b, err = textOf(b); err != nil {
		return "", err
	}
	var entries, at, record, option []byte
	kind := msgp.NextType(b)
	first := b
	if b, err = msgp.Skip(b); err != nil {
		return "", err
	}
	switch kind {
	case msgp.ArrayType, msgp.StrType, msgp.BinType:
		entries = first
		if n > 3 {
			return "", errShape
		}
		if n == 3 {
			option = b
		}
	default: // [tag, time, record, option?]
		if n < 3 {
			return "", errShape
		}
		at, record = first, b
		if b, err = msgp.Skip(b); err != nil {
			return "", err
		}
		if n == 4 {
			option = b
		}
	}
	o, err := options(option)
	if err != nil {
		return "", err
	}
	switch {
	case record != nil:
		return o.chunk, d.entry(ctx, at, record)
	case kind == msgp.ArrayType:
		return o.chunk, d.list(ctx, entries)
	}
	return o.chunk, d.packed(ctx, entries, o.compressed)
}

// option is what a sender asks for.
type option struct {
	chunk      string
	compressed string
}

// maxChunkID bounds what goes back to the sender as it came: sixteen bytes in base64, as a rule.
const maxChunkID = 256

func options(b []byte) (option, error) {
	var o option
	if len(b) == 0 || msgp.NextType(b) != msgp.MapType {
		return o, nil
	}
	n, b, err := msgp.ReadMapHeaderBytes(b)
	for ; n > 0 && err == nil; n-- {
		var k, v []byte
		if k, b, err = msgp.ReadMapKeyZC(b); err != nil {
			break
		}
		if t := msgp.NextType(b); t != msgp.StrType && t != msgp.BinType {
			b, err = msgp.Skip(b)
			continue
		}
		if v, b, err = textOf(b); err != nil {
			break
		}
		switch string(k) {
		case "chunk":
			if len(v) > maxChunkID {
				return o, errShape
			}
			o.chunk = string(v)
		case "compressed":
			o.compressed = string(v)
		}
	}
	return o, err
}

// textOf reads a string or bytes; senders mix them up.
func textOf(b []byte) (v, rest []byte, err error) {
	if msgp.NextType(b) == msgp.BinType {
		return msgp.ReadBytesZC(b)
	}
	return msgp.ReadStringZC(b)
}

// list reads forward mode: a list of entries.
func (d *Decoder) list(ctx context.Context, b []byte) error {
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	for ; n > 0 && err == nil; n-- {
		b, err = d.pair(ctx, b)
	}
	return err
}

// packed reads packed forward mode: entries one after the other, as bytes.
func (d *Decoder) packed(ctx context.Context, b []byte, compressed string) error {
	data, _, err := textOf(b)
	if err != nil {
		return err
	}
	if compressed != "" && compressed != "text" {
		if data, err = d.open(nil, data, compressed); err != nil {
			return err
		}
	}
	for len(data) > 0 {
		if data, err = d.pair(ctx, data); err != nil {
			return err
		}
	}
	return nil
}

// pair reads [time, record], or Fluent Bit's [[time, metadata], record].
func (d *Decoder) pair(ctx context.Context, b []byte) ([]byte, error) {
	n, b, err := msgp.ReadArrayHeaderBytes(b)
	if err != nil {
		return nil, err
	}
	if n < 2 {
		return nil, errShape
	}
	at := b
	if b, err = msgp.Skip(b); err != nil {
		return nil, err
	}
	record := b
	for ; n > 1; n-- {
		if b, err = msgp.Skip(b); err != nil {
			return nil, err
		}
	}
	if msgp.NextType(at) == msgp.ArrayType {
		inner, rest, err := msgp.ReadArrayHeaderBytes(at)
		if err != nil || inner < 1 {
			return nil, errShape
		}
		at = rest
	}
	return b, d.entry(ctx, at, record)
}

// eventTime is the extension that has nanoseconds.
const eventTime = 0

// timeOf reads seconds, or an event time.
func timeOf(b []byte) (int64, bool) {
	switch msgp.NextType(b) {
	case msgp.IntType, msgp.UintType:
		v, _, err := msgp.ReadInt64Bytes(b)
		return v * 1e9, err == nil && v > 0 && v < 1<<33
	case msgp.Float64Type:
		v, _, err := msgp.ReadFloat64Bytes(b)
		return int64(v * 1e9), err == nil && v > 0 && v < 1<<33
	}
	x := msgp.RawExtension{Type: eventTime}
	if _, err := msgp.ReadExtensionBytes(b, &x); err != nil || len(x.Data) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint32(x.Data))*1e9 + int64(binary.BigEndian.Uint32(x.Data[4:])), true
}

// maxFields bounds the fields of a record.
const maxFields = 1024

func (d *Decoder) entry(ctx context.Context, at, record []byte) error {
	w := d.w
	w.Begin()
	if ns, ok := timeOf(at); ok {
		w.SetTime(ns)
	}
	d.path, d.left = d.path[:0], maxFields
	if _, err := d.fields(record, 0); err != nil {
		return err
	}
	w.SetAttribute("fluent.tag", d.tag)
	w.DefaultResource(model.AttrServiceName, d.tag)
	d.json.Reset()
	if !w.HasMessage() {
		if _, err := d.asJSON(record); err != nil {
			return err
		}
	}
	_, err := w.End(ctx, d.json.Bytes())
	return err
}

// fields adds the fields of a map, nested ones with their path.
func (d *Decoder) fields(b []byte, depth int) ([]byte, error) {
	n, b, err := msgp.ReadMapHeaderBytes(b)
	if err != nil {
		return nil, err
	}
	at := len(d.path)
	for ; n > 0; n-- {
		var k []byte
		if k, b, err = msgp.ReadMapKeyZC(b); err != nil {
			return nil, err
		}
		if at > 0 {
			d.path = append(d.path, '.')
		}
		d.path = append(d.path, k...)
		if msgp.NextType(b) == msgp.MapType && depth < maxDepth/2 {
			b, err = d.fields(b, depth+1)
		} else {
			b, err = d.field(b)
		}
		d.path = d.path[:at]
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (d *Decoder) field(b []byte) ([]byte, error) {
	if d.left--; d.left < 0 {
		if d.left == -1 {
			d.req.Note(model.SignalLogs, limits.AttributesDropped, 1)
		}
		return msgp.Skip(b)
	}
	switch t := msgp.NextType(b); t {
	case msgp.StrType, msgp.BinType:
		v, rest, err := textOf(b)
		if err != nil {
			return nil, err
		}
		d.w.Set(d.path, bytes.TrimRight(v, "\r\n"), false) // Docker and tail keep the end of the line.
		return rest, nil
	case msgp.NilType:
		return msgp.Skip(b)
	default:
		rest, err := d.asJSON(b)
		if err != nil {
			return nil, err
		}
		number := t == msgp.IntType || t == msgp.UintType || t == msgp.Float64Type || t == msgp.Float32Type
		d.w.Set(d.path, d.json.Bytes(), number)
		return rest, nil
	}
}

// asJSON writes the first value of b into d.json; the library's function would write all of them.
func (d *Decoder) asJSON(b []byte) (rest []byte, err error) {
	d.json.Reset()
	if rest, err = msgp.Skip(b); err != nil {
		return nil, err
	}
	_, err = msgp.UnmarshalAsJSON(&d.json, b[:len(b)-len(rest)])
	return rest, err
}

// Acknowledgement returns the answer to a message with a chunk.
func Acknowledgement(chunk string) []byte {
	b := msgp.AppendMapHeader(nil, 1)
	b = msgp.AppendString(b, "ack")
	return msgp.AppendString(b, chunk)
}
