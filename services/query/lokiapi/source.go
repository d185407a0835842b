package lokiapi

import (
	"context"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/faultline-io/faultline/services/internal/logql"
	"github.com/faultline-io/faultline/services/internal/logquery"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
)

// unknownService is what Loki calls a stream that does not say its service.
const unknownService = "unknown_service"

// levelNames are the values of level and detected_level by severity group.
var levelNames = [clickhouse.SeverityGroups]string{"unknown", "trace", "debug", "info", "warn", "error", "fatal"}

// levelAliases are the other spellings that a matcher of a level may use.
var levelAliases = [clickhouse.SeverityGroups][]string{
	{"unset"}, {"TRACE", "Trace"}, {"DEBUG", "Debug", "dbug"}, {"INFO", "Info", "information", "notice"}, {"WARN", "Warn", "warning", "WARNING"},
	{"ERROR", "Error", "err"}, {"FATAL", "Fatal", "critical", "CRITICAL", "panic"},
}

func isLevel(name string) bool { return name == "level" || name == "detected_level" }

// levelsOf returns the severity groups that a matcher of a level takes. A positive matcher takes a group by any of its spellings, a
// negative one leaves it out by any.
func levelsOf(m *labels.Matcher) uint8 {
	negative := m.Type == labels.MatchNotEqual || m.Type == labels.MatchNotRegexp
	var set uint8
	for g, name := range levelNames {
		takes := m.Matches(name)
		if g == 0 && m.Name == "level" {
			takes = m.Matches("")
		}
		for _, alias := range levelAliases[g] {
			if negative {
				takes = takes && m.Matches(alias)
			} else {
				takes = takes || m.Matches(alias)
			}
		}
		if takes {
			set |= 1 << g
		}
	}
	return set
}

// resource is a resource with the labels of its streams by severity group.
type resource struct {
	base    []logql.Label
	byLevel [clickhouse.SeverityGroups]*logql.Stream
}

// newResource makes labels of what a resource says: its attributes under Loki's names, service_name, and host.
func newResource(service, host string, each func(func(name, value string))) *resource {
	r := &resource{}
	add := func(name, value string) {
		if name != "" && value != "" && !slices.ContainsFunc(r.base, func(l logql.Label) bool { return l.Name == name }) {
			r.base = append(r.base, logql.Label{Name: name, Value: value})
		}
	}
	if service == "" {
		service = unknownService
	}
	add("service_name", service)
	each(func(name, value string) { add(logql.SanitizeName(name), value) })
	add("host", host)
	return r
}

// stream returns the stream of a severity group.
func (r *resource) stream(level uint8) *logql.Stream {
	level = min(level, clickhouse.SeverityGroups-1)
	if s := r.byLevel[level]; s != nil {
		return s
	}
	ls := slices.Clone(r.base)
	if level > 0 {
		ls = slices.DeleteFunc(ls, func(l logql.Label) bool { return l.Name == "level" })
		ls = append(ls, logql.Label{Name: "level", Value: levelNames[level]})
	}
	slices.SortFunc(ls, func(a, b logql.Label) int { return strings.Compare(a.Name, b.Name) })
	r.byLevel[level] = &logql.Stream{Labels: ls}
	return r.byLevel[level]
}

// takes reports whether the matchers that are not of levels take the resource.
func (r *resource) takes(ms []*labels.Matcher) bool {
	for _, m := range ms {
		if isLevel(m.Name) {
			continue
		}
		value := ""
		if i := slices.IndexFunc(r.base, func(l logql.Label) bool { return l.Name == m.Name }); i >= 0 {
			value = r.base[i].Value
		}
		if !m.Matches(value) {
			return false
		}
	}
	return true
}

// source reads for one request. It is not safe for concurrent use.
type source struct {
	api    *API
	tenant model.TenantID
	stats  clickhouse.ReadStats
	// resources are those that selectors took, by id; sets are the answers by selector.
	resources map[uint64]*resource
	sets      map[string][]uint64
}

func (a *API) source(tenant model.TenantID) *source {
	return &source{api: a, tenant: tenant, resources: map[uint64]*resource{}, sets: map[string][]uint64{}}
}

