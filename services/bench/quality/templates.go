// Package quality scores the brain: neutral cases in, figures with intervals out. It knows no data set by name; package adapters makes the
// cases. The brain gets telemetry only, never labels.
package quality

import (
	"regexp"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/correlator/template"
	"github.com/faultline-io/faultline/services/internal/logshape"
)

// TemplateCase is one system's lines with the group and the template that each belongs to.
type TemplateCase struct {
	Name      string
	Lines     []string
	Truth     []string
	Templates []string
}

// TemplateScore are the usual measures of log parsing, all in [0,1].
type TemplateScore struct {
	Name string
	// GA is the share of lines whose group holds exactly the lines of a true group (Zhu et al., ICSE-SEIP 2019).
	GA float64
	// FGA is the F1 of groups that are exactly right (Jiang et al., "A Large-Scale Evaluation for Log Parsing", ISSTA 2024).
	FGA float64
	// Found and True are the numbers of groups; Lines is how many lines there are.
	Found, True, Lines int
	// PA is the share of lines whose template is exact (Liu et al., WWW 2022), FTA the F1 of templates that are exact and whose group is right
	// (Khan et al., ICSE 2022). Templates are compared as plain makes them.
	PA, FTA float64
	// LinesPerSec is of one core, with all lines new to the miner.
	LinesPerSec float64
}

// Templates mines the lines of a case as the product does and scores the groups.
func Templates(c TemplateCase) TemplateScore {
	m := template.New(template.Default())
	shapes := make([]uint64, len(c.Lines))
	start := time.Now()
	for i, line := range c.Lines {
		shapes[i] = logshape.Hash(line)
		m.Learn("", shapes[i], line)
	}
	took := time.Since(start)
	found := make([]uint64, len(c.Lines))
	texts := map[uint64]string{}
	for i, s := range shapes {
		// What a line belongs to is asked at the end, as a search would: templates merge while lines come.
		t := m.Find("", s)
		found[i] = t.ID
		if _, ok := texts[t.ID]; !ok {
			texts[t.ID] = plain(t.String())
		}
	}
	s := TemplateScore{Name: c.Name, Lines: len(c.Lines), LinesPerSec: float64(len(c.Lines)) / took.Seconds()}
	right := s.score(found, c.Truth)
	if len(c.Templates) == len(c.Lines) {
		s.exact(found, texts, c, right)
	}
	return s
}

// slot is what stands in a template for what varies: of any type, and joined by what joins parts of one value.
var (
	slot   = regexp.MustCompile(`<(?:\*|num|hex|uuid|ip|path|url|time|size|duration|quoted|email|bool|more)>`)
	joined = regexp.MustCompile(`<\*>(?:[.:/_-]?<\*>)+`)
)

// plain writes a template with untyped slots, one for parts of one value that are joined by a point, colon, slash or dash, and with single spaces.
func plain(t string) string {
	t = slot.ReplaceAllString(t, "<*>")
	t = joined.ReplaceAllString(t, "<*>")
	return strings.Join(strings.Fields(t), " ")
}

// exact counts templates that are right to the letter.
func (s *TemplateScore) exact(found []uint64, texts map[uint64]string, c TemplateCase, right map[uint64]bool) {
	lines := 0
	good := map[uint64]bool{}
	for i, f := range found {
		if texts[f] == plain(c.Templates[i]) {
			lines++
			good[f] = right[f]
		}
	}
	s.PA = float64(lines) / float64(len(found))
	n := 0
	for _, g := range good {
		if g {
			n++
		}
	}
	if n > 0 {
		p, r := float64(n)/float64(s.Found), float64(n)/float64(s.True)
		s.FTA = 2 * p * r / (p + r)
	}
}

// score fills the measures of groups and returns the groups that are exactly right.
func (s *TemplateScore) score(found []uint64, truth []string) map[uint64]bool {
	foundSize, trueSize := map[uint64]int{}, map[string]int{}
	both := map[uint64]map[string]int{}
	for i, f := range found {
		foundSize[f]++
		trueSize[truth[i]]++
		if both[f] == nil {
			both[f] = map[string]int{}
		}
		both[f][truth[i]]++
	}
	right, lines := 0, 0
	exact := map[uint64]bool{}
	for f, groups := range both {
		for g, n := range groups {
			if len(groups) == 1 && n == foundSize[f] && n == trueSize[g] {
				right++
				exact[f] = true
				lines += n
			}
		}
	}
	s.Found, s.True = len(foundSize), len(trueSize)
	s.GA = float64(lines) / float64(len(found))
	if right > 0 {
		p, r := float64(right)/float64(s.Found), float64(right)/float64(s.True)
		s.FGA = 2 * p * r / (p + r)
	}
	return exact
}
