package group

import (
	"cmp"
	"math"
	"slices"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/model"
)

// Times in milliseconds.
const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// Config is what may be chosen. All bounds are there so that a storm of findings costs a bounded amount of memory.
type Config struct {
	// Tenant is written into the incidents.
	Tenant model.TenantID
	// OpenP is how improbable findings must be together, in an hour without a fault, to make an incident without an effect on users.
	OpenP float64
	// ResolveAfterMS is how long a quiet incident waits for its findings to come back; ReopenMS for how long an ended one still takes
	// them back. Both grow with what flaps, up to MaxResolveAfterMS and four times that.
	ResolveAfterMS, ReopenMS, MaxResolveAfterMS int64
	// StaleMS ends a finding that nobody spoke of for as long.
	StaleMS int64
	// MaxIncidents bounds the incidents that are not ended, MaxEnded those that are remembered after their end, for KeepEndedMS.
	MaxIncidents, MaxEnded int
	KeepEndedMS            int64
	// MaxMembers bounds the signals of an incident, MaxFindings the findings that are followed, in incidents or not.
	MaxMembers, MaxFindings int
	// MaxHistory bounds the steps of an incident's history, MaxActs its comments and its feedback, each.
	MaxHistory, MaxActs int
	// MaxSignals bounds the signals whose habits are remembered, MaxRules the mutes, expectations and maintenance windows.
	MaxSignals, MaxRules int
	// MaxCommands bounds the ids of commands that are known as done.
	MaxCommands int
}

// Default returns the configuration of one tenant.
//
// OpenP: a chance opening in an hour for each 700 entities-with-neighbours, that is one a day for about thirty; see docs/incidents.md.
func Default(tenant model.TenantID) Config {
	return Config{
		Tenant: tenant, OpenP: 1.0 / 24 / 30,
		ResolveAfterMS: 5 * minute, ReopenMS: 30 * minute, MaxResolveAfterMS: 2 * hour,
		StaleMS:      day,
		MaxIncidents: 256, MaxEnded: 512, KeepEndedMS: 7 * day,
		MaxMembers: 256, MaxFindings: 20_000,
		MaxHistory: 100, MaxActs: 200,
		MaxSignals: 50_000, MaxRules: 1024,
		MaxCommands: 4096,
	}
}

// Graph is what the grouper asks of a topology: the edges of an entity in a fixed order. *topology.Graph is one.
type Graph interface {
	Out(e model.Entity) []model.Edge
	In(e model.Entity) []model.Edge
}

// Grouper holds the incidents of one tenant. It is not safe for concurrent use.
type Grouper struct {
	cfg Config
	// atMS is the time of the last mark and nowMS its watermark: the first is what people see, the second what is counted with.
	atMS, nowMS int64
	pending     []model.Finding
	findings    map[uint64]*finding
	incidents   map[string]*incident
	memory      *memory
	rules       []rule
	done        []string
	doneSet     map[string]bool
	stats       Stats
}

// Stats counts what a Grouper did and holds.
type Stats struct {
	// Open, Quiet and Ended are incidents; Findings are those followed, Loose those of them that are in no incident.
	Open, Quiet, Ended, Findings, Loose int
	// Opened, Merged, Split and Reopened count incidents, Folded findings that were repetitions, Dropped findings beyond a bound.
	Opened, Merged, Split, Reopened, Folded, Dropped uint64
	// Confirmed and Rejected count the judgements of people on incidents that still hold: their share is the precision.
	Confirmed, Rejected int
	// Signals are those whose habits are remembered, Rules the mutes, expectations and maintenance windows.
	Signals, Rules int
}

// New returns an empty Grouper.
func New(cfg Config) *Grouper {
	return &Grouper{cfg: cfg, findings: map[uint64]*finding{}, incidents: map[string]*incident{}, memory: newMemory(cfg.MaxSignals), doneSet: map[string]bool{}}
}

// Findings takes findings: new ones, and updates of known ones by their id. They count at the next mark. The slice is not kept.
func (g *Grouper) Findings(fs []model.Finding) {
	room := g.cfg.MaxFindings - len(g.pending)
	if len(fs) > room {
		// The end of a finding must not be lost to a storm of new ones; which of them are dropped is decided at the mark.
		g.pending = append(g.pending, fs...)
		slices.SortFunc(g.pending, compareFindings)
		slices.SortStableFunc(g.pending, func(a, b model.Finding) int { return cmp.Compare(g.rank(&a), g.rank(&b)) })
		g.stats.Dropped += uint64(len(g.pending) - g.cfg.MaxFindings)
		g.pending = slices.Clone(g.pending[:g.cfg.MaxFindings])
		return
	}
	g.pending = append(g.pending, fs...)
}

// rank orders what is dropped last when there is too much: updates of known findings first.
func (g *Grouper) rank(f *model.Finding) int {
	if g.findings[f.ID] != nil {
		return 0
	}
	return 1
}

// compareFindings orders findings by onset, id and, for updates, by when they were said.
func compareFindings(a, b model.Finding) int {
	return cmp.Or(
		cmp.Compare(a.OnsetMS, b.OnsetMS), cmp.Compare(a.ID, b.ID), cmp.Compare(a.SeenMS, b.SeenMS), cmp.Compare(a.EndMS, b.EndMS),
		cmp.Compare(a.Score, b.Score), cmp.Compare(a.Value, b.Value), cmp.Compare(a.PValue, b.PValue), cmp.Compare(a.Text, b.Text),
	)
}

