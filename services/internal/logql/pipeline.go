package logql

import "slices"

// Stage is one step of a pipeline.
type Stage interface {
	String() string
	// run works on r and reports whether the record stays.
	run(r *record) bool
}

// Result is a record behind a pipeline. It is valid until the next one.
type Result struct {
	TimeNS int64
	ID     uint64
	Line   string
	// Stream, Meta and Parsed are the labels by where they come from. None is named twice.
	Stream, Meta, Parsed []Label
}

// Pipeline runs the stages of a query over one record after another. It is not safe for concurrent use.
type Pipeline struct {
	stages []Stage
	r      record
	out    Result
}

// NewPipeline returns a pipeline of e.
func NewPipeline(e *LogExpr) *Pipeline { return &Pipeline{stages: e.Stages} }

// Run returns what becomes of an entry; false means that it is filtered out.
func (p *Pipeline) Run(e *Entry) (*Result, bool) {
	if !p.process(e) {
		return nil, false
	}
	r, o := &p.r, &p.out
	o.TimeNS, o.ID, o.Line = e.TimeNS, e.ID, r.line
	o.Stream, o.Meta, o.Parsed = o.Stream[:0], o.Meta[:0], append(o.Parsed[:0], r.parsed...)
	for _, l := range r.meta {
		if r.visible(l.Name) {
			o.Meta = append(o.Meta, l)
		}
	}
	for _, l := range r.stream.Labels {
		if _, hidden := find(r.meta, l.Name); !hidden && r.visible(l.Name) {
			o.Stream = append(o.Stream, l)
		}
	}
	if r.err != "" {
		o.Parsed = append(o.Parsed, Label{errorLabel, r.err})
		if r.detail != "" {
			o.Parsed = append(o.Parsed, Label{detailsLabel, r.detail})
		}
	}
	return o, true
}

func (p *Pipeline) process(e *Entry) bool {
	p.r.reset(e)
	for _, s := range p.stages {
		if !s.run(&p.r) {
			return false
		}
	}
	return true
}

// MatchesStream reports whether the selector of e takes a stream.
func (e *LogExpr) MatchesStream(s *Stream) bool {
	for _, m := range e.Matchers {
		v, _ := s.Get(m.Name)
		if !m.Matches(v) {
			return false
		}
	}
	return true
}

// Hints is what a store may filter by in front of the pipeline: all of it holds for every record that passes. Exact says that
// these filters are the whole pipeline.
type Hints struct {
	Lines  []*LineFilter
	Labels []*LabelFilter
	Exact  bool
}

// Hints collects filters that look at the record as it was stored.
func (e *LogExpr) Hints() Hints {
	h := Hints{Exact: true}
	lineChanged, labelsChanged := false, false
	for _, s := range e.Stages {
		switch s := s.(type) {
		case *LineFilter:
			if !lineChanged {
				h.Lines = append(h.Lines, s)
				h.Exact = h.Exact && len(s.IPs) == 0 && !slices.Contains(s.Texts, "")
				continue
			}
		case *LabelFilter:
			if !labelsChanged {
				h.Labels = append(h.Labels, s)
			}
		case *LineFormatStage, *DecolorizeStage, *UnpackStage:
			lineChanged, labelsChanged = true, true
		default:
			labelsChanged = true
		}
		h.Exact = false
	}
	return h
}

// NeedsLine reports whether the pipeline looks at lines.
func (e *LogExpr) NeedsLine() bool {
	for _, s := range e.Stages {
		switch s.(type) {
		case *LabelFilter, *DropStage:
		default:
			return true
		}
	}
	return false
}
