// Package quality scores the brain: neutral cases in, figures with intervals out. It knows no data set by name; package adapters makes the
// cases. The brain gets telemetry only, never labels.
package quality

import (
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
	for i, s := range shapes {
		// What a line belongs to is asked at the end, as a search would: templates merge while lines come.
		found[i], _ = m.Template("", s)
	}
	s := TemplateScore{Name: c.Name, Lines: len(c.Lines), LinesPerSec: float64(len(c.Lines)) / took.Seconds()}
	s.score(found, c.Truth)
	return s
}

func (s *TemplateScore) score(found []uint64, truth []string) {
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
	for f, groups := range both {
		for g, n := range groups {
			if len(groups) == 1 && n == foundSize[f] && n == trueSize[g] {
				right++
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
}
