package brain_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/brain"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/model"
)

// requests returns the spans and lines of one second of a shop: web calls pay; with slow set, pay takes half a second longer by itself and says so.
func requests(at int64, slow bool) (*model.Spans, *model.Logs) {
	spans, logs := &model.Spans{}, &model.Logs{}
	for i, name := range []string{"web", "pay"} {
		attrs := []model.Label{{Name: "service.name", Value: name}, {Name: "host.name", Value: "h" + name}}
		r := model.Resource{ID: model.ResourceHash(attrs), Attributes: attrs, Service: name, Host: "h" + name}
		spans.Resources, logs.Resources = append(spans.Resources, r), append(logs.Resources, r)
		line := fmt.Sprintf("%s served request %d", name, at)
		if slow && i == 1 {
			line = fmt.Sprintf("gave up waiting for a lock after %d ms", 300+at%50)
		}
		logs.ResourceIdx, logs.TimesNS = append(logs.ResourceIdx, uint32(i)), append(logs.TimesNS, at*1e6)
		logs.Severity, logs.Bodies, logs.ShapeHash = append(logs.Severity, severityOf(slow, i)), append(logs.Bodies, line), append(logs.ShapeHash, logshape.Hash(line))
	}
	took := int64(40+at/1000%7) * 1e6
	if slow {
		took += 500e6
	}
	id := func(n int64) string { return fmt.Sprintf("%08d", n%100_000_000) }
	trace := fmt.Sprintf("%016d", at/1000)
	add := func(res uint32, n, parent int64, name string, kind uint8, start, dur int64) {
		s := model.Span{ResourceIdx: res, TraceID: trace, SpanID: id(n), Name: name, Kind: kind, StartNS: start, DurationNS: dur}
		if parent > 0 {
			s.ParentSpanID = id(parent)
		}
		spans.Spans = append(spans.Spans, s)
	}
	start := at * 1e6
	add(0, 1, 0, "GET /", 2, start, took+30e6)
	add(0, 2, 1, "POST", 3, start+10e6, took+10e6)
	add(1, 3, 2, "POST /charge", 2, start+15e6, took)
	return spans, logs
}

// Spans and logs alone, without a single metric, must be enough to see that one service is slow by itself and the other one waits.
func TestSpansAndLogsAlone(t *testing.T) {
	b := brain.New(brain.Default())
	const fault, end = 2400, 2640
	var open []*model.Incident
	for s := range int64(end) {
		spans, logs := requests(dayMS+s*1000, s >= fault)
		b.Spans(spans)
		b.Logs(logs)
		if s%5 != 4 {
			continue
		}
		out, err := b.Mark(eventtime.Mark{Seq: uint64(s/5 + 1), AtMS: dayMS + s*1000, WatermarkMS: dayMS + (s-20)*1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range out.Incidents {
			if s < fault {
				t.Errorf("at %d s: %s", s, in.Title)
			}
			t.Logf("%d s: %s %s %s", s, in.State, in.Title, in.Verdict.Sentence)
			open = append(open, in)
		}
		for _, f := range out.Findings {
			if s < fault {
				t.Errorf("at %d s: %s", s, f.Text)
			}
		}
	}
	if len(open) == 0 {
		t.Fatal("nothing was seen")
	}
	last := open[len(open)-1]
	if late := (open[0].DetectedMS - dayMS) / 1000; late > fault+60 {
		t.Errorf("seen at %d s of event time, after a fault at %d s", late, fault)
	}
	if last.Verdict.Unknown || len(last.Verdict.Candidates) == 0 || !strings.Contains(last.Verdict.Candidates[0].Entity.Name, "pay") {
		t.Errorf("verdict: %+v", last.Verdict)
	}
}

func severityOf(slow bool, service int) uint8 {
	if slow && service == 1 {
		return 17
	}
	return 9
}
