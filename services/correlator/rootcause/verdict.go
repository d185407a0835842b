package rootcause

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

const (
	// keptEvidence is how many facts for and against a candidate are kept, keptImpact how many affected entities are listed.
	keptEvidence, keptImpact = 6, 10
	// seen is the evidence from which something is told as a fact: one in twenty.
	seen = 1.3
)

// verdict turns the ranking into words, evidence and a confidence.
func (c *incident) verdict() model.Verdict {
	v := model.Verdict{AtMS: c.NowMS}
	ranked := c.ranked()
	c.impact(&v)
	tried := 0
	for i := range c.nodes {
		if c.nodes[i].whole < 0 && !c.blind(i) {
			tried++
		}
	}
	correction := manyPower * math.Log10(float64(max(tried, 1)))
	if len(ranked) == 0 || !c.cfg.Forced && (c.nodes[ranked[0]].score-correction < c.cfg.MinEvidence || c.entryQuiet()) {
		v.Unknown = true
		v.Checked = c.checked(ranked, correction)
		v.Sentence = c.unknownSentence(&v)
		return v
	}
	for k, i := range ranked {
		if k >= c.cfg.Candidates {
			break
		}
		next := 0.0
		if k == 0 && len(ranked) > 1 {
			next = c.nodes[ranked[1]].score
		} else if k > 0 {
			next = c.nodes[ranked[0]].score
		}
		v.Candidates = append(v.Candidates, c.candidate(i, next, correction))
	}
	v.Sentence = c.sentence(&v, ranked[0])
	return v
}

// entryQuiet reports whether the signals that are known to be bad are not unusual: there is nothing then to find a cause for.
func (c *incident) entryQuiet() bool {
	known, bad := false, false
	for _, s := range c.Symptoms {
		i, ok := c.byName[s.Entity]
		if !ok || s.Role == "" {
			continue
		}
		r := ruleOf(s.Role, "")
		cell := &c.nodes[c.fold(i)].cells[r.column]
		for _, k := range cell.items {
			if c.items[k].role == s.Role {
				known = true
				bad = bad || c.items[k].w >= 1
			}
		}
	}
	return known && !bad
}

// candidate writes one offered cause.
func (c *incident) candidate(i int, other, correction float64) model.Candidate {
	n := &c.nodes[i]
	out := model.Candidate{Entity: n.entity, OnsetMS: n.onset, Score: round(n.score), Confidence: confidence(n.score-correction, n.score-other)}
	main := c.mainColumn(n)
	var lead *item
	if items := n.cells[main].items; len(items) > 0 {
		lead = &c.items[items[0]]
		if s := c.signal(lead); s != nil {
			ref := *s
			ref.Role = lead.role
			out.Signal = &ref
		}
	}
	if n.change != nil && !n.change.innocent {
		out.ChangeID = n.change.change.ID
	}
	out.Kind = c.kind(n, main, lead)
	out.For = c.speaksFor(i)
	out.Against = c.speaksAgainst(i, main)
	out.Why = c.why(n, main, lead)
	return out
}

// confidence maps evidence (after correction) and the lead over the best other candidate to a probability. docs/root-cause.md has how often it was
// right. The coefficients are round and set by hand: a hundred cases bear no more. It stays below nine in ten, since it was set
// while looking at the cases that it was compared with.
func confidence(evidence, lead float64) float64 {
	x := -1.2 + 0.35*min(evidence, 8) + 0.6*max(min(lead, 3), -3)
	return round(min(max(1/(1+math.Exp(-x)), 0.02), 0.9))
}

func round(v float64) float64 { return math.Round(v*1000) / 1000 }

// mainColumn is the one that a node is named by: the strongest, and of local evidence and symptoms the local one where it is no chance, since it says why.
func (c *incident) mainColumn(n *node) column {
	best, w := colTraffic, 0.0
	if n.surge > 0 {
		w = n.cells[colTraffic].raw * symptomShare
	}
	local, localW := colTraffic, 0.0
	for col := range n.cells {
		x := n.cells[col].w
		switch {
		case column(col) == colTraffic:
			continue
		case column(col) >= firstSymptom:
			x *= symptomShare
		case x > localW:
			local, localW = column(col), x
		}
		if x > w {
			best, w = column(col), x
		}
	}
	if n.cells[colState].w >= troubleFrom {
		return colState // What is gone neither answers nor works.
	}
	if best >= firstSymptom && localW >= troubleFrom {
		return local
	}
	return best
}

