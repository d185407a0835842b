package datadog

import (
	"context"
	"encoding/json"
	"math"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/wire"
)

// seriesV1 is one series of version 1.
type seriesV1 struct {
	Metric string       `json:"metric"`
	Type   string       `json:"type"`
	Host   string       `json:"host"`
	Device string       `json:"device"`
	Tags   []string     `json:"tags"`
	Points [][2]float64 `json:"points"`
}

// SeriesV1 publishes the body of POST /api/v1/series. Errors: errs.Invalid for what is not JSON of its form.
func (r *Receiver) SeriesV1(ctx context.Context, req *intake.Request, body []byte) error {
	var p struct {
		Series []seriesV1 `json:"series"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return malformed("series", err)
	}
	w, end := r.begin(req)
	defer end()
	for i := range p.Series {
		s := &p.Series[i]
		kind := map[string]int{"count": kindCount, "rate": kindRate}[s.Type]
		w.reset()
		w.add(labelHost, s.Host)
		w.add("device", s.Device)
		for _, t := range s.Tags {
			w.tag(t)
		}
		if !w.open(s.Metric, kind, len(s.Points)) {
			continue
		}
		w.describe(s.Metric, kindNames[kind], "")
		for _, pt := range s.Points {
			w.point(kind, pt[0], pt[1])
		}
		if err := w.b.Split(ctx); err != nil {
			return err
		}
	}
	return w.b.Flush(ctx)
}

// seriesV2 is one series of version 2 as JSON.
type seriesV2 struct {
	Metric string `json:"metric"`
	Type   int    `json:"type"`
	Unit   string `json:"unit"`
	Points []struct {
		Timestamp float64 `json:"timestamp"`
		Value     float64 `json:"value"`
	} `json:"points"`
	Resources []struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"resources"`
	Tags []string `json:"tags"`
}

// SeriesV2JSON publishes the body of POST /api/v2/series as JSON.
func (r *Receiver) SeriesV2JSON(ctx context.Context, req *intake.Request, body []byte) error {
	var p struct {
		Series []seriesV2 `json:"series"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return malformed("series", err)
	}
	w, end := r.begin(req)
	defer end()
	for i := range p.Series {
		s := &p.Series[i]
		kind := knownKind(uint64(s.Type))
		w.reset()
		for j := range s.Resources {
			w.add(s.Resources[j].Type, s.Resources[j].Name)
		}
		for _, t := range s.Tags {
			w.tag(t)
		}
		if !w.open(s.Metric, kind, len(s.Points)) {
			continue
		}
		w.describe(s.Metric, kindNames[kind], s.Unit)
		for _, pt := range s.Points {
			w.point(kind, pt.Timestamp, pt.Value)
		}
		if err := w.b.Split(ctx); err != nil {
			return err
		}
	}
	return w.b.Flush(ctx)
}

func knownKind(n uint64) int {
	if n < uint64(len(kindNames)) {
		return int(n)
	}
	return kindUnspecified
}

// SeriesV2 publishes a MetricPayload of the agent (agent-payload, proto/metrics/agent_payload.proto).
func (r *Receiver) SeriesV2(ctx context.Context, req *intake.Request, body []byte) error {
	w, end := r.begin(req)
	defer end()
	m := wire.Read(body)
	for m.Next() {
		if !m.Is(1, wire.Bytes) {
			continue
		}
		if err := w.seriesProto(m.Data); err != nil {
			return malformed("series", err)
		}
		if err := w.b.Split(ctx); err != nil {
			return err
		}
	}
	if m.Err() != nil {
		return malformed("series", m.Err())
	}
	return w.b.Flush(ctx)
}

// seriesProto walks a MetricSeries twice: labels first, since points may come before them.
func (w *writer) seriesProto(data []byte) error {
	w.reset()
	kind, points := kindUnspecified, 0
	var metric, unit string
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Bytes):
			if err := w.resource(m.Data); err != nil {
				return err
			}
		case m.Is(2, wire.Bytes):
			metric = m.String()
		case m.Is(3, wire.Bytes):
			w.tag(m.String())
		case m.Is(4, wire.Bytes):
			points++
		case m.Is(5, wire.Varint):
			kind = knownKind(m.Num)
		case m.Is(6, wire.Bytes):
			unit = m.String()
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if !w.open(metric, kind, points) {
		return nil
	}
	w.describe(metric, kindNames[kind], unit)
	m = wire.Read(data)
	for m.Next() {
		if !m.Is(4, wire.Bytes) {
			continue
		}
		var v, sec float64
		f := wire.Read(m.Data)
		for f.Next() {
			switch {
			case f.Is(1, wire.Fixed64):
				v = f.Float()
			case f.Is(2, wire.Varint):
				sec = float64(f.Int())
			}
		}
		if f.Err() != nil {
			return f.Err()
		}
		if sec > math.MaxInt32*1000 {
			sec = math.MaxInt32 * 1000 // Refused as too far ahead, and no overflow on the way there.
		}
		w.point(kind, sec, v)
	}
	return nil
}

func (w *writer) resource(data []byte) error {
	var kind, name string
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Bytes):
			kind = m.String()
		case m.Is(2, wire.Bytes):
			name = m.String()
		}
	}
	w.add(kind, name)
	return m.Err()
}