// find returns the ids of the resources that matchers take.
func (s *source) find(ctx context.Context, ms []*labels.Matcher) ([]uint64, error) {
	var key strings.Builder
	var values []string
	for _, m := range ms {
		key.WriteString(m.String() + "\x00")
		if m.Type == labels.MatchEqual && m.Value != "" && m.Value != unknownService && !isLevel(m.Name) {
			values = append(values, m.Value)
		}
	}
	if ids, ok := s.sets[key.String()]; ok {
		return ids, nil
	}
	found, err := s.api.reader.FindResources(ctx, s.tenant, values)
	if err != nil {
		return nil, err
	}
	ids := []uint64{}
	for i := range found {
		f := &found[i]
		r := newResource(f.Service, f.Host, func(take func(name, value string)) {
			for _, k := range sortedKeys(f.Attributes) {
				take(k, f.Attributes[k])
			}
		})
		if r.takes(ms) {
			ids = append(ids, f.ID)
			s.resources[f.ID] = r
		}
	}
	s.sets[key.String()] = ids
	return ids, nil
}

func sortedKeys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// levels returns the severity groups that matchers take.
func levels(ms []*labels.Matcher) uint8 {
	set := uint8(1<<clickhouse.SeverityGroups - 1)
	for _, m := range ms {
		if isLevel(m.Name) {
			set &= levelsOf(m)
		}
	}
	return set
}

// filter returns the store's filter for a log query; none says that nothing can match.
func (s *source) filter(ctx context.Context, e *logql.LogExpr) (f clickhouse.LogFilter, none bool, err error) {
	f.Tenant = s.tenant
	if f.ResourceIDs, err = s.find(ctx, e.Matchers); err != nil {
		return f, false, err
	}
	f.Levels = levels(e.Matchers)
	for _, m := range e.Matchers {
		if m.Name == "service_name" && m.Type == labels.MatchEqual && m.Value != unknownService {
			f.Services = []string{m.Value} // in the sort key
		}
	}
	h := e.Hints()
	for _, l := range h.Labels {
		for _, c := range l.Conjuncts() {
			if c.Match == nil {
				continue
			}
			switch {
			case isLevel(c.Name):
				f.Levels &= levelsOf(c.Match)
			case c.Name == "trace_id" && c.Match.Type == labels.MatchEqual && len(c.Match.Value) == 32:
				if raw, err := hex.DecodeString(c.Match.Value); err == nil {
					f.TraceID = string(raw)
				}
			}
		}
	}
	var all []*logquery.Cond
	for _, l := range h.Lines {
		if c := lineCond(l); c != nil {
			all = append(all, c)
		}
	}
	f.Query.Root = logquery.All(all...)
	return f, len(f.ResourceIDs) == 0 || f.Levels == 0, nil
}

// lineCond returns a line filter as the store's condition; nil where it has none.
func lineCond(l *logql.LineFilter) *logquery.Cond {
	if len(l.IPs) > 0 || slices.Contains(l.Texts, "") {
		return nil
	}
	var any []*logquery.Cond
	switch l.Op[1] {
	case '=':
		for _, t := range l.Texts {
			any = append(any, logquery.NewContains(t))
		}
	case '~':
		for _, re := range l.Regexps() {
			any = append(any, logquery.NewMatches(re))
		}
	default:
		for _, pieces := range l.Patterns() {
			quoted := make([]string, len(pieces))
			for i, p := range pieces {
				quoted[i] = regexp.QuoteMeta(p)
			}
			re, err := regexp.Compile(`(?s)^` + strings.Join(quoted, ".*?") + `$`)
			if err != nil {
				return nil
			}
			any = append(any, logquery.NewMatches(re))
		}
	}
	c := logquery.Any(any...)
	if l.Negated() {
		return logquery.Negate(c)
	}
	return c
}

// Entries implements logql.Source.
func (s *source) Entries(ctx context.Context, q logql.Select, take func(*logql.Entry) error) error {
	f, none, err := s.filter(ctx, q.Log)
	if err != nil || none {
		return err
	}
	f.StartNS, f.EndNS = q.AfterNS+1, q.UntilNS
	return s.scan(ctx, &f, clickhouse.LogColumns{Body: q.Line, Attributes: q.Meta, IDs: q.Meta}, take)
}

func (s *source) scan(ctx context.Context, f *clickhouse.LogFilter, cols clickhouse.LogColumns, take func(*logql.Entry) error) error {
	var e logql.Entry
	return s.api.reader.Scan(ctx, f, cols, &s.stats, func(row *clickhouse.LogRow) error {
		s.entry(&e, row)
		return take(&e)
	})
}

