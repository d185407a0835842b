package bus

import (
	"encoding/binary"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// logColumns are the raw fields of a LogsBatch that need each other to become columns.
type logColumns struct {
	bodies   []byte
	lengths  []uint32
	counts   []uint32
	strings  []string
	refs     []uint32
	traceIDs []byte
	spanIDs  []byte
}

// DecodeLogs opens a batch of EncodeLogs into l, replacing its columns and keeping its header. The capacity of l's columns is used
// again; all strings share one new buffer, which lives as long as any of them. Bytes from anywhere are safe: they give
// errs.Invalid, and memory stays within a small multiple of the opened body.
func DecodeLogs(data []byte, l *model.Logs) error {
	body, err := open(data)
	if err != nil {
		return err
	}
	l.Resources = l.Resources[:0]
	l.ResourceIdx, l.TimesNS, l.ObservedNS = l.ResourceIdx[:0], l.TimesNS[:0], l.ObservedNS[:0]
	l.Severity, l.ShapeHash, l.Bodies = l.Severity[:0], l.ShapeHash[:0], l.Bodies[:0]
	l.Attributes, l.TraceIDs, l.SpanIDs = nil, nil, nil
	var c logColumns
	for len(body) > 0 {
		num, typ, n := protowire.ConsumeTag(body)
		if n < 0 {
			return malformed("logs batch", n)
		}
		body = body[n:]
		m, err := logField(body, num, typ, l, &c)
		if err != nil {
			return err
		}
		body = body[m:]
	}
	return c.finish(l)
}

func malformed(what string, n int) error {
	return errs.New(errs.Invalid, "decode %s: %w", what, protowire.ParseError(n))
}

// logField reads one field and returns its size.
func logField(b []byte, num protowire.Number, typ protowire.Type, l *model.Logs, c *logColumns) (int, error) {
	if typ != protowire.BytesType {
		// Unknown fields and unpacked numbers, which another writer may use.
		n := protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return 0, malformed("logs batch", n)
		}
		return n, unpackedLogField(b, num, typ, l, c)
	}
	v, n := protowire.ConsumeBytes(b)
	if n < 0 {
		return 0, malformed("logs batch", n)
	}
	var err error
	switch num {
	case 1:
		if len(l.Resources) >= maxResources {
			return 0, errs.New(errs.Invalid, "logs batch has more than %d resources", maxResources)
		}
		var r model.Resource
		if r, err = decodeResource(v); err == nil {
			l.Resources = append(l.Resources, r)
		}
	case 2:
		l.ResourceIdx, err = packedUint32(v, l.ResourceIdx, maxRecords)
	case 3:
		l.TimesNS, err = packedSint64(v, l.TimesNS)
	case 4:
		l.ObservedNS, err = packedSint64(v, l.ObservedNS)
	case 5:
		l.Severity = append(l.Severity[:0], v...)
	case 6:
		l.ShapeHash, err = packedFixed64(v, l.ShapeHash)
	case 7:
		c.bodies = v
	case 8:
		c.lengths, err = packedUint32(v, c.lengths, maxRecords)
	case 9:
		c.counts, err = packedUint32(v, c.counts, maxRecords)
	case 10:
		if len(c.strings) >= 2*maxAttributes {
			return 0, errs.New(errs.Invalid, "logs batch has more than %d attribute strings", 2*maxAttributes)
		}
		c.strings = append(c.strings, text(v))
	case 11:
		c.refs, err = packedUint32(v, c.refs, 2*maxAttributes)
	case 12:
		c.traceIDs = v
	case 13:
		c.spanIDs = v
	}
	return n, err
}

// unpackedLogField reads one number of a repeated field that is not packed.
func unpackedLogField(b []byte, num protowire.Number, typ protowire.Type, l *model.Logs, c *logColumns) error {
	if num == 6 && typ == protowire.Fixed64Type {
		var err error
		l.ShapeHash, err = packedFixed64(b[:8], l.ShapeHash)
		return err
	}
	if typ != protowire.VarintType {
		return nil
	}
	_, n := protowire.ConsumeVarint(b)
	b = b[:n]
	var err error
	switch num {
	case 2:
		l.ResourceIdx, err = packedUint32(b, l.ResourceIdx, maxRecords)
	case 3:
		l.TimesNS, err = packedSint64(b, l.TimesNS)
	case 4:
		l.ObservedNS, err = packedSint64(b, l.ObservedNS)
	case 8:
		c.lengths, err = packedUint32(b, c.lengths, maxRecords)
	case 9:
		c.counts, err = packedUint32(b, c.counts, maxRecords)
	case 11:
		c.refs, err = packedUint32(b, c.refs, 2*maxAttributes)
	}
	return err
}

