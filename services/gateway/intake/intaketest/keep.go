package intaketest

import (
	"context"
	"testing"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/model"
)

// Kept is a sink that keeps every log record, as the writer would read it off the bus.
type Kept struct {
	Sink
	Logs []*model.Logs
	// Fail, when set, is asked before each batch of logs.
	Fail func() error
}

// PublishLogs keeps l.
func (k *Kept) PublishLogs(ctx context.Context, req *intake.Request, l *model.Logs) error {
	if k.Fail != nil {
		if err := k.Fail(); err != nil {
			return err
		}
	}
	data, err := bus.EncodeLogs(l)
	if err == nil {
		var back model.Logs
		if err = bus.DecodeLogs(data, &back); err == nil {
			k.Logs = append(k.Logs, &back)
		}
	}
	return k.done(l.Len(), data, err)
}

// Row is one record with its resource.
type Row struct {
	Body, Service, Host string
	TimeNS              int64
	Severity            uint8
	TraceID, SpanID     string
	Attrs, Res          map[string]string
}

// Rows returns all records.
func (k *Kept) Rows() []Row {
	var out []Row
	for _, l := range k.Logs {
		out = append(out, RowsOf(l)...)
	}
	return out
}

// RowsOf returns the records of a batch.
func RowsOf(l *model.Logs) []Row {
	var out []Row
	for i := range l.Bodies {
		res := l.Resources[l.ResourceIdx[i]]
		r := Row{Body: l.Bodies[i], Service: res.Service, Host: res.Host, TimeNS: l.TimesNS[i], Severity: l.Severity[i], Attrs: map[string]string{}, Res: labels(res.Attributes)}
		if l.Attributes != nil {
			r.Attrs = labels(l.Attributes[i])
		}
		if l.TraceIDs != nil {
			r.TraceID, r.SpanID = l.TraceIDs[i], l.SpanIDs[i]
		}
		out = append(out, r)
	}
	return out
}

func labels(ls []model.Label) map[string]string {
	m := map[string]string{}
	for _, l := range ls {
		m[l.Name] = l.Value
	}
	return m
}

// Keep returns a core like Core's that keeps logs.
func Keep(t testing.TB) (*intake.Core, *Kept) {
	core, _ := Core(t)
	k := &Kept{Sink: Sink{T: t}}
	core.Sink = k
	return core, k
}
