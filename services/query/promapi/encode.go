package promapi

import (
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// encode returns the whole answer.
func (r reply) encode() []byte {
	buf := append(make([]byte, 0, len(r.data)+64), `{"status":"success","data":`...)
	buf = append(buf, r.data...)
	buf = appendNotes(buf, "warnings", r.warnings)
	buf = appendNotes(buf, "infos", r.infos)
	return append(buf, '}')
}

func appendNotes(buf []byte, name string, notes []string) []byte {
	if len(notes) == 0 {
		return buf
	}
	buf = append(buf, `,"`...)
	buf = append(buf, name...)
	buf = append(buf, `":[`...)
	for i, n := range notes {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendString(buf, n)
	}
	return append(buf, ']')
}

func encodeError(kind, text string) []byte {
	buf := append([]byte(`{"status":"error","errorType":`), appendString(nil, kind)...)
	buf = append(buf, `,"error":`...)
	return append(appendString(buf, text), '}')
}

func replyJSON(v any) (reply, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return reply{}, errs.New(errs.Internal, "encode answer: %w", err)
	}
	return reply{data: b}, nil
}

// encodeValue returns the data of a query's answer, with at most limit series (0: all), and whether some were cut off.
func encodeValue(v parser.Value, limit int) (data []byte, cut bool) {
	buf := append([]byte(`{"resultType":"`), v.Type()...)
	buf = append(buf, `","result":`...)
	keep := func(n int) int {
		if limit > 0 && n > limit {
			cut = true
			return limit
		}
		return n
	}
	switch v := v.(type) {
	case promql.Matrix:
		buf = appendMatrix(buf, v[:keep(len(v))])
	case promql.Vector:
		buf = appendVector(buf, v[:keep(len(v))])
	case promql.Scalar:
		buf = appendPoint(buf, v.T, v.V)
	case promql.String:
		buf = append(appendTime(append(buf, '['), v.T), ',')
		buf = append(appendString(buf, v.V), ']')
	default:
		buf = append(buf, "null"...)
	}
	return append(buf, '}'), cut
}

func appendMatrix(buf []byte, m promql.Matrix) []byte {
	buf = append(buf, '[')
	for i, s := range m {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendLabels(append(buf, `{"metric":`...), s.Metric)
		for j, p := range s.Floats {
			buf = append(buf, separator(j, `,"values":[`)...)
			buf = appendPoint(buf, p.T, p.F)
		}
		if len(s.Floats) > 0 {
			buf = append(buf, ']')
		}
		for j, p := range s.Histograms {
			buf = append(buf, separator(j, `,"histograms":[`)...)
			buf = appendHistogramPoint(buf, p.T, p.H)
		}
		if len(s.Histograms) > 0 {
			buf = append(buf, ']')
		}
		buf = append(buf, '}')
	}
	return append(buf, ']')
}

// separator returns what stands before element i of a list that begins with open.
func separator(i int, open string) string {
	if i == 0 {
		return open
	}
	return ","
}

func appendVector(buf []byte, v promql.Vector) []byte {
	buf = append(buf, '[')
	for i, s := range v {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendLabels(append(buf, `{"metric":`...), s.Metric)
		if s.H == nil {
			buf = appendPoint(append(buf, `,"value":`...), s.T, s.F)
		} else {
			buf = appendHistogramPoint(append(buf, `,"histogram":`...), s.T, s.H)
		}
		buf = append(buf, '}')
	}
	return append(buf, ']')
}

func appendPoint(buf []byte, t int64, v float64) []byte {
	buf = append(appendTime(append(buf, '['), t), ',')
	return append(appendFloat(buf, v), ']')
}

func appendHistogramPoint(buf []byte, t int64, h *histogram.FloatHistogram) []byte {
	buf = append(appendTime(append(buf, '['), t), ',')
	return append(appendHistogram(buf, h), ']')
}

// appendTime writes milliseconds as seconds with as many decimals as it takes.
func appendTime(buf []byte, ms int64) []byte {
	if ms < 0 {
		buf = append(buf, '-')
		ms = -ms
	}
	buf = strconv.AppendInt(buf, ms/1000, 10)
	frac := ms % 1000
	if frac == 0 {
		return buf
	}
	return append(buf, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
}

// appendFloat writes a value in quotes, as Prometheus does, since JSON has no infinities.
func appendFloat(buf []byte, v float64) []byte {
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	buf = append(buf, '"')
	buf = strconv.AppendFloat(buf, v, format, -1, 64)
	return append(buf, '"')
}

func appendHistogram(buf []byte, h *histogram.FloatHistogram) []byte {
	buf = appendFloat(append(buf, `{"count":`...), h.Count)
	buf = appendFloat(append(buf, `,"sum":`...), h.Sum)
	n := 0
	for it := h.AllBucketIterator(); it.Next(); {
		b := it.At()
		if b.Count == 0 {
			continue
		}
		buf = append(buf, separator(n, `,"buckets":[`)...)
		n++
		buf = append(buf, '[', boundaries(b.LowerInclusive, b.UpperInclusive), ',')
		buf = append(appendFloat(buf, b.Lower), ',')
		buf = append(appendFloat(buf, b.Upper), ',')
		buf = append(appendFloat(buf, b.Count), ']')
	}
	if n > 0 {
		buf = append(buf, ']')
	}
	return append(buf, '}')
}

// boundaries is the digit that says which ends belong to a bucket: 0 the upper, 1 the lower, 2 neither, 3 both.
func boundaries(lower, upper bool) byte {
	switch {
	case lower && upper:
		return '3'
	case lower:
		return '1'
	case upper:
		return '0'
	}
	return '2'
}

func appendLabels(buf []byte, ls labels.Labels) []byte {
	buf = append(buf, '{')
	first := true
	ls.Range(func(l labels.Label) {
		if !first {
			buf = append(buf, ',')
		}
		first = false
		buf = append(appendString(buf, l.Name), ':')
		buf = appendString(buf, l.Value)
	})
	return append(buf, '}')
}

// appendString writes s as JSON. Nearly all labels need no escaping, and are copied.
func appendString(buf []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			b, _ := json.Marshal(s) // a string always encodes
			return append(buf, b...)
		}
	}
	buf = append(buf, '"')
	buf = append(buf, s...)
	return append(buf, '"')
}