// kind names what kind of trouble a candidate is.
func (c *incident) kind(n *node, main column, lead *item) model.CauseKind {
	if n.change != nil && !n.change.innocent && (n.change.differ >= innocentBelow || n.change.newer == 0) {
		if n.change.change.Kind == "certificate" {
			return model.CauseCertificate
		}
		return model.CauseDeploy
	}
	text := ""
	if lead != nil {
		if s := c.signal(lead); s != nil {
			text = strings.ToLower(s.Name)
		}
		if lead.finding >= 0 {
			text += " " + strings.ToLower(c.Findings[lead.finding].Text)
		}
	}
	told := c.told(n)
	switch {
	case containsAny(told, "no space left on device", "disk full", "too many open files", "quota exceeded"):
		return model.CauseExhaustion
	case containsAny(text+told, "certificate", "x509"):
		return model.CauseCertificate
	case containsAny(text, "clock_offset", "clock offset", "timex_offset", "ntp_offset"):
		return model.CauseClock
	}
	limit := lead != nil && lead.finding >= 0 && (c.Findings[lead.finding].Kind == model.FindingLimit || c.Findings[lead.finding].Kind == model.FindingForecast)
	switch main {
	case colResource:
		if limit && containsAny(text, "disk", "filesystem", "inode", "descriptor", "fds", "quota", "space", "volume") {
			return model.CauseExhaustion
		}
		if n.entity.Kind == model.KindHost && n.shared != nil {
			return model.CauseHost
		}
		return model.CauseSaturation
	case colSelf:
		if n.cells[colResource].w >= 1 {
			return model.CauseSaturation
		}
		return model.CauseCode
	case colGap:
		return model.CauseNetwork
	case colState:
		if n.entity.Kind == model.KindHost {
			return model.CauseHost
		}
		return model.CauseCrash
	case colTraffic:
		if n.surge > 0 {
			return model.CauseTraffic
		}
	}
	switch {
	case n.entity.Kind == model.KindHost:
		return model.CauseHost
	case n.entity.Kind == model.KindExternal || n.shared != nil && main == colTraffic:
		return model.CauseDependency
	case main == colTraffic:
		return model.CauseUnknown
	}
	return model.CauseCode
}

// told joins what findings say that speak for a node: lines that programs write name some causes outright.
func (c *incident) told(n *node) string {
	var b strings.Builder
	for col := range n.cells {
		for _, i := range n.cells[col].items {
			if it := &c.items[i]; it.finding >= 0 && it.w >= seen && n.cells[col].w >= seen {
				b.WriteString(strings.ToLower(c.Findings[it.finding].Text))
				b.WriteByte('\n')
			}
		}
	}
	return b.String()
}

func containsAny(text string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// impact lists who is affected, entries first, and the first symptom.
func (c *incident) impact(v *model.Verdict) {
	type hit struct{ node, item int }
	var hits []hit
	for i := range c.nodes {
		n := &c.nodes[i]
		if n.whole >= 0 {
			continue
		}
		best := -1
		for _, col := range [...]column{colErrors, colLatency} {
			if items := n.cells[col].items; len(items) > 0 && (best < 0 || c.items[items[0]].w > c.items[best].w) {
				best = items[0]
			}
		}
		if best >= 0 && c.items[best].w >= seen {
			hits = append(hits, hit{i, best})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		if d := c.nodes[a.node].depth - c.nodes[b.node].depth; d != 0 {
			return d
		}
		return c.nodes[a.node].entity.Compare(c.nodes[b.node].entity)
	})
	first := -1
	for _, h := range hits {
		if len(v.Impact) < keptImpact {
			v.Impact = append(v.Impact, c.evidence(h.item, c.symptomText(c.nodes[h.node].entity, &c.items[h.item])))
		}
		if o := c.items[h.item].d.onset; o > 0 && (first < 0 || o < c.items[first].d.onset) {
			first = h.item
		}
	}
	if first >= 0 {
		v.FirstFailure = []model.Evidence{c.evidence(first, c.symptomText(c.nodes[c.items[first].node].entity, &c.items[first]))}
	}
}

// checked says what was looked at when no cause is named.
func (c *incident) checked(ranked []int, correction float64) []string {
	out := []string{fmt.Sprintf("%d signals of %d entities against their own past", c.judged, len(c.nodes))}
	if len(c.Edges) > 0 {
		out = append(out, fmt.Sprintf("%d dependencies", len(c.Edges)))
	}
	out = append(out, fmt.Sprintf("%d changes", len(c.Changes)))
	if len(ranked) > 0 {
		n := &c.nodes[ranked[0]]
		out = append(out, fmt.Sprintf("the most unusual is %s with a weight of %s, of %s that are needed", title(n.entity), number(max(0, n.score-correction)), number(c.cfg.MinEvidence)))
	}
	return out
}

func (c *incident) unknownSentence(v *model.Verdict) string {
	if len(v.FirstFailure) > 0 {
		return "Since " + clock(c.OnsetMS) + " " + v.FirstFailure[0].Text + "; no cause stands out."
	}
	return "No cause stands out, and no symptom that users would see."
}

// sentence composes the facts for people.
func (c *incident) sentence(v *model.Verdict, top int) string {
	var b strings.Builder
	cand := &v.Candidates[0]
	if len(v.Impact) > 0 {
		b.WriteString("Since " + clock(c.OnsetMS) + " " + v.Impact[0].Text + ", because ")
		b.WriteString(cand.Why)
	} else {
		b.WriteString(strings.ToUpper(cand.Why[:1]) + cand.Why[1:])
	}
	if cand.OnsetMS > 0 {
		b.WriteString(" since " + clock(cand.OnsetMS))
	}
	if n := c.waiting(top); n > 0 {
		s := "service waits"
		if n > 1 {
			s = "services wait"
		}
		fmt.Fprintf(&b, "; %d %s for it", n, s)
	}
	b.WriteByte('.')
	return b.String()
}

// waiting counts the entities that depend on a node and are in trouble.
func (c *incident) waiting(top int) int {
	seenNodes := map[int]bool{top: true}
	queue := append(slices.Clone(c.nodes[top].callers), c.nodes[top].tenants...)
	count := 0
	for len(queue) > 0 {
		i := c.fold(queue[0])
		queue = queue[1:]
		if seenNodes[i] {
			continue
		}
		seenNodes[i] = true
		if max(c.nodes[i].cells[colLatency].raw, c.nodes[i].cells[colErrors].raw) >= seen {
			count++
		}
		queue = append(queue, c.nodes[i].callers...)
	}
	return count
}