// entry makes an entry of a row; its metadata is used again.
func (s *source) entry(e *logql.Entry, row *clickhouse.LogRow) {
	r := s.resources[row.ResourceID]
	if r == nil {
		r = newResource(row.Service, row.Host, func(func(name, value string)) {})
		s.resources[row.ResourceID] = r
	}
	level := min((row.Severity+3)/4, clickhouse.SeverityGroups-1)
	e.TimeNS, e.ID, e.Line, e.Stream = row.TimeNS, row.ID, row.Body, r.stream(level)
	e.Meta = withoutStream(metadata(e.Meta[:0], level, row.TraceID, row.SpanID, row.Attributes), e.Stream)
}

// metadata appends what Loki calls structured metadata: the attributes of the record, its ids, and the level.
func metadata(ls []logql.Label, level uint8, trace, span string, attributes map[string]string) []logql.Label {
	ls = append(ls, logql.Label{Name: "detected_level", Value: levelNames[level]})
	if id := hexID(trace); id != "" {
		ls = append(ls, logql.Label{Name: "trace_id", Value: id})
	}
	if id := hexID(span); id != "" {
		ls = append(ls, logql.Label{Name: "span_id", Value: id})
	}
	start := len(ls)
	for k, v := range attributes {
		name := logql.SanitizeName(k)
		if v != "" && name != "" && !slices.ContainsFunc(ls, func(l logql.Label) bool { return l.Name == name }) {
			ls = append(ls, logql.Label{Name: name, Value: v})
		}
	}
	slices.SortFunc(ls[start:], func(a, b logql.Label) int { return strings.Compare(a.Name, b.Name) })
	return ls
}

// withoutStream leaves out what the stream has a label of the same name for.
func withoutStream(ls []logql.Label, st *logql.Stream) []logql.Label {
	return slices.DeleteFunc(ls, func(l logql.Label) bool { _, has := st.Get(l.Name); return has })
}

// hexID returns an id in hexadecimal digits, "" for one of zeros.
func hexID(raw string) string {
	if strings.Trim(raw, "\x00") == "" {
		return ""
	}
	return hex.EncodeToString([]byte(raw))
}

// Counts implements logql.Source: the store counts where the edges are evenly spaced.
func (s *source) Counts(ctx context.Context, q logql.CountSelect, take func(*logql.Stream, int, float64) error) (bool, error) {
	if _, ok := clickhouse.CountStep(q.Edges); !ok {
		return false, nil
	}
	f, none, err := s.filter(ctx, q.Log)
	if err != nil || none {
		return err == nil, err
	}
	for _, n := range q.By {
		if !s.knows(n, f.ResourceIDs) {
			return false, nil // it may be the label of a record, not of a stream
		}
	}
	limit := s.api.deps.Limits.MaxCells
	rows := 0
	detected := map[*logql.Stream]*logql.Stream{}
	err = s.api.reader.CountByStream(ctx, f, q.Edges, q.Bytes, limit, &s.stats, func(c clickhouse.LogStream) error {
		if rows++; rows >= limit {
			return errCells(limit)
		}
		r := s.resources[c.ResourceID]
		if r == nil {
			return nil
		}
		n := float64(c.Lines)
		if q.Bytes {
			n = float64(c.Bytes)
		}
		st := r.stream(c.Level)
		if slices.Contains(q.By, "detected_level") {
			st = withDetected(detected, st, c.Level)
		}
		return take(st, int(c.Bucket), n)
	})
	return true, err
}

func withDetected(known map[*logql.Stream]*logql.Stream, s *logql.Stream, level uint8) *logql.Stream {
	if known[s] == nil {
		ls := append(slices.Clone(s.Labels), logql.Label{Name: "detected_level", Value: levelNames[min(level, clickhouse.SeverityGroups-1)]})
		slices.SortFunc(ls, func(a, b logql.Label) int { return strings.Compare(a.Name, b.Name) })
		known[s] = &logql.Stream{Labels: ls}
	}
	return known[s]
}

// knows reports whether a label is one of all streams: then the store's counts have it. Others may be of records, which it does not
// look at.
func (s *source) knows(name string, ids []uint64) bool {
	if isLevel(name) || name == "service_name" {
		return true
	}
	for _, id := range ids {
		if r := s.resources[id]; r == nil || !slices.ContainsFunc(r.base, func(l logql.Label) bool { return l.Name == name }) {
			return false
		}
	}
	return true
}
