package detect

import (
	"fmt"
	"math"
	"strconv"

	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

// finding writes an episode as it is now.
func finding(t touched) model.Finding {
	e := t.ep
	f := model.Finding{
		ID: e.id, Entity: t.group.key.entity, Kind: e.kind(), Direction: e.dir, OnsetMS: e.onsetMS, SeenMS: e.seenMS, EndMS: e.endMS,
		Value: e.value, Expected: e.expected, Low: e.low, High: e.high, Score: e.score, PValue: e.p, HistoryMS: e.historyMS, Confidence: e.confidence,
		Detector: detectors[e.way],
	}
	if t.series == nil {
		f.Signal = model.SignalRef{Name: silentSignal, Role: model.RoleState}
		f.Text = silenceText(t.group, e)
		return f
	}
	f.Signal = t.series.ref()
	f.Text = sentence(t.series, e)
	return f
}

func silenceText(g *group, e *episode) string {
	if e.value > 0 {
		return fmt.Sprintf("%s: of %.0f series %.0f still come", g.key.entity, e.expected, e.value)
	}
	return fmt.Sprintf("%s sends nothing any more, after %s of %.0f regular series", g.key.entity, span(e.historyMS), e.expected)
}

// sentence says what happened to a series in one sentence.
func sentence(s *series, e *episode) string {
	what := signal.Say(s.src.Name, s.src.Labels)
	unit := s.unit()
	v, x := number(e.value, unit), number(e.expected, unit)
	switch e.way {
	case wayLimit:
		return fmt.Sprintf("%s is at %s; its limit is %s", what, v, number(s.typ.limit.Reached, unit))
	case wayPeer:
		return fmt.Sprintf("%s is %s, while its peers are around %s", what, v, x)
	case wayDrift:
		return fmt.Sprintf("%s moved slowly to %s, from %s a while ago", what, v, x)
	case byRough:
		if e.value == e.expected || e.score < 1 {
			return fmt.Sprintf("%s moves otherwise than it did, at %s", what, v)
		}
	}
	if math.Abs(e.expected) > 1e-12 && e.value/e.expected >= 2 {
		return fmt.Sprintf("%s is %s, %s times the usual %s", what, v, strconv.FormatFloat(e.value/e.expected, 'g', 2, 64), x)
	}
	return fmt.Sprintf("%s is %s instead of about %s (%s to %s)", what, v, x, number(e.low, unit), number(e.high, unit))
}

// number writes a value for people.
func number(v float64, unit string) string {
	switch unit {
	case "s":
		switch a := math.Abs(v); {
		case a != 0 && a < 1e-3:
			return short(v*1e6) + " µs"
		case a < 1 && a != 0:
			return short(v*1e3) + " ms"
		}
		return short(v) + " s"
	case "By", "bytes", "By/s", "bytes/s":
		per := ""
		if unit[len(unit)-1] == 's' && unit[len(unit)-2] == '/' {
			per = "/s"
		}
		for _, u := range []string{"B", "KiB", "MiB", "GiB"} {
			if math.Abs(v) < 1024 {
				return short(v) + " " + u + per
			}
			v /= 1024
		}
		return short(v) + " TiB" + per
	case "1", "ratio":
		return short(v*100) + " %"
	case "":
		return short(v)
	case "1/s":
		return short(v) + "/s"
	}
	return short(v) + " " + unit
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// span writes a length of time in its largest unit.
func span(ms int64) string {
	switch {
	case ms >= 2*dayMS:
		return fmt.Sprintf("%d days", ms/dayMS)
	case ms >= 2*hourMS:
		return fmt.Sprintf("%d hours", ms/hourMS)
	}
	return fmt.Sprintf("%d minutes", ms/minuteMS)
}
