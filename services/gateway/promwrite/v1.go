package promwrite

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Receiver handles remote write messages. It is safe for several goroutines.
type Receiver struct {
	core *intake.Core
}

// New returns a receiver.
func New(core *intake.Core) *Receiver { return &Receiver{core: core} }

// Written counts what was accepted, for the answer of version 2.
type Written struct {
	Samples    int
	Histograms int
	Exemplars  int
}

// WriteV1 publishes the prometheus.WriteRequest in body. What is refused is counted in req; a malformed message is errs.Invalid,
// and then nothing, or only full batches before the broken place, was published. body may be reused afterwards.
func (r *Receiver) WriteV1(ctx context.Context, req *intake.Request, body []byte) (Written, error) {
	b := r.core.Metrics(req)
	defer b.Close()
	w := writers.Get().(*writer)
	*w = writer{b: b, req: req, hist: w.hist}
	defer w.release()
	m := wire.Read(body)
	for m.Next() {
		var err error
		switch {
		case m.Is(1, wire.Bytes):
			if w.enqueue(m.Data) {
				err = w.drain(ctx)
			}
		case m.Is(3, wire.Bytes):
			err = w.metadata(m.Data)
		case m.Field == 4, m.Field == 5:
			err = fmt.Errorf("%w: this is a version 2 message under the content type of version 1", wire.ErrMalformed)
		}
		if err != nil {
			return w.written, wrap(err)
		}
	}
	if m.Err() != nil {
		return w.written, wrap(m.Err())
	}
	if err := w.drain(ctx); err != nil {
		return w.written, wrap(err)
	}
	return w.written, b.Flush(ctx)
}

func wrap(err error) error {
	if errs.KindOf(err) == errs.Internal {
		return errs.New(errs.Invalid, "remote write message: %w", err)
	}
	return err
}

// writer walks one request.
type writer struct {
	b       *intake.Metrics
	req     *intake.Request
	written Written
	hist    histogram
	// queue holds series whose keys are computed, so that they are looked up together.
	queued int
	queue  [queueLen]queuedSeries
	keys   [queueLen]uint64
}

// queueLen is how many series are looked up together: enough to hide the waits for memory, few enough to stay in the nearest cache.
const queueLen = 32

type queuedSeries struct {
	raw, rest []byte
}

var writers = sync.Pool{New: func() any { return new(writer) }}

// release takes the writer back without what it points to.
func (w *writer) release() {
	*w = writer{hist: w.hist}
	writers.Put(w)
}

// enqueue puts a TimeSeries into the queue and returns whether that is full.
func (w *writer) enqueue(data []byte) bool {
	n := labelPrefix(data)
	w.queue[w.queued] = queuedSeries{raw: data[:n:n], rest: data[n:]}
	w.keys[w.queued] = w.b.RawKey(data[:n])
	w.queued++
	return w.queued == queueLen
}

// drain handles what is queued.
func (w *writer) drain(ctx context.Context) error {
	n := w.queued
	w.queued = 0
	w.b.Prefetch(w.keys[:n])
	for i := range n {
		if err := w.series(&w.queue[i], w.keys[i]); err != nil {
			return err
		}
	}
	return w.b.Split(ctx)
}

// series walks one TimeSeries. Senders write labels before samples and the same labels the same way each time, so that the bytes
// of known labels say which series it is. Only new ones are read; when labels come late, a second walk collects them first.
func (w *writer) series(q *queuedSeries, key uint64) error {
	late, err := hasLabels(q.rest)
	if err != nil {
		return err
	}
	if !late && w.b.BeginKey(key) {
		return w.values(q.rest)
	}
	w.b.Labels.Reset()
	if err := w.labels(q.raw); err != nil {
		return err
	}
	if err := w.labels(q.rest); err != nil {
		return err
	}
	if reason := w.b.Begin(); reason != "" {
		return w.refuse(q.rest, reason)
	}
	if !late {
		w.b.Remember(key)
	}
	return w.values(q.rest)
}

// labelPrefix returns how many bytes of a TimeSeries are whole label fields at its start.
func labelPrefix(data []byte) int {
	i := 0
	for i+1 < len(data) && data[i] == 0x0a {
		size, n := uint64(data[i+1]), 1
		if size >= 0x80 {
			if size, n = binary.Uvarint(data[i+1:]); n <= 0 {
				return i
			}
		}
		if size > uint64(len(data)-i-1-n) {
			return i
		}
		i += 1 + n + int(size)
	}
	return i
}

// hasLabels reports whether there are label fields in the rest of a TimeSeries.
func hasLabels(rest []byte) (bool, error) {
	// The usual rest is one sample.
	if len(rest) > 2 && rest[0] == 0x12 && int(rest[1])+2 == len(rest) {
		return false, nil
	}
	m := wire.Read(rest)
	for m.Next() {
		if m.Field == 1 {
			return true, nil
		}
	}
	return false, m.Err()
}

