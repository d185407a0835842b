package outlook

import (
	"fmt"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/correlator/forecast"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// detector is the name under which findings of this package come.
const detector = "forecast"

// Findings returns the findings that were opened, changed or ended since the last call. All updates of one have its ID.
func (s *Service) Findings() []model.Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.changed
	s.changed = nil
	return out
}

// maxChanged bounds the findings that wait for somebody to ask.
const maxChanged = 10_000

// judge opens, updates or ends the finding of a target. It needs s.mu held.
func (s *Service) judge(r *store.ForecastRow, nowMS int64) {
	f, bad := s.finding(r, nowMS)
	old, isOpen := s.open[r.TargetID]
	switch {
	case !bad && isOpen:
		s.end(r.TargetID, nowMS)
	case !bad:
	case !isOpen:
		s.open[r.TargetID] = f
		s.tell(f)
	default:
		f.ID, f.OnsetMS = old.ID, old.OnsetMS
		s.open[r.TargetID] = f
		// The same again is no news; another date is.
		if old.Text != f.Text {
			s.tell(f)
		}
	}
}

// end ends the finding of a target, if there is one. It needs s.mu held.
func (s *Service) end(targetID uint64, nowMS int64) {
	f, ok := s.open[targetID]
	if !ok {
		return
	}
	delete(s.open, targetID)
	f.EndMS, f.SeenMS = nowMS, nowMS
	s.tell(f)
}

// tell needs s.mu held.
func (s *Service) tell(f model.Finding) {
	if len(s.changed) == maxChanged {
		s.changed = slices.Delete(s.changed, 0, 1)
	}
	s.changed = append(s.changed, f)
}

// stays is by how much further away the end must be for an open finding to end than for a new one to open: dates move a little with each pass.
const stays = 1.5

// finding returns the finding that a forecast is, and whether it matters.
func (s *Service) finding(r *store.ForecastRow, nowMS int64) (model.Finding, bool) {
	f := model.Finding{
		Entity: r.Entity, Signal: r.Signal, Kind: model.FindingForecast, Direction: 1, OnsetMS: min(max(r.SinceMS, nowMS-dayMS), nowMS), SeenMS: nowMS,
		Value: r.Level, Expected: r.Limit, Low: r.Level, High: r.Limit, HistoryMS: max(nowMS-r.SinceMS, 0), Confidence: r.Confidence, Detector: detector,
		PValue: min(max(1-r.Confidence, 1e-6), 1), Text: findingText(r),
	}
	f.ID = model.FindingID(model.Hash64(r.Entity.String()), fmt.Sprintf("forecast/%x", r.TargetID), nowMS)
	if r.PerHour < 0 {
		f.Direction = -1
	}
	_, isOpen := s.open[r.TargetID]
	if r.Kind == store.ForecastLoad {
		return f, s.matters(r, &f, isOpen)
	}
	warn := s.cfg.Warn
	if r.Resource == resourceCertificate {
		warn, f.HistoryMS, f.OnsetMS = s.cfg.WarnCertificate, 0, nowMS
	}
	least := s.cfg.MinConfidence
	within := float64(warn.Milliseconds())
	if isOpen {
		within, least = within*stays, least/stays
	}
	switch forecast.State(r.State) {
	case forecast.StateReached:
		f.Score = model.MaxScore
		return f, true
	case forecast.StateTrend:
		left := float64(r.ReachMS - nowMS)
		// An hour away weighs as much as can be, the whole time of warning as little as counts.
		f.Score = min(model.MaxScore, 3+(model.MaxScore-3)*float64(hourMS)/max(left, float64(hourMS)))
		return f, left < within && r.Confidence >= least
	default:
		return f, false
	}
}

// Of a load that matters: how much above all that was ever carried its expected peak must be, and what error the forecast may have.
const (
	loadAbove    = 1.1
	loadMaxError = 0.9
)

// matters reports whether a load will within a day be clearly larger than ever, and completes f.
func (s *Service) matters(r *store.ForecastRow, f *model.Finding, isOpen bool) bool {
	day := min(len(r.Median), 24)
	if day == 0 || r.Error > loadMaxError || r.MadeMS-r.SinceMS < fullPast*hourMS {
		return false
	}
	peak := slices.Max(r.Median[:day])
	above := loadAbove
	if isOpen {
		above = 1 + (loadAbove-1)/2
	}
	f.Value, f.Expected, f.Low, f.High, f.Direction, f.OnsetMS = peak, r.Limit, 0, r.Limit, 1, r.MadeMS
	f.Score = min(model.MaxScore, math.Abs(peak-r.Limit)/max(r.Scale, 1e-300))
	return peak > above*r.Limit
}
