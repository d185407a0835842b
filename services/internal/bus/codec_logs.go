package bus

import (
	"encoding/binary"
	"math"
	"strings"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

const (
	// maxRecords bounds the records of one batch, and maxAttributes their attributes together: a batch of 1 MiB has a fraction of
	// either, and a decoder that trusted the columns alone could be made to allocate many times the body.
	maxRecords    = 1 << 20
	maxAttributes = 2 << 20

	// maxResources and maxResourceAttributes bound what a batch says of its senders.
	maxResources          = 1 << 14
	maxResourceAttributes = 1 << 10

	traceIDBytes = 16
	spanIDBytes  = 8

	// notObserved stands for "the sender did not say" in observed_offsets_ns.
	notObserved = math.MinInt64
)

// logScratch is what encoding a log batch needs besides the body.
type logScratch struct {
	strings map[string]uint32
	list    []string
	counts  []uint32
	refs    []uint32
	lengths []uint32
	offsets []int64
}

var logScratchPool = sync.Pool{New: func() any { return &logScratch{strings: make(map[string]uint32, 256)} }}

func (s *logScratch) reset() {
	clear(s.strings)
	clear(s.list)
	s.list, s.counts, s.refs, s.lengths, s.offsets = s.list[:0], s.counts[:0], s.refs[:0], s.lengths[:0], s.offsets[:0]
}

func (s *logScratch) ref(v string) uint32 {
	i, ok := s.strings[v]
	if !ok {
		i = uint32(len(s.list))
		s.strings[v] = i
		s.list = append(s.list, v)
	}
	return i
}

// EncodeLogs returns l as a sealed telemetry.v1.LogsBatch. The header is not part of it: it travels beside the data. It is written
// by hand in the format of the generated code, since logs come by the hundred thousand a second.
//
// Errors: errs.Invalid when the columns do not fit together or there are more than 1,048,576 records. l is not kept.
func EncodeLogs(l *model.Logs) ([]byte, error) {
	if err := checkLogs(l); err != nil {
		return nil, err
	}
	attributes := 0
	for _, as := range l.Attributes {
		attributes += len(as)
	}
	if attributes > maxAttributes {
		return nil, errs.New(errs.Invalid, "logs batch has %d attributes, more than %d", attributes, maxAttributes)
	}
	buf := bodyPool.Get().(*[]byte)
	s := logScratchPool.Get().(*logScratch)
	defer func() {
		*buf = (*buf)[:0]
		bodyPool.Put(buf)
		s.reset()
		logScratchPool.Put(s)
	}()
	body := (*buf)[:0]
	for i := range l.Resources {
		body = appendResource(body, &l.Resources[i])
	}
	body = appendPackedUint32(body, 2, l.ResourceIdx)
	body = appendDeltas(body, 3, l.TimesNS)
	body = appendObserved(body, l, s)
	body = appendTag(body, 5, 2)
	body = binary.AppendUvarint(body, uint64(len(l.Severity)))
	body = append(body, l.Severity...)
	body = appendTag(body, 6, 2)
	body = binary.AppendUvarint(body, uint64(8*len(l.ShapeHash)))
	for _, v := range l.ShapeHash {
		body = binary.LittleEndian.AppendUint64(body, v)
	}
	body = appendBodies(body, l, s)
	body = appendAttributes(body, l, s)
	body = appendIDs(body, 12, l.TraceIDs, traceIDBytes)
	body = appendIDs(body, 13, l.SpanIDs, spanIDBytes)
	*buf = body
	return seal(nil, body), nil
}

// checkLogs refuses a batch whose columns do not fit together.
func checkLogs(l *model.Logs) error {
	n := len(l.TimesNS)
	if n > maxRecords {
		return errs.New(errs.Invalid, "logs batch has %d records, more than %d", n, maxRecords)
	}
	if len(l.ResourceIdx) != n || len(l.Severity) != n || len(l.ShapeHash) != n || len(l.Bodies) != n {
		return errs.New(errs.Invalid, "logs batch has %d times, %d resources, %d severities, %d shapes, %d bodies", n, len(l.ResourceIdx), len(l.Severity), len(l.ShapeHash), len(l.Bodies))
	}
	for _, c := range []int{len(l.ObservedNS), len(l.Attributes), len(l.TraceIDs), len(l.SpanIDs)} {
		if c != 0 && c != n {
			return errs.New(errs.Invalid, "logs batch has an optional column of %d entries for %d records", c, n)
		}
	}
	if len(l.Resources) > maxResources {
		return errs.New(errs.Invalid, "logs batch has %d resources, more than %d", len(l.Resources), maxResources)
	}
	for i := range l.Resources {
		if n := len(l.Resources[i].Attributes); n > maxResourceAttributes {
			return errs.New(errs.Invalid, "a resource has %d attributes, more than %d", n, maxResourceAttributes)
		}
	}
	for _, i := range l.ResourceIdx {
		if uint64(i) >= uint64(len(l.Resources)) {
			return errs.New(errs.Invalid, "logs batch refers to resource %d of %d", i, len(l.Resources))
		}
	}
	if err := checkIDs("trace", l.TraceIDs, traceIDBytes); err != nil {
		return err
	}
	return checkIDs("span", l.SpanIDs, spanIDBytes)
}

func checkIDs(what string, ids []string, size int) error {
	for _, id := range ids {
		if len(id) != 0 && len(id) != size {
			return errs.New(errs.Invalid, "%s id has %d bytes, not %d", what, len(id), size)
		}
	}
	return nil
}

func appendResource(dst []byte, r *model.Resource) []byte {
	n := 9
	for i := range r.Attributes {
		n += sizeBytes(sizeLabel(&r.Attributes[i]))
	}
	service, host := validUTF8(r.Service), validUTF8(r.Host)
	n += sizeString(service) + sizeString(host)
	dst = appendTag(dst, 1, 2)
	dst = binary.AppendUvarint(dst, uint64(n))
	dst = appendTag(dst, 1, 1)
	dst = binary.LittleEndian.AppendUint64(dst, r.ID)
	for i := range r.Attributes {
		dst = appendLabel(dst, 2, &r.Attributes[i])
	}
	dst = appendString(dst, 3, service)
	return appendString(dst, 4, host)
}

func appendLabel(dst []byte, field int, l *model.Label) []byte {
	dst = appendTag(dst, field, 2)
	dst = binary.AppendUvarint(dst, uint64(sizeLabel(l)))
	dst = appendString(dst, 1, validUTF8(l.Name))
	return appendString(dst, 2, validUTF8(l.Value))
}

func sizeLabel(l *model.Label) int {
	return sizeString(validUTF8(l.Name)) + sizeString(validUTF8(l.Value))
}

// sizeBytes and sizeString are the sizes of a field with a tag of one byte; an empty string is not written.
func sizeBytes(n int) int { return 1 + protowire.SizeBytes(n) }

func sizeString(s string) int {
	if s == "" {
		return 0
	}
	return sizeBytes(len(s))
}

func appendString(dst []byte, field int, s string) []byte {
	if s == "" {
		return dst
	}
	dst = appendTag(dst, field, 2)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// validUTF8 returns s as protobuf strings must be; what is not UTF-8 becomes U+FFFD.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func appendObserved(dst []byte, l *model.Logs, s *logScratch) []byte {
	said := false
	for i, o := range l.ObservedNS {
		if o == 0 {
			s.offsets = append(s.offsets, notObserved)
			continue
		}
		said = true
		s.offsets = append(s.offsets, o-l.TimesNS[i])
	}
	if !said {
		return dst
	}
	n := 0
	for _, v := range s.offsets {
		n += protowire.SizeVarint(protowire.EncodeZigZag(v))
	}
	dst = appendTag(dst, 4, 2)
	dst = binary.AppendUvarint(dst, uint64(n))
	for _, v := range s.offsets {
		dst = binary.AppendUvarint(dst, protowire.EncodeZigZag(v))
	}
	return dst
}

func appendBodies(dst []byte, l *model.Logs, s *logScratch) []byte {
	total := 0
	for _, b := range l.Bodies {
		total += len(b)
		s.lengths = append(s.lengths, uint32(len(b)))
	}
	dst = appendTag(dst, 7, 2)
	dst = binary.AppendUvarint(dst, uint64(total))
	for _, b := range l.Bodies {
		dst = append(dst, b...)
	}
	return appendPackedUint32(dst, 8, s.lengths)
}

func appendAttributes(dst []byte, l *model.Logs, s *logScratch) []byte {
	for _, as := range l.Attributes {
		s.counts = append(s.counts, uint32(len(as)))
		for i := range as {
			s.refs = append(s.refs, s.ref(as[i].Name), s.ref(as[i].Value))
		}
	}
	if len(s.refs) == 0 {
		return dst
	}
	dst = appendPackedUint32(dst, 9, s.counts)
	for _, v := range s.list {
		v = validUTF8(v)
		dst = appendTag(dst, 10, 2) // also when empty: positions count
		dst = binary.AppendUvarint(dst, uint64(len(v)))
		dst = append(dst, v...)
	}
	return appendPackedUint32(dst, 11, s.refs)
}

func appendIDs(dst []byte, field int, ids []string, size int) []byte {
	any := false
	for _, id := range ids {
		any = any || id != ""
	}
	if !any {
		return dst
	}
	dst = appendTag(dst, field, 2)
	dst = binary.AppendUvarint(dst, uint64(size*len(ids)))
	var zero [traceIDBytes]byte
	for _, id := range ids {
		if id == "" {
			dst = append(dst, zero[:size]...)
			continue
		}
		dst = append(dst, id...)
	}
	return dst
}