// labels adds the labels among the fields of a TimeSeries.
func (w *writer) labels(data []byte) error {
	m := wire.Read(data)
	for m.Next() {
		if m.Is(1, wire.Bytes) {
			if err := w.label(m.Data); err != nil {
				return err
			}
		}
	}
	return m.Err()
}

func (w *writer) label(data []byte) error {
	// The usual form, read without the loop: name, then value, both shorter than 128 bytes.
	if n := len(data); n > 4 && data[0] == 0x0a && data[1] < 0x80 && int(data[1])+4 <= n {
		at := 2 + int(data[1])
		if data[at] == 0x12 && data[at+1] < 0x80 && at+2+int(data[at+1]) == n {
			w.b.Labels.Add(wire.String(data[2:at]), wire.String(data[at+2:]))
			return nil
		}
	}
	var name, value string
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Bytes):
			name = m.String()
		case m.Is(2, wire.Bytes):
			value = m.String()
		}
	}
	w.b.Labels.Add(name, value)
	return m.Err()
}

func (w *writer) values(rest []byte) error {
	m := wire.Read(rest)
	for m.Next() {
		if m.Type != wire.Bytes {
			continue
		}
		switch m.Field {
		case 2:
			ms, v, err := sample(m.Data)
			if err != nil {
				return err
			}
			if w.b.Sample(ms, v) {
				w.written.Samples++
			}
		case 3:
			if err := w.exemplar(m.Data); err != nil {
				return err
			}
		case 4:
			if err := w.hist.read(m.Data); err != nil {
				return err
			}
			w.histogram()
		}
	}
	return m.Err()
}

// refuse counts what a refused series had.
func (w *writer) refuse(rest []byte, reason string) error {
	n := 0
	m := wire.Read(rest)
	for m.Next() {
		if m.Type == wire.Bytes && m.Field >= 2 && m.Field <= 4 {
			n++
		}
	}
	w.req.Reject(model.SignalMetrics, reason, n)
	return m.Err()
}

func sample(data []byte) (ms int64, v float64, err error) {
	// The usual form, read without the loop: value, then a time of six bytes, as all times since 2004 have.
	if len(data) == 16 && data[0] == 0x09 && data[9] == 0x10 && data[14] >= 0x80 && data[15] < 0x80 {
		v = math.Float64frombits(binary.LittleEndian.Uint64(data[1:]))
		t := uint64(data[10]&0x7f) | uint64(data[11]&0x7f)<<7 | uint64(data[12]&0x7f)<<14 | uint64(data[13]&0x7f)<<21 |
			uint64(data[14]&0x7f)<<28 | uint64(data[15])<<35
		if data[10]&data[11]&data[12]&data[13] >= 0x80 {
			return int64(t), v, nil
		}
	}
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Fixed64):
			v = m.Float()
		case m.Is(2, wire.Varint):
			ms = m.Int()
		}
	}
	return ms, v, m.Err()
}

func (w *writer) exemplar(data []byte) error {
	e := model.Exemplar{}
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Bytes):
			var l model.Label
			f := wire.Read(m.Data)
			for f.Next() {
				switch {
				case f.Is(1, wire.Bytes):
					l.Name = text(f.Data)
				case f.Is(2, wire.Bytes):
					l.Value = text(f.Data)
				}
			}
			if f.Err() != nil {
				return f.Err()
			}
			if len(e.Labels) < maxExemplarLabels {
				e.Labels = append(e.Labels, l)
			}
		case m.Is(2, wire.Fixed64):
			e.Value = m.Float()
		case m.Is(3, wire.Varint):
			e.TimeMS = m.Int()
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if w.b.Exemplar(e) {
		w.written.Exemplars++
	}
	return nil
}

// maxExemplarLabels bounds an exemplar; OpenMetrics allows 128 characters in all.
const maxExemplarLabels = 16

// text copies b as valid UTF-8.
func text(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

var metricTypes = [...]string{"unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"}

func metricType(n uint64) string {
	if n < uint64(len(metricTypes)) {
		return metricTypes[n]
	}
	return metricTypes[0]
}

func (w *writer) metadata(data []byte) error {
	md := model.MetricMetadata{Type: metricTypes[0]}
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Varint):
			md.Type = metricType(m.Num)
		case m.Is(2, wire.Bytes):
			md.Family = text(m.Data)
		case m.Is(4, wire.Bytes):
			md.Help = text(m.Data)
		case m.Is(5, wire.Bytes):
			md.Unit = text(m.Data)
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if md.Family == "" {
		return fmt.Errorf("%w: metadata without a family", wire.ErrMalformed)
	}
	w.b.Metadata(md)
	return nil
}