// finish turns the raw fields into columns and checks that all of them fit together.
func (c *logColumns) finish(l *model.Logs) error {
	var t int64
	for i, d := range l.TimesNS {
		t += d
		l.TimesNS[i] = t
	}
	if len(l.ObservedNS) != 0 && len(l.ObservedNS) != len(l.TimesNS) {
		return errs.New(errs.Invalid, "logs batch has %d observed times for %d records", len(l.ObservedNS), len(l.TimesNS))
	}
	for i, o := range l.ObservedNS {
		if o == notObserved {
			l.ObservedNS[i] = 0
		} else {
			l.ObservedNS[i] = l.TimesNS[i] + o
		}
	}
	bodies := text(c.bodies)
	for _, n := range c.lengths {
		if uint64(n) > uint64(len(bodies)) {
			return errs.New(errs.Invalid, "logs batch has bodies longer than their bytes")
		}
		l.Bodies = append(l.Bodies, bodies[:n])
		bodies = bodies[n:]
	}
	if bodies != "" {
		return errs.New(errs.Invalid, "logs batch has %d bytes after its bodies", len(bodies))
	}
	if err := c.attributes(l); err != nil {
		return err
	}
	var err error
	if l.TraceIDs, err = splitIDs(c.traceIDs, traceIDBytes, len(l.TimesNS)); err != nil {
		return err
	}
	if l.SpanIDs, err = splitIDs(c.spanIDs, spanIDBytes, len(l.TimesNS)); err != nil {
		return err
	}
	return checkLogs(l)
}

func (c *logColumns) attributes(l *model.Logs) error {
	if len(c.counts) == 0 {
		return nil
	}
	if len(c.refs)%2 != 0 {
		return errs.New(errs.Invalid, "logs batch has half an attribute")
	}
	all := make([]model.Label, len(c.refs)/2)
	for i := range all {
		n, v := c.refs[2*i], c.refs[2*i+1]
		if uint64(n) >= uint64(len(c.strings)) || uint64(v) >= uint64(len(c.strings)) {
			return errs.New(errs.Invalid, "logs batch refers to an attribute string outside its %d", len(c.strings))
		}
		all[i] = model.Label{Name: c.strings[n], Value: c.strings[v]}
	}
	l.Attributes = make([][]model.Label, len(c.counts))
	for i, n := range c.counts {
		if uint64(n) > uint64(len(all)) {
			return errs.New(errs.Invalid, "logs batch counts more attributes than it has")
		}
		if n > 0 {
			l.Attributes[i] = all[:n:n]
			all = all[n:]
		}
	}
	if len(all) != 0 {
		return errs.New(errs.Invalid, "logs batch has %d attributes of no record", len(all))
	}
	return nil
}

func decodeResource(b []byte) (model.Resource, error) {
	var r model.Resource
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return r, malformed("resource", n)
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return r, malformed("resource", n)
		}
		switch {
		case num == 1 && typ == protowire.Fixed64Type:
			r.ID = binary.LittleEndian.Uint64(b)
		case typ == protowire.BytesType:
			v, _ := protowire.ConsumeBytes(b)
			switch num {
			case 2:
				a, err := decodeLabel(v)
				if err != nil {
					return r, err
				}
				if len(r.Attributes) >= maxResourceAttributes {
					return r, errs.New(errs.Invalid, "a resource has more than %d attributes", maxResourceAttributes)
				}
				r.Attributes = append(r.Attributes, a)
			case 3:
				r.Service = text(v)
			case 4:
				r.Host = text(v)
			}
		}
		b = b[n:]
	}
	return r, nil
}

func decodeLabel(b []byte) (model.Label, error) {
	var l model.Label
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return l, malformed("label", n)
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return l, malformed("label", n)
		}
		if typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(b)
			switch num {
			case 1:
				l.Name = text(v)
			case 2:
				l.Value = text(v)
			}
		}
		b = b[n:]
	}
	return l, nil
}

// text returns b as a string without copying; nothing writes to an opened body.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func packedUint32(b []byte, dst []uint32, limit int) ([]uint32, error) {
	for len(b) > 0 {
		v, n := uint64(b[0]), 1
		if v >= 0x80 {
			if v, n = protowire.ConsumeVarint(b); n < 0 {
				return dst, malformed("numbers", n)
			}
		}
		if len(dst) >= limit {
			return dst, errs.New(errs.Invalid, "batch has a column of more than %d numbers", limit)
		}
		dst = append(dst, uint32(v))
		b = b[n:]
	}
	return dst, nil
}

func packedSint64(b []byte, dst []int64) ([]int64, error) {
	for len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return dst, malformed("times", n)
		}
		if len(dst) >= maxRecords {
			return dst, errs.New(errs.Invalid, "batch has a column of more than %d times", maxRecords)
		}
		dst = append(dst, protowire.DecodeZigZag(v))
		b = b[n:]
	}
	return dst, nil
}

func packedFixed64(b []byte, dst []uint64) ([]uint64, error) {
	if len(b)%8 != 0 {
		return dst, errs.New(errs.Invalid, "batch has a column of hashes of %d bytes", len(b))
	}
	if len(dst)+len(b)/8 > maxRecords {
		return dst, errs.New(errs.Invalid, "batch has more than %d hashes", maxRecords)
	}
	for ; len(b) > 0; b = b[8:] {
		dst = append(dst, binary.LittleEndian.Uint64(b))
	}
	return dst, nil
}

// splitIDs cuts n ids out of b; all-zero ones are absent.
func splitIDs(b []byte, size, n int) ([]string, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) != size*n {
		return nil, errs.New(errs.Invalid, "logs batch has %d bytes of ids for %d records", len(b), n)
	}
	var zero [traceIDBytes]byte
	s, none := text(b), text(zero[:size])
	out := make([]string, n)
	for i := range out {
		if id := s[i*size : (i+1)*size]; id != none {
			out[i] = id
		}
	}
	return out, nil
}
