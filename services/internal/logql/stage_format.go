package logql

import (
	"regexp"
	"strconv"
	"strings"
)

// LineFormatStage writes the line anew.
type LineFormatStage struct {
	text string
	tpl  *tmpl
}

func newLineFormat(text string) (*LineFormatStage, error) {
	t, err := newTemplate(text)
	return &LineFormatStage{text: text, tpl: t}, err
}

func (s *LineFormatStage) run(r *record) bool {
	out, err := s.tpl.execute(r)
	if err != nil {
		r.fail("TemplateFormatErr", shorten(err.Error()))
		return true
	}
	r.line = out
	return true
}

// String writes the stage.
func (s *LineFormatStage) String() string { return "| line_format " + strconv.Quote(s.text) }

type labelFormat struct {
	Name string
	// From is the label that is renamed, "" for a template.
	From string
	tpl  *tmpl
}

// LabelFormatStage renames labels and makes new ones.
type LabelFormatStage struct{ Formats []labelFormat }

func (s *LabelFormatStage) run(r *record) bool {
	for i := range s.Formats {
		f := &s.Formats[i]
		if f.tpl == nil {
			if v, ok := r.get(f.From); ok && f.From != f.Name {
				r.delete(f.From)
				r.set(f.Name, v)
			}
			continue
		}
		out, err := f.tpl.execute(r)
		if err != nil {
			r.fail("TemplateFormatErr", shorten(err.Error()))
			continue
		}
		r.set(f.Name, out)
	}
	return true
}

// String writes the stage.
func (s *LabelFormatStage) String() string {
	parts := make([]string, len(s.Formats))
	for i, f := range s.Formats {
		if f.tpl == nil {
			parts[i] = f.Name + "=" + f.From
		} else {
			parts[i] = f.Name + "=" + strconv.Quote(f.tpl.text)
		}
	}
	return "| label_format " + strings.Join(parts, ", ")
}

// DecolorizeStage takes ANSI colours out of lines.
type DecolorizeStage struct{}

var ansi = regexp.MustCompile("[\u001B\u009B][[\\]()#;?]*(?:(?:(?:[a-zA-Z\\d]*(?:;[a-zA-Z\\d]*)*)?\u0007)|(?:(?:\\d{1,4}(?:;\\d{0,4})*)?[\\dA-PRZcf-ntqry=><~]))")

func (s *DecolorizeStage) run(r *record) bool {
	if strings.ContainsAny(r.line, "\u001B\u009B") {
		r.line = ansi.ReplaceAllString(r.line, "")
	}
	return true
}

// String writes the stage.
func (s *DecolorizeStage) String() string { return "| decolorize" }
