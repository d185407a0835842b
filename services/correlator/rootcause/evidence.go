package rootcause

import (
	"fmt"
	"slices"

	"github.com/faultline-io/faultline/services/correlator/signal"
	"github.com/faultline-io/faultline/services/model"
)

// frozenMS is how much of the time before the onset is kept with an evidence.
const frozenMS = 2 * 3_600_000

// evidence freezes what an item was judged on.
func (c *incident) evidence(i int, text string) model.Evidence {
	it := &c.items[i]
	e := model.Evidence{Text: text, Entity: c.nodes[it.instance].entity, StartMS: c.OnsetMS - frozenMS/2, EndMS: c.NowMS, Low: it.d.low, High: it.d.high}
	if it.finding >= 0 {
		f := &c.Findings[it.finding]
		e.FindingID = f.ID
		e.Language, e.Query = query(f.Entity, &f.Signal)
		return e
	}
	if it.win < 0 {
		return e
	}
	w := &c.windows[it.win]
	for k := range c.Findings {
		if f := &c.Findings[k]; f.Signal.SeriesID != 0 && f.Signal.SeriesID == w.Signal.SeriesID {
			e.FindingID = f.ID
			break
		}
	}
	e.Language, e.Query = query(w.Entity, &w.Signal)
	e.TimesMS, e.Values = thin(w, c.OnsetMS-frozenMS, c.NowMS, c.cfg.MaxPoints)
	if len(e.TimesMS) > 0 {
		e.StartMS = e.TimesMS[0]
	}
	return e
}

// thin returns at most n points of a window, evenly chosen, the last one always.
func thin(w *model.Window, from, to int64, n int) ([]int64, []float64) {
	lo, hi := 0, len(w.TimesMS)
	for lo < hi && w.TimesMS[lo] < from {
		lo++
	}
	for hi > lo && w.TimesMS[hi-1] > to {
		hi--
	}
	step := max(1, (hi-lo+n-1)/max(n, 1))
	var ts []int64
	var vs []float64
	for i := (hi - 1 - lo) % step; lo+i < hi; i += step {
		ts, vs = append(ts, w.TimesMS[lo+i]), append(vs, w.Values[lo+i])
	}
	return ts, vs
}

// speaksFor lists the facts for a node, strongest first.
func (c *incident) speaksFor(i int) []model.Evidence {
	n := &c.nodes[i]
	var out []model.Evidence
	if v := n.change; v != nil && !v.innocent {
		out = append(out, c.changeFact(v))
		if v.item >= 0 && v.differ >= innocentBelow {
			w := &c.windows[v.item]
			e := model.Evidence{Text: fmt.Sprintf("new instances: %s %s, old ones %s", signal.Say(w.Signal.Name, w.Signal.Labels), amount(v.newValue, w.Signal.Unit), amount(v.oldValue, w.Signal.Unit)),
				Entity: n.entity, StartMS: v.atMS, EndMS: c.NowMS}
			e.Language, e.Query = query(w.Entity, &w.Signal)
			e.TimesMS, e.Values = thin(w, c.OnsetMS-frozenMS, c.NowMS, c.cfg.MaxPoints)
			out = append(out, e)
		}
	}
	if s := n.shared; s != nil {
		out = append(out, model.Evidence{Entity: n.entity, StartMS: c.OnsetMS, EndMS: c.NowMS,
			Text: fmt.Sprintf("%d of %d that depend on it are in trouble, and %d of %d others", s.hit, s.dependents, s.hitElsewhere, s.elsewhere)})
	}
	var list []int
	for col := range n.cells {
		if column(col) == colTraffic && n.surge == 0 {
			continue
		}
		if n.cells[col].w < seen/2 {
			continue
		}
		for k, it := range n.cells[col].items {
			if k < 3 && c.items[it].w >= seen {
				list = append(list, it)
			}
		}
	}
	c.strongest(list)
	if items := n.cells[c.mainColumn(n)].items; len(items) > 0 && len(list) > 0 {
		// What the candidate is named by comes first.
		list = append([]int{items[0]}, slices.DeleteFunc(list, func(k int) bool { return k == items[0] })...)
	}
	for _, k := range list {
		if len(out) >= keptEvidence {
			break
		}
		out = append(out, c.evidence(k, c.fact(k)))
	}
	return out
}

// fact says one item in words.
func (c *incident) fact(i int) string {
	it := &c.items[i]
	text := c.movement(it)
	if it.instance != it.node && len(c.nodes[it.node].parts) > 1 {
		text += " on " + c.nodes[it.instance].entity.Name
	}
	if it.from >= 0 {
		text += fmt.Sprintf(" (%s calling %s)", c.nodes[it.from].entity.Name, c.nodes[it.node].entity.Name)
	}
	return text
}

