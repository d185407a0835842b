package logql

import (
	"slices"
	"strings"
)

// Label is a name and a value.
type Label struct{ Name, Value string }

// Names that the pipeline itself sets.
const (
	errorLabel   = "__error__"
	detailsLabel = "__error_details__"
)

// Stream is what the records of one stream share. It is not changed after it was made.
type Stream struct {
	// Labels are sorted by name.
	Labels []Label
}

// Entry is one record in front of a pipeline.
type Entry struct {
	TimeNS int64
	// ID orders records of one time.
	ID     uint64
	Line   string
	Stream *Stream
	// Meta is the record's structured metadata.
	Meta []Label
}

// Get returns the value of a stream's label.
func (s *Stream) Get(name string) (string, bool) { return find(s.Labels, name) }

func find(ls []Label, name string) (string, bool) {
	for i := range ls {
		if ls[i].Name == name {
			return ls[i].Value, true
		}
	}
	return "", false
}

func set(ls []Label, name, value string) []Label {
	for i := range ls {
		if ls[i].Name == name {
			ls[i].Value = value
			return ls
		}
	}
	return append(ls, Label{name, value})
}

func remove(ls []Label, name string) []Label {
	return slices.DeleteFunc(ls, func(l Label) bool { return l.Name == name })
}

// record is one entry on its way through a pipeline. It is used again for the next.
type record struct {
	timeNS int64
	line   string
	stream *Stream
	meta   []Label
	// parsed are labels that stages made; they go before the others. gone are names of others that were dropped or renamed.
	parsed []Label
	gone   []string
	err    string
	detail string
	// wanted are the labels that parsers need to extract; nil is all.
	wanted map[string]bool
	// templateMap is used again by templates.
	templateMap map[string]string
}

func (r *record) reset(e *Entry) {
	r.timeNS, r.line, r.stream = e.TimeNS, e.Line, e.Stream
	r.meta = append(r.meta[:0], e.Meta...)
	r.parsed, r.gone, r.err, r.detail = r.parsed[:0], r.gone[:0], "", ""
}

func (r *record) fail(kind, detail string) {
	if r.err == "" {
		r.err, r.detail = kind, detail
	}
}

// get returns a label's value, "" and false for none.
func (r *record) get(name string) (string, bool) {
	switch name {
	case errorLabel:
		return r.err, r.err != ""
	case detailsLabel:
		return r.detail, r.detail != ""
	}
	if v, ok := find(r.parsed, name); ok {
		return v, true
	}
	if slices.Contains(r.gone, name) {
		return "", false
	}
	if v, ok := find(r.meta, name); ok {
		return v, true
	}
	return r.stream.Get(name)
}

// own reports whether the stream or the metadata have name.
func (r *record) own(name string) bool {
	if slices.Contains(r.gone, name) {
		return false
	}
	if _, ok := find(r.meta, name); ok {
		return true
	}
	_, ok := r.stream.Get(name)
	return ok
}

// extracted sets a label that a parser found: it never hides one of the stream, the first value counts.
func (r *record) extracted(name, value string) {
	if !r.wants(name) {
		return
	}
	if r.own(name) {
		name += "_extracted"
	}
	if _, ok := find(r.parsed, name); !ok {
		r.parsed = append(r.parsed, Label{name, value})
	}
}

// wants reports whether anything looks at a label that a parser finds under name.
func (r *record) wants(name string) bool {
	return r.wanted == nil || r.wanted[name] || r.wanted[name+"_extracted"]
}

// set sets a label whatever there was.
func (r *record) set(name, value string) {
	switch name {
	case errorLabel:
		r.err = value
		return
	case detailsLabel:
		r.detail = value
		return
	}
	r.parsed = set(r.parsed, name, value)
}

func (r *record) delete(name string) {
	switch name {
	case errorLabel:
		r.err = ""
		return
	case detailsLabel:
		r.detail = ""
		return
	}
	r.parsed = remove(r.parsed, name)
	if r.own(name) {
		r.gone = append(r.gone, name)
	}
}

// each calls f with every label once.
func (r *record) each(f func(name, value string)) {
	for i := range r.parsed {
		f(r.parsed[i].Name, r.parsed[i].Value)
	}
	for i := range r.meta {
		if r.visible(r.meta[i].Name) {
			f(r.meta[i].Name, r.meta[i].Value)
		}
	}
	for i := range r.stream.Labels {
		n := r.stream.Labels[i].Name
		if _, hidden := find(r.meta, n); !hidden && r.visible(n) {
			f(n, r.stream.Labels[i].Value)
		}
	}
	if r.err != "" {
		f(errorLabel, r.err)
		if r.detail != "" {
			f(detailsLabel, r.detail)
		}
	}
}

// visible reports whether a label of the stream or the metadata still has its value.
func (r *record) visible(name string) bool {
	if slices.Contains(r.gone, name) {
		return false
	}
	_, over := find(r.parsed, name)
	return !over
}

func sortLabels(ls []Label) {
	slices.SortFunc(ls, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
}

// labelKey appends what tells label sets apart.
func labelKey(b []byte, ls []Label) []byte {
	for i := range ls {
		b = append(b, ls[i].Name...)
		b = append(b, 0xff)
		b = append(b, ls[i].Value...)
		b = append(b, 0xfe)
	}
	return b
}

func validLabelName(s string) bool {
	if s == "" || !isIdentStart(s[0]) {
		return false
	}
	for i := range len(s) {
		if !isIdentStart(s[i]) && !isDigit(s[i]) {
			return false
		}
	}
	return true
}

// SanitizeName makes a label name of any key: what is no letter, digit or underscore becomes an underscore, a digit in front gets one.
func SanitizeName(s string) string {
	if validLabelName(s) || s == "" {
		return s
	}
	b := make([]byte, 0, len(s)+1)
	if isDigit(s[0]) {
		b = append(b, '_')
	}
	for i := range len(s) {
		if isIdentStart(s[i]) || isDigit(s[i]) {
			b = append(b, s[i])
		} else {
			b = append(b, '_')
		}
	}
	return string(b)
}
