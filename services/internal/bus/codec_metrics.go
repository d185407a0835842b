package bus

import (
	"encoding/binary"
	"math"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	telemetryv1 "github.com/faultline-io/faultline/proto/gen/faultline/telemetry/v1"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

var bodyPool = sync.Pool{New: func() any { b := make([]byte, 0, 256<<10); return &b }}

// EncodeMetrics returns m as a sealed telemetry.v1.MetricsBatch. The header is not part of it: it travels beside the data.
//
// The sample columns are written by hand, since they are all but a few bytes of a batch; the rest goes through the generated
// code. Both are the same wire format.
func EncodeMetrics(m *model.Metrics) ([]byte, error) {
	if err := checkMetrics(m); err != nil {
		return nil, err
	}
	buf := bodyPool.Get().(*[]byte)
	defer func() { *buf = (*buf)[:0]; bodyPool.Put(buf) }()
	body := (*buf)[:0]

	body = appendTag(body, 1, 2)
	body = binary.AppendUvarint(body, uint64(4*len(m.MetricIDs)))
	for _, v := range m.MetricIDs {
		body = binary.LittleEndian.AppendUint32(body, v)
	}
	body = appendTag(body, 2, 2)
	body = binary.AppendUvarint(body, uint64(8*len(m.SeriesIDs)))
	for _, v := range m.SeriesIDs {
		body = binary.LittleEndian.AppendUint64(body, v)
	}
	if len(m.Counts) > 0 {
		body = appendPackedUint32(body, 3, m.Counts)
	}
	body = appendDeltas(body, 4, m.TimesMS)
	body = appendTag(body, 5, 2)
	body = binary.AppendUvarint(body, uint64(8*len(m.Values)))
	for _, v := range m.Values {
		body = binary.LittleEndian.AppendUint64(body, math.Float64bits(v))
	}
	if len(m.Stale) > 0 {
		body = appendPackedUint32(body, 6, m.Stale)
	}
	var err error
	if rest := metricsRest(m); rest != nil {
		if body, err = (proto.MarshalOptions{}).MarshalAppend(body, rest); err != nil {
			return nil, errs.New(errs.Invalid, "encode metrics batch: %w", err)
		}
	}
	*buf = body
	return seal(nil, body), nil
}

// checkMetrics refuses a batch whose columns do not fit together; a batch that passes can be decoded.
func checkMetrics(m *model.Metrics) error {
	if len(m.MetricIDs) != len(m.SeriesIDs) {
		return errs.New(errs.Invalid, "metrics batch has %d metric ids for %d series", len(m.MetricIDs), len(m.SeriesIDs))
	}
	if len(m.TimesMS) != len(m.Values) {
		return errs.New(errs.Invalid, "metrics batch has %d times for %d values", len(m.TimesMS), len(m.Values))
	}
	if len(m.Counts) == 0 {
		if len(m.SeriesIDs) != len(m.Values) {
			return errs.New(errs.Invalid, "metrics batch has %d runs of one sample for %d samples", len(m.SeriesIDs), len(m.Values))
		}
	} else {
		if len(m.Counts) != len(m.SeriesIDs) {
			return errs.New(errs.Invalid, "metrics batch has %d counts for %d runs", len(m.Counts), len(m.SeriesIDs))
		}
		var n uint64
		for _, c := range m.Counts {
			n += uint64(c)
		}
		if n != uint64(len(m.Values)) {
			return errs.New(errs.Invalid, "metrics batch counts %d samples and has %d", n, len(m.Values))
		}
	}
	for _, i := range m.Stale {
		if int(i) >= len(m.Values) {
			return errs.New(errs.Invalid, "metrics batch marks sample %d of %d as stale", i, len(m.Values))
		}
	}
	return nil
}

func appendPackedUint32(dst []byte, field int, vs []uint32) []byte {
	n := 0
	for _, v := range vs {
		n += protowire.SizeVarint(uint64(v))
	}
	dst = appendTag(dst, field, 2)
	dst = binary.AppendUvarint(dst, uint64(n))
	for _, v := range vs {
		dst = binary.AppendUvarint(dst, uint64(v))
	}
	return dst
}

func appendDeltas(dst []byte, field int, vs []int64) []byte {
	n, prev := 0, int64(0)
	for _, v := range vs {
		n += protowire.SizeVarint(protowire.EncodeZigZag(v - prev))
		prev = v
	}
	dst = appendTag(dst, field, 2)
	dst = binary.AppendUvarint(dst, uint64(n))
	prev = 0
	for _, v := range vs {
		dst = binary.AppendUvarint(dst, protowire.EncodeZigZag(v-prev))
		prev = v
	}
	return dst
}

// metricsRest returns the parts of m that go through the generated code, or nil.
func metricsRest(m *model.Metrics) *telemetryv1.MetricsBatch {
	if len(m.Announced)+len(m.Metadata)+len(m.Histograms)+len(m.Exemplars) == 0 {
		return nil
	}
	p := &telemetryv1.MetricsBatch{}
	for i := range m.Announced {
		s := &m.Announced[i]
		p.Announced = append(p.Announced, &telemetryv1.Series{Id: s.ID, MetricId: s.MetricID, Name: s.Name, Labels: labelsToProto(s.Labels), ShardHash: s.ShardHash})
	}
	for i := range m.Metadata {
		d := &m.Metadata[i]
		p.Metadata = append(p.Metadata, &telemetryv1.MetricMetadata{Family: d.Family, Original: d.Original, Type: d.Type, Unit: d.Unit, Help: d.Help})
	}
	for i := range m.Histograms {
		h := &m.Histograms[i]
		p.Histograms = append(p.Histograms, &telemetryv1.HistogramSample{
			MetricId: h.MetricID, SeriesId: h.SeriesID, TimeMs: h.TimeMS, Stale: h.Stale, Schema: h.Schema, ZeroThreshold: h.ZeroThreshold,
			ZeroCount: h.ZeroCount, Count: h.Count, Sum: h.Sum, PositiveSpans: h.PositiveSpans, PositiveBuckets: h.PositiveBuckets,
			NegativeSpans: h.NegativeSpans, NegativeBuckets: h.NegativeBuckets, CustomValues: h.CustomValues, Float: h.Float, ResetHint: uint32(h.ResetHint),
		})
	}
	for i := range m.Exemplars {
		e := &m.Exemplars[i]
		p.Exemplars = append(p.Exemplars, &telemetryv1.Exemplar{MetricId: e.MetricID, SeriesId: e.SeriesID, TimeMs: e.TimeMS, Value: e.Value, Labels: labelsToProto(e.Labels)})
	}
	return p
}

func labelsToProto(ls []model.Label) []*telemetryv1.Label {
	back := make([]telemetryv1.Label, len(ls))
	out := make([]*telemetryv1.Label, len(ls))
	for i, l := range ls {
		back[i].Name, back[i].Value = l.Name, l.Value
		out[i] = &back[i]
	}
	return out
}

func labelsFromProto(ls []*telemetryv1.Label) []model.Label {
	if len(ls) == 0 {
		return nil
	}
	out := make([]model.Label, len(ls))
	for i, l := range ls {
		out[i] = model.Label{Name: l.GetName(), Value: l.GetValue()}
	}
	return out
}

// DecodeMetrics opens a batch of EncodeMetrics into m, replacing its columns and keeping its header. Bytes from anywhere are safe:
// they give errs.Invalid, and memory stays within a small multiple of the opened body.
func DecodeMetrics(data []byte, m *model.Metrics) error {
	body, err := open(data)
	if err != nil {
		return err
	}
	var p telemetryv1.MetricsBatch
	if err := proto.Unmarshal(body, &p); err != nil {
		return errs.New(errs.Invalid, "decode metrics batch: %w", err)
	}
	*m = model.Metrics{Header: m.Header, MetricIDs: p.MetricIds, SeriesIDs: p.SeriesIds, Counts: p.Counts, Values: p.Values, Stale: p.Stale}
	m.TimesMS = p.TimeDeltasMs
	var t int64
	for i, d := range m.TimesMS {
		t += d
		m.TimesMS[i] = t
	}
	for _, s := range p.Announced {
		m.Announced = append(m.Announced, model.Series{ID: s.Id, MetricID: s.MetricId, Name: s.Name, Labels: labelsFromProto(s.Labels), ShardHash: s.ShardHash})
	}
	for _, d := range p.Metadata {
		m.Metadata = append(m.Metadata, model.MetricMetadata{Family: d.Family, Original: d.Original, Type: d.Type, Unit: d.Unit, Help: d.Help})
	}
	for _, h := range p.Histograms {
		m.Histograms = append(m.Histograms, model.HistogramSample{
			MetricID: h.MetricId, SeriesID: h.SeriesId, TimeMS: h.TimeMs, Stale: h.Stale, Schema: h.Schema, ZeroThreshold: h.ZeroThreshold,
			ZeroCount: h.ZeroCount, Count: h.Count, Sum: h.Sum, PositiveSpans: h.PositiveSpans, PositiveBuckets: h.PositiveBuckets,
			NegativeSpans: h.NegativeSpans, NegativeBuckets: h.NegativeBuckets, CustomValues: h.CustomValues, Float: h.Float, ResetHint: uint8(h.ResetHint),
		})
	}
	for _, e := range p.Exemplars {
		m.Exemplars = append(m.Exemplars, model.Exemplar{MetricID: e.MetricId, SeriesID: e.SeriesId, TimeMS: e.TimeMs, Value: e.Value, Labels: labelsFromProto(e.Labels)})
	}
	return checkMetrics(m)
}