// Mark closes the time up to a mark: what came since the last one is put into incidents, and what time does to incidents is done. graph is the
// topology of the moment; nil for none. It returns the incidents that changed, as copies, by start and id.
func (g *Grouper) Mark(k eventtime.Mark, graph Graph) []*model.Incident {
	g.atMS, g.nowMS = max(g.atMS, k.AtMS, k.WatermarkMS), max(g.nowMS, k.WatermarkMS)
	g.memory.begin(g.nowMS)
	v := newVicinity(graph, g.findings)
	g.intake(v)
	g.hold(v)
	g.attach(v)
	g.openNew(v)
	g.mergeNear(v)
	g.splitTorn(v)
	g.live()
	g.forget()
	return g.changed(v)
}

// SetVerdict keeps what the search for the cause says of an incident, and returns the incident with it; nil when it is not known.
func (g *Grouper) SetVerdict(id string, verdict model.Verdict) *model.Incident {
	i := g.incidents[id]
	if i == nil || i.M.State == model.IncidentMerged {
		return nil
	}
	before, after := causeOf(&i.M.Verdict), causeOf(&verdict)
	i.M.Verdict = cleanVerdict(verdict)
	if before != after {
		g.note(i, "cause: "+after)
	}
	i.M.UpdatedMS = max(i.M.UpdatedMS, verdict.AtMS)
	return clone(&i.M)
}

// causeOf says the first candidate in a few words.
func causeOf(v *model.Verdict) string {
	switch {
	case v.Unknown:
		return "not known"
	case len(v.Candidates) == 0:
		return "not looked for yet"
	}
	c := &v.Candidates[0]
	switch {
	case c.ChangeID != "":
		return "change " + clip(c.ChangeID, 100) + " at " + c.Entity.Name
	case c.Signal != nil:
		return c.Entity.Name + " (" + c.Signal.Name + ")"
	}
	return c.Entity.Name
}

// Incident returns a copy of an incident; nil when it is not held.
func (g *Grouper) Incident(id string) *model.Incident {
	if i := g.incidents[id]; i != nil {
		return clone(&i.M)
	}
	return nil
}

// Incidents returns copies of all incidents that are held, ended ones too, by start and id.
func (g *Grouper) Incidents() []*model.Incident {
	out := make([]*model.Incident, 0, len(g.incidents))
	for _, i := range g.sorted() {
		out = append(out, clone(&i.M))
	}
	return out
}

// Members returns the findings of an incident that are still followed and count, by onset and id: the search for the cause needs them whole. What
// has no probability has that of its habit, see Weigh.
func (g *Grouper) Members(id string) []model.Finding {
	i := g.incidents[id]
	if i == nil {
		return nil
	}
	var out []model.Finding
	for _, p := range i.Parts {
		for _, fid := range p.IDs {
			if f := g.findings[fid]; f != nil && f.Incident == id && f.HeldBy == "" {
				out = append(out, f.F)
			}
		}
	}
	slices.SortFunc(out, compareFindings)
	return g.Weigh(out)
}

// Weigh returns findings that came without a probability, as those of rules and logs do, with that of their habit: how likely it is to find the
// signal in an hour anyway. So an alert that hardly ever comes says more than one that always does. Findings that are followed have the
// probability that they had when they came. The slice is changed.
func (g *Grouper) Weigh(fs []model.Finding) []model.Finding {
	for n := range fs {
		f := &fs[n]
		if f.PValue > 0 {
			continue
		}
		trouble := 0.0
		if had := g.findings[f.ID]; had != nil {
			trouble = had.TroubleMS
		} else {
			trouble, _ = g.memory.rates(cellOf(f), g.nowMS)
		}
		f.PValue = -math.Expm1(-trouble * float64(hour))
	}
	return fs
}

// Holder returns the incident that a finding is in, "" for none.
func (g *Grouper) Holder(finding uint64) string {
	if f := g.findings[finding]; f != nil {
		return f.Incident
	}
	return ""
}

// Stats returns the counts of now.
func (g *Grouper) Stats() Stats {
	s := g.stats
	for _, i := range g.incidents {
		switch i.M.State {
		case model.IncidentOpen:
			s.Open++
		case model.IncidentQuiet:
			s.Quiet++
		default:
			s.Ended++
		}
	}
	for _, f := range g.findings {
		if f.Incident == "" {
			s.Loose++
		}
	}
	s.Findings, s.Signals, s.Rules = len(g.findings), len(g.memory.Signals), len(g.rules)
	return s
}

// sorted returns all incidents by start and id.
func (g *Grouper) sorted() []*incident {
	out := make([]*incident, 0, len(g.incidents))
	for _, i := range g.incidents {
		out = append(out, i)
	}
	slices.SortFunc(out, compareIncidents)
	return out
}

// compareIncidents puts the older first: by when it was opened, then by start and id.
func compareIncidents(a, b *incident) int {
	return cmp.Or(cmp.Compare(a.M.DetectedMS, b.M.DetectedMS), cmp.Compare(a.M.StartMS, b.M.StartMS), cmp.Compare(a.M.ID, b.M.ID))
}

// loose returns the findings that are in no incident and may make one, by onset and id.
func (g *Grouper) loose() []*finding {
	var out []*finding
	for _, f := range g.findings {
		if f.Incident == "" && f.HeldBy == "" {
			out = append(out, f)
		}
	}
	sortFindings(out)
	return out
}

func sortFindings(fs []*finding) {
	slices.SortFunc(fs, func(a, b *finding) int {
		return cmp.Or(cmp.Compare(a.F.OnsetMS, b.F.OnsetMS), cmp.Compare(a.F.ID, b.F.ID))
	})
}
