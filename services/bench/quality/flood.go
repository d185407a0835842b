package quality

import (
	"slices"
	"time"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/model"
)

// FloodCase is a flood of alerts with what each belongs to.
type FloodCase struct {
	Name     string
	Findings []model.Finding
	// Truth has the phase of each finding, "" where it belongs to nothing.
	Truth []string
}

// FloodScore is how a flood was grouped.
type FloodScore struct {
	Name                              string
	Alerts, Incidents, Phases, Unseen int
	// Reduction is 1 − incidents / alerts. Purity is the share of alerts in incidents that are of the phase that most of their incident are of.
	Reduction, Purity float64
	// Precision, Recall and F1 are over pairs of alerts of phases: same phase, same incident. What is in no incident is with nothing.
	Precision, Recall, F1 float64
	// Found has for each phase the share of its alerts that are in incidents.
	Found map[string]float64
	// NSPerAlert is the time of one core.
	NSPerAlert float64
}

// floodTick is the time between marks, as the product's clock makes them.
const floodTick = 5000

// Flood gives the alerts of a case to the product's own grouping, as they come, with its own clock.
func Flood(c FloodCase) FloodScore {
	order := make([]int, len(c.Findings))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(min(max(c.Findings[a].SeenMS-c.Findings[b].SeenMS, -1), 1)) })
	g := group.New(group.Default(model.DefaultTenant))
	holder := make([]string, len(order))
	merged := map[string]string{}
	begin := time.Now()
	next, settled := 0, 0
	now, seq := c.Findings[order[0]].SeenMS-floodTick, uint64(0)
	for end := c.Findings[order[len(order)-1]].SeenMS + 3_600_000; now < end; {
		now += floodTick
		seq++
		for next < len(order) && c.Findings[order[next]].SeenMS <= now {
			g.Findings([]model.Finding{c.Findings[order[next]]})
			next++
		}
		for _, i := range g.Mark(eventtime.Mark{Seq: seq, AtMS: now, WatermarkMS: now}, nil) {
			if i.MergedInto != "" {
				merged[i.ID] = i.MergedInto
			}
		}
		// What is older than an hour moves no more.
		for settled < next && c.Findings[order[settled]].SeenMS < now-3_600_000 {
			settled++
		}
		for _, i := range order[settled:next] {
			if h := g.Holder(c.Findings[i].ID); h != "" {
				holder[i] = h
			}
		}
	}
	took := time.Since(begin)
	for i, h := range holder {
		for merged[h] != "" {
			h = merged[h]
		}
		holder[i] = h
	}
	s := FloodScore{Name: c.Name, Alerts: len(c.Findings), NSPerAlert: float64(took.Nanoseconds()) / float64(len(c.Findings))}
	s.score(holder, c.Truth)
	return s
}

func (s *FloodScore) score(holder, truth []string) {
	groups, phases := map[string]map[string]int{}, map[string]int{}
	seen := map[string]int{}
	for i, h := range holder {
		if truth[i] != "" {
			phases[truth[i]]++
		}
		if h == "" {
			s.Unseen++
			continue
		}
		seen[truth[i]]++
		if groups[h] == nil {
			groups[h] = map[string]int{}
		}
		groups[h][truth[i]]++
	}
	pairs := func(n int) float64 { return float64(n) * float64(n-1) / 2 }
	var both, same, together float64
	pure, in := 0, 0
	for _, g := range groups {
		most, all, labelled := 0, 0, 0
		for phase, n := range g {
			most = max(most, n)
			all += n
			if phase != "" {
				labelled += n
				both += pairs(n)
			}
		}
		pure, in = pure+most, in+all
		together += pairs(labelled)
	}
	for _, n := range phases {
		same += pairs(n)
	}
	s.Incidents, s.Phases = len(groups), len(phases)
	s.Reduction = 1 - float64(len(groups))/float64(len(holder))
	if in > 0 {
		s.Purity = float64(pure) / float64(in)
	}
	if together > 0 {
		s.Precision = both / together
	}
	if same > 0 {
		s.Recall = both / same
	}
	if s.Precision+s.Recall > 0 {
		s.F1 = 2 * s.Precision * s.Recall / (s.Precision + s.Recall)
	}
	s.Found = map[string]float64{}
	for phase, n := range phases {
		s.Found[phase] = float64(seen[phase]) / float64(n)
	}
}
