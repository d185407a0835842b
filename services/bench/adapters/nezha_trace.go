package adapters

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/model"
)

// Kinds of spans as OpenTelemetry numbers them.
const (
	spanInternal = 1
	spanServer   = 2
	spanClient   = 3
)

// Spans returns the spans of the minute HH_MM, nil when there is no such file. The set does not tell kinds: a span with a parent of another pod is a server's,
// and that parent a client's.
func (d *NezhaDay) Spans(minute string) (*model.Spans, error) {
	for _, name := range []string{"trace/" + minute + "_trace.csv", "trace_faultfree/" + minute + "_trace.csv", "trace_compact/" + minute + ".csv"} {
		path := filepath.Join(d.Dir, filepath.FromSlash(name))
		t, err := readTable(path)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return d.spans(t), nil
	}
	return nil, nil
}

// Minutes returns the minutes of the files in a folder below the day, sorted.
func (d *NezhaDay) Minutes(folder string) []string {
	list, err := os.ReadDir(filepath.Join(d.Dir, folder))
	if err != nil {
		return nil
	}
	var out []string
	for _, f := range list {
		if len(f.Name()) > 5 {
			out = append(out, f.Name()[:5])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (d *NezhaDay) spans(t *table) *model.Spans {
	trace, span, parent := t.column("TraceID", "trace"), t.column("SpanID", "span"), t.column("ParentID", "parent")
	pod, op := t.column("PodName", "pod"), t.column("OperationName", "operation")
	start, end, us := t.column("StartTimeUnixNano"), t.column("EndTimeUnixNano"), t.column("start_unix_us")
	duration := t.column("Duration", "duration_us")
	out := &model.Spans{}
	resources := map[string]uint32{}
	podOf := map[string]int{}
	for _, row := range t.rows {
		var s model.Span
		if us >= 0 {
			s.StartNS, s.DurationNS = integer(cell(row, us))*1000, integer(cell(row, duration))*1000
		} else {
			s.StartNS = integer(cell(row, start))
			s.DurationNS = integer(cell(row, end)) - s.StartNS
		}
		s.StartNS += d.o.Renamer.ShiftMS * 1e6
		s.TraceID, s.SpanID = rawID(cell(row, trace), 16), rawID(cell(row, span), 8)
		if p := cell(row, parent); p != "root" && p != "0" && p != "" {
			s.ParentSpanID = rawID(p, 8)
		}
		s.Name, s.Kind = d.o.Renamer.Name(cell(row, op)), spanInternal
		s.ResourceIdx = d.resource(out, resources, cell(row, pod))
		podOf[s.TraceID+s.SpanID] = len(out.Spans)
		out.Spans = append(out.Spans, s)
	}
	for i := range out.Spans {
		s := &out.Spans[i]
		if s.ParentSpanID == "" {
			s.Kind = spanServer
			continue
		}
		if p, ok := podOf[s.TraceID+s.ParentSpanID]; ok && out.Spans[p].ResourceIdx != s.ResourceIdx {
			s.Kind = spanServer
			if out.Spans[p].Kind == spanInternal {
				out.Spans[p].Kind = spanClient
			}
		}
	}
	return out
}

func (d *NezhaDay) resource(b *model.Spans, known map[string]uint32, pod string) uint32 {
	if i, ok := known[pod]; ok {
		return i
	}
	i := uint32(len(b.Resources))
	known[pod] = i
	b.Resources = append(b.Resources, nezhaResource(d.o, pod))
	return i
}

func nezhaResource(o Options, pod string) model.Resource {
	service := o.Renamer.Name(serviceOf(pod))
	attrs := []model.Label{{Name: "k8s.pod.name", Value: o.Renamer.Name(pod)}, {Name: model.AttrServiceName, Value: service}}
	return model.Resource{ID: model.ResourceHash(attrs), Attributes: attrs, Service: service}
}

func integer(s string) int64 {
	v, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// rawID returns the bytes of an id, which is hexadecimal in some files and a small number in others.
func rawID(s string, n int) string {
	if b, err := hex.DecodeString(s); err == nil && len(b) == n {
		return string(b)
	}
	b := make([]byte, n)
	binary.BigEndian.PutUint64(b[n-8:], uint64(integer(s))+1)
	return string(b)
}

// Logs returns the records of the minute HH_MM, nil when there is no such file.
func (d *NezhaDay) Logs(minute string) (*model.Logs, error) {
	for _, name := range []string{"log/" + minute + "_log.csv", "log_faultfree/" + minute + "_log.csv"} {
		t, err := readTable(filepath.Join(d.Dir, filepath.FromSlash(name)))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return d.logs(t), nil
	}
	return nil, nil
}

func (d *NezhaDay) logs(t *table) *model.Logs {
	at, pod, trace, span, text := t.column("TimeUnixNano"), t.column("PodName"), t.column("TraceID"), t.column("SpanID"), t.column("Log")
	out := &model.Logs{}
	known := map[string]uint32{}
	type line struct {
		ns   int64
		row  []string
		body string
	}
	lines := make([]line, 0, len(t.rows))
	for _, row := range t.rows {
		lines = append(lines, line{integer(cell(row, at)), row, logBody(cell(row, text))})
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.ns, b.ns) })
	for _, l := range lines {
		p := cell(l.row, pod)
		i, ok := known[p]
		if !ok {
			i = uint32(len(out.Resources))
			known[p] = i
			out.Resources = append(out.Resources, nezhaResource(d.o, p))
		}
		out.ResourceIdx = append(out.ResourceIdx, i)
		out.TimesNS = append(out.TimesNS, l.ns+d.o.Renamer.ShiftMS*1e6)
		out.ObservedNS = append(out.ObservedNS, 0)
		out.Severity = append(out.Severity, severity(l.body))
		out.ShapeHash = append(out.ShapeHash, logshape.Hash(l.body))
		out.Bodies = append(out.Bodies, l.body)
		out.TraceIDs, out.SpanIDs = append(out.TraceIDs, optionalID(cell(l.row, trace), 16)), append(out.SpanIDs, optionalID(cell(l.row, span), 8))
	}
	return out
}

func optionalID(s string, n int) string {
	if b, err := hex.DecodeString(s); err == nil && len(b) == n {
		return string(b)
	}
	return ""
}

// logBody takes a line out of the container runtime's envelope.
func logBody(s string) string {
	var envelope struct {
		Log string `json:"log"`
	}
	if strings.HasPrefix(s, "{") && json.Unmarshal([]byte(s), &envelope) == nil && envelope.Log != "" {
		s = envelope.Log
	}
	return strings.TrimRight(s, "\n")
}

// severity finds the level word among the first fields.
func severity(body string) uint8 {
	for i, f := range strings.Fields(body) {
		if i > 4 {
			return 0
		}
		switch strings.ToUpper(f) {
		case "ERROR":
			return 17
		case "WARN", "WARNING":
			return 13
		case "INFO":
			return 9
		case "DEBUG":
			return 5
		}
	}
	return 0
}
