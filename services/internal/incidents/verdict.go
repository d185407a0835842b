package incidents

import (
	"github.com/faultline-io/faultline/services/model"
)

func verdictOf(v *model.Verdict) Verdict {
	return Verdict{
		At: optional(v.AtMS), Candidates: each(v.Candidates, candidateOf), Unknown: v.Unknown, Checked: append([]string{}, v.Checked...),
		FirstFailure: each(v.FirstFailure, evidenceOf), Impact: each(v.Impact, evidenceOf), Sentence: v.Sentence,
	}
}

// Model is the way back.
func (v *Verdict) Model() (model.Verdict, error) {
	out := model.Verdict{AtMS: millis(v.At), Unknown: v.Unknown, Sentence: v.Sentence}
	if len(v.Checked) > 0 {
		out.Checked = v.Checked
	}
	var err error
	if out.Candidates, err = try(v.Candidates, (*Candidate).Model); err != nil {
		return out, err
	}
	if out.FirstFailure, err = try(v.FirstFailure, (*Evidence).Model); err != nil {
		return out, err
	}
	out.Impact, err = try(v.Impact, (*Evidence).Model)
	return out, err
}

func candidateOf(c *model.Candidate) Candidate {
	out := Candidate{
		Entity: EntityOf(c.Entity), ChangeID: c.ChangeID, Kind: string(c.Kind), Onset: Time(c.OnsetMS), Score: finite(c.Score), Confidence: finite(c.Confidence),
		For: each(c.For, evidenceOf), Against: each(c.Against, evidenceOf), Why: c.Why,
	}
	if c.Signal != nil {
		s := SignalOf(c.Signal)
		out.Signal = &s
	}
	return out
}

// Model is the way back.
func (c *Candidate) Model() (model.Candidate, error) {
	out := model.Candidate{
		Entity: c.Entity.Model(), ChangeID: c.ChangeID, Kind: model.CauseKind(c.Kind), OnsetMS: c.Onset.UnixMilli(), Score: c.Score, Confidence: c.Confidence, Why: c.Why,
	}
	var err error
	if c.Signal != nil {
		s, err := c.Signal.Model()
		if err != nil {
			return out, err
		}
		out.Signal = &s
	}
	if out.For, err = try(c.For, (*Evidence).Model); err != nil {
		return out, err
	}
	out.Against, err = try(c.Against, (*Evidence).Model)
	return out, err
}

// evidenceOf writes a band only where there is one: a model without has two zeros.
func evidenceOf(e *model.Evidence) Evidence {
	out := Evidence{
		Text: e.Text, Language: e.Language, Query: e.Query, Start: Time(e.StartMS), End: Time(e.EndMS),
		Data: Frozen{T: append([]int64{}, e.TimesMS...), V: each(e.Values, func(v *float64) *float64 { return number(*v) })},
	}
	if e.Low != 0 || e.High != 0 {
		out.Low, out.High = number(e.Low), number(e.High)
	}
	if e.FindingID != 0 {
		out.FindingID = ID(e.FindingID)
	}
	if e.Entity != (model.Entity{}) {
		x := EntityOf(e.Entity)
		out.Entity = &x
	}
	return out
}

// Model is the way back.
func (e *Evidence) Model() (model.Evidence, error) {
	out := model.Evidence{Text: e.Text, Language: e.Language, Query: e.Query, StartMS: e.Start.UnixMilli(), EndMS: e.End.UnixMilli(), Values: all(e.Data.V, func(v **float64) float64 { return float(*v) })}
	if len(e.Data.T) > 0 {
		out.TimesMS = e.Data.T
	}
	if e.Low != nil || e.High != nil {
		out.Low, out.High = float(e.Low), float(e.High)
	}
	if e.Entity != nil {
		out.Entity = e.Entity.Model()
	}
	if e.FindingID == "" {
		return out, nil
	}
	var err error
	out.FindingID, err = ParseID(e.FindingID)
	return out, err
}
