package promapi

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

func TestEncodeValue(t *testing.T) {
	h := &histogram.FloatHistogram{Count: 3, Sum: 2.5, ZeroThreshold: 0.5, ZeroCount: 1, PositiveSpans: []histogram.Span{{Offset: 0, Length: 1}}, PositiveBuckets: []float64{2}}
	m := labels.FromStrings("__name__", "x", "odd", "a\"\\\n\x01ü")
	f := func(name string, v parser.Value, limit int, want string) {
		t.Helper()
		got, _ := encodeValue(v, limit)
		if string(got) != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
		if !json.Valid(got) {
			t.Errorf("%s: not JSON", name)
		}
	}
	f("scalar", promql.Scalar{T: 1500, V: math.Inf(1)}, 0, `{"resultType":"scalar","result":[1.500,"+Inf"]}`)
	f("negative_time", promql.Scalar{T: -1005, V: math.NaN()}, 0, `{"resultType":"scalar","result":[-1.005,"NaN"]}`)
	f("small", promql.Scalar{T: 7, V: 1e-7}, 0, `{"resultType":"scalar","result":[0.007,"1e-07"]}`)
	f("large", promql.Scalar{T: 0, V: 1e21}, 0, `{"resultType":"scalar","result":[0,"1e+21"]}`)
	f("string", promql.String{T: 1000, V: `a"b`}, 0, `{"resultType":"string","result":[1,"a\"b"]}`)
	f("vector", promql.Vector{{Metric: m, T: 1000, F: 2}}, 0, `{"resultType":"vector","result":[{"metric":{"__name__":"x","odd":"a\"\\\n\u0001ü"},"value":[1,"2"]}]}`)
	f("empty_vector", promql.Vector{}, 0, `{"resultType":"vector","result":[]}`)
	f("matrix", promql.Matrix{{Metric: labels.EmptyLabels(), Floats: []promql.FPoint{{T: 0, F: 1}, {T: 1000, F: -0.5}}}}, 0,
		`{"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"],[1,"-0.5"]]}]}`)
	f("limited", promql.Vector{{T: 0, F: 1}, {T: 0, F: 2}}, 1, `{"resultType":"vector","result":[{"metric":{},"value":[0,"1"]}]}`)
	f("histogram", promql.Vector{{T: 0, H: h}}, 0,
		`{"resultType":"vector","result":[{"metric":{},"histogram":[0,{"count":"3","sum":"2.5","buckets":[[3,"-0.5","0.5","1"],[0,"0.5","1","2"]]}]}]}`)
	f("matrix_of_both", promql.Matrix{{Floats: []promql.FPoint{{T: 0, F: 1}}, Histograms: []promql.HPoint{{T: 1000, H: &histogram.FloatHistogram{}}}}}, 0,
		`{"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"]],"histograms":[[1,{"count":"0","sum":"0"}]]}]}`)
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", `"\`, "\x00", "ü", "\xff", "</script>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal(appendString(nil, s), &back); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
	})
}
