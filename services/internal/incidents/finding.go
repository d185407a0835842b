// Package incidents is the written form of what the brain says and is told: findings, incidents, commands, what became of them, and how the
// brain fares, as JSON with fixed names. The same form is on the bus, in buckets of control state, in tables and in the answers of the API;
// docs/formats/incidents.md describes it. The words themselves are those of package model. Nothing here does I/O.
package incidents

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Entity is model.Entity.
type Entity struct {
	Kind string `json:"kind" enum:"service,instance,container,host,database,queue,external" doc:"What it is"`
	Name string `json:"name"`
}

// Signal is model.SignalRef.
type Signal struct {
	SeriesID string            `json:"series_id,omitempty" doc:"16 hexadecimal digits; absent for what is no series of ours"`
	Name     string            `json:"name"`
	Labels   map[string]string `json:"labels"`
	Role     string            `json:"role" enum:"traffic,errors,success,latency,self_time,gap,utilization,usage,queue,log,state,alert,other"`
	Unit     string            `json:"unit" doc:"s, ms, By, 1, %; empty where unknown"`
}

// Finding is model.Finding. Numbers that are none (no band to one side) are null.
type Finding struct {
	ID         string     `json:"id" doc:"16 hexadecimal digits"`
	Entity     Entity     `json:"entity"`
	Signal     Signal     `json:"signal"`
	Kind       string     `json:"kind" enum:"shift,drift,limit,peer,silence,new,gone,forecast,alert"`
	Direction  int8       `json:"direction" doc:"1 for more than expected, -1 for less"`
	Onset      time.Time  `json:"onset" doc:"First observation that belongs to it"`
	Seen       time.Time  `json:"seen" doc:"When this was decided, in event time"`
	End        *time.Time `json:"end,omitempty" doc:"Absent while it lasts"`
	Value      *float64   `json:"value" doc:"Worst observation"`
	Expected   *float64   `json:"expected"`
	Low        *float64   `json:"low" doc:"Lower end of the band; null for none"`
	High       *float64   `json:"high"`
	Score      float64    `json:"score" doc:"Distance from the band in spreads, 50 at most"`
	PValue     float64    `json:"p_value" doc:"Calibrated probability of as much in quiet times"`
	HistoryMS  int64      `json:"history_ms" doc:"How much past it was judged on; 0 for limits and peers"`
	Confidence float64    `json:"confidence"`
	Detector   string     `json:"detector"`
	Text       string     `json:"text"`
}

// ID returns an identifier of 64 bits as 16 hexadecimal digits: numbers of that size are not exact in JSON.
func ID(id uint64) string {
	s := strconv.FormatUint(id, 16)
	return "0000000000000000"[len(s):] + s
}

// ParseID is the inverse of ID. Errors: errs.Invalid.
func ParseID(s string) (uint64, error) {
	id, err := strconv.ParseUint(s, 16, 64)
	if err != nil || len(s) != 16 {
		return 0, errs.New(errs.Invalid, "%.40q is not 16 hexadecimal digits", s)
	}
	return id, nil
}

// Time returns Unix milliseconds as a time.
func Time(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// optional is Time, nil for 0.
func optional(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := Time(ms)
	return &t
}

// millis is the inverse of optional.
func millis(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMilli()
}

// number returns nil for what JSON has no number for.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// float is the inverse of number; nothing is a NaN.
func float(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

// finite returns v, or 0 for what JSON has no number for: scores and probabilities are always numbers.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// EntityOf returns the written form of e.
func EntityOf(e model.Entity) Entity { return Entity{Kind: string(e.Kind), Name: e.Name} }

// Model is the inverse of EntityOf.
func (e Entity) Model() model.Entity {
	return model.Entity{Kind: model.EntityKind(e.Kind), Name: e.Name}
}

// String returns "kind:name".
func (e Entity) String() string { return e.Kind + ":" + e.Name }

// SignalOf returns the written form of s.
func SignalOf(s *model.SignalRef) Signal {
	out := Signal{Name: s.Name, Labels: make(map[string]string, len(s.Labels)), Role: string(s.Role), Unit: s.Unit}
	if s.SeriesID != 0 {
		out.SeriesID = ID(s.SeriesID)
	}
	for _, l := range s.Labels {
		out.Labels[l.Name] = l.Value
	}
	return out
}

// Model is the inverse of SignalOf; labels are sorted by name.
func (s *Signal) Model() (model.SignalRef, error) {
	out := model.SignalRef{Name: s.Name, Labels: labels(s.Labels), Role: model.Role(s.Role), Unit: s.Unit}
	if s.SeriesID == "" {
		return out, nil
	}
	var err error
	out.SeriesID, err = ParseID(s.SeriesID)
	return out, err
}

// FindingOf returns the written form of f.
func FindingOf(f *model.Finding) Finding {
	return Finding{
		ID: ID(f.ID), Entity: EntityOf(f.Entity), Signal: SignalOf(&f.Signal), Kind: string(f.Kind), Direction: f.Direction,
		Onset: Time(f.OnsetMS), Seen: Time(f.SeenMS), End: optional(f.EndMS),
		Value: number(f.Value), Expected: number(f.Expected), Low: number(f.Low), High: number(f.High),
		Score: finite(f.Score), PValue: finite(f.PValue), HistoryMS: f.HistoryMS, Confidence: finite(f.Confidence), Detector: f.Detector, Text: f.Text,
	}
}

// Model is the inverse of FindingOf. Errors: errs.Invalid for identifiers that are none.
func (f *Finding) Model() (model.Finding, error) {
	out := model.Finding{
		Entity: f.Entity.Model(), Kind: model.FindingKind(f.Kind), Direction: f.Direction, OnsetMS: f.Onset.UnixMilli(), SeenMS: f.Seen.UnixMilli(),
		EndMS: millis(f.End), Value: float(f.Value), Expected: float(f.Expected), Low: float(f.Low), High: float(f.High),
		Score: f.Score, PValue: f.PValue, HistoryMS: f.HistoryMS, Confidence: f.Confidence, Detector: f.Detector, Text: f.Text,
	}
	var err error
	if out.ID, err = ParseID(f.ID); err != nil {
		return out, err
	}
	out.Signal, err = f.Signal.Model()
	return out, err
}

// EncodeFindings returns findings as the data of an event.
func EncodeFindings(fs []model.Finding) ([]byte, error) {
	out := make([]Finding, len(fs))
	for i := range fs {
		out[i] = FindingOf(&fs[i])
	}
	return marshal("findings", out)
}

// DecodeFindings is the inverse of EncodeFindings. Errors: errs.Invalid.
func DecodeFindings(data []byte) ([]model.Finding, error) {
	var in []Finding
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, errs.New(errs.Invalid, "read findings: %w", err)
	}
	out := make([]model.Finding, len(in))
	for i := range in {
		var err error
		if out[i], err = in[i].Model(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// marshal encodes what has no value that could fail.
func marshal(what string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, errs.New(errs.Invalid, "write %s: %w", what, err)
	}
	return b, nil
}
