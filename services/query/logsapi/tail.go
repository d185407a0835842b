package logsapi

import (
	"context"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/sse"
)

// tail follows records as the gateway accepts them: before they are stored, in the order of arrival, without promise of delivery.
// The start and end of the filter do not apply.
func (h *handlers) tail(ctx context.Context, in *Filter) (sse.Source, error) {
	f, err := in.resolve(ctx, h.now())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, s *sse.Sender) error {
		select {
		case h.tails <- struct{}{}:
			defer func() { <-h.tails }()
		default:
			return errs.WithHint(errs.Exhausted, "close another live tail first", "%d live tails are open already", maxTails)
		}
		t := tailer{filter: f, sender: s}
		return h.live.Subscribe(ctx, model.SignalLogs, t.take)
	}, nil
}

// tailer sends what matches of each batch; the bus calls take with one message at a time.
type tailer struct {
	filter clickhouse.LogFilter
	sender *sse.Sender
	seen   uint64
	batch  model.Logs
}

func (t *tailer) take(m *bus.Message) {
	if m.Tenant != t.filter.Tenant {
		return
	}
	l := &t.batch // used again: events copy what they keep
	if err := bus.DecodeLogs(m.Data, l); err != nil {
		return // the writer reports batches that cannot be read
	}
	for i := range l.TimesNS {
		if matches(&t.filter, l, i) {
			t.seen++
			t.sender.Send(sse.Event{Name: "log", Data: liveRecord(l, i, t.seen)})
		}
	}
}

func liveRecord(l *model.Logs, i int, n uint64) Record {
	r := &l.Resources[l.ResourceIdx[i]]
	out := Record{
		ID: strconv.FormatInt(l.TimesNS[i], 36) + "-live-" + strconv.FormatUint(n, 36), Time: formatNS(l.TimesNS[i]), TimeNS: l.TimesNS[i],
		Severity: l.Severity[i], SeverityText: severityText(l.Severity[i]), Service: strings.Clone(r.Service), Host: strings.Clone(r.Host),
		Body: strings.Clone(l.Bodies[i]), Attributes: map[string]string{}, Resource: labelMap(r.Attributes), Shape: shapeText(l.ShapeHash[i]),
	}
	if l.Attributes != nil {
		out.Attributes = labelMap(l.Attributes[i])
	}
	if l.TraceIDs != nil {
		out.TraceID = hexID(l.TraceIDs[i])
	}
	if l.SpanIDs != nil {
		out.SpanID = hexID(l.SpanIDs[i])
	}
	return out
}

// labelMap copies labels, so that an event in the buffer does not keep its whole batch alive.
func labelMap(ls []model.Label) map[string]string {
	m := make(map[string]string, len(ls))
	for _, l := range ls {
		m[strings.Clone(l.Name)] = strings.Clone(l.Value)
	}
	return m
}