func (c *incident) changeFact(v *changeVerdict) model.Evidence {
	ch := v.change
	what := ch.Kind
	if ch.Version != "" {
		what += " of " + ch.Version
	}
	if ch.Title != "" {
		what += " (" + ch.Title + ")"
	}
	return model.Evidence{Text: fmt.Sprintf("%s at %s, %s before the onset", what, clock(v.atMS), seconds(float64(max(0, c.OnsetMS-v.atMS))/1000)),
		StartMS: v.atMS, EndMS: c.NowMS, Language: "changes", Query: changesQuery(ch)}
}

// speaksAgainst lists what does not fit.
func (c *incident) speaksAgainst(i int, main column) []model.Evidence {
	n := &c.nodes[i]
	var out []model.Evidence
	add := func(format string, args ...any) {
		if len(out) < keptEvidence {
			out = append(out, model.Evidence{Text: fmt.Sprintf(format, args...), Entity: n.entity, StartMS: c.OnsetMS, EndMS: c.NowMS})
		}
	}
	if v := n.change; v != nil && v.innocent {
		e := c.changeFact(v)
		e.Text += fmt.Sprintf(": its %d new instances behave as the %d old ones", v.newer, v.older)
		out = append(out, e)
	}
	for _, col := range [...]column{colLatency, colErrors, colLog} {
		if cell := &n.cells[col]; cell.by >= 0 && cell.raw >= seen && cell.w < cell.raw/2 {
			add("what %s shows here is explained by %s", [columns]string{colLatency: "latency", colErrors: "errors", colLog: "the log"}[col], title(c.nodes[cell.by].entity))
		}
	}
	if cell := &n.cells[colResource]; main != colResource && len(cell.items) > 0 && cell.raw < seen/2 {
		add("its %d resource signals are as before", len(cell.items))
	}
	if !n.inCone {
		add("no known dependency leads from the symptoms to it")
	}
	if n.onset > c.OnsetMS+2*60_000 {
		add("it broke %s after the onset", seconds(float64(n.onset-c.OnsetMS)/1000))
	}
	short := true
	for _, col := range n.cells {
		for _, k := range col.items {
			short = short && c.items[k].d.before < 2*pooledBelow
		}
	}
	if short && n.shared == nil {
		add("its signals have little history")
	}
	return out
}

// why is one clause about a candidate.
func (c *incident) why(n *node, main column, lead *item) string {
	name := title(n.entity)
	if v := n.change; v != nil && !v.innocent && (v.differ >= innocentBelow || v.newer == 0) {
		what := v.change.Kind
		if v.change.Version != "" {
			what += " " + v.change.Version
		}
		return fmt.Sprintf("%s was changed at %s (%s)", name, clock(v.atMS), what)
	}
	switch {
	case n.surge > 0 && main == colTraffic:
		return fmt.Sprintf("%s gets %s× its usual load", name, number(n.surge))
	case lead == nil && n.shared != nil:
		return fmt.Sprintf("%d of %d that depend on %s are in trouble", n.shared.hit, n.shared.dependents, name)
	case lead == nil:
		return name + " behaves unlike before"
	case main == colGap:
		s := c.signal(lead)
		return fmt.Sprintf("calls of %s lose time on the network (%s → %s)", name, amount(lead.d.level, s.Unit), amount(lead.d.value, s.Unit))
	case main == colSelf:
		s := c.signal(lead)
		if s == nil || lead.win < 0 {
			return name + " itself needs longer"
		}
		return fmt.Sprintf("%s itself needs %s instead of %s for its work", name, amount(lead.d.value, s.Unit), amount(lead.d.level, s.Unit))
	case main == colLatency || main == colErrors:
		return c.symptomText(n.entity, lead) + " and nothing that it calls explains it"
	case main == colStructure || lead.fresh:
		if lead.beside > 0 || lead.fresh {
			return "in " + name + " " + c.movement(lead)
		}
		return fmt.Sprintf("%s leaves out calls that it used to make", name)
	case lead.d.silent:
		return name + " sends no data"
	case lead.win < 0:
		return c.movement(lead) + " on " + name
	}
	s := c.signal(lead)
	return fmt.Sprintf("%s of %s is at %s instead of %s", signal.Say(s.Name, s.Labels), name, amount(lead.d.value, s.Unit), amount(lead.d.level, s.Unit))
}
