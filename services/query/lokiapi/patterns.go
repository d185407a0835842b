package lokiapi

import (
	"regexp"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/logql"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

// maxPatterns bounds the patterns of an answer.
const maxPatterns = 300

// patterns returns the most frequent kinds of lines with their counts over time. A kind is a shape; its pattern is one of its lines
// with what varies masked.
func (a *API) patterns(c *gin.Context) (any, error) {
	r := c.Request
	e, err := logql.ParseLog(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	sp, err := a.spanOf(r)
	if err != nil {
		return nil, err
	}
	step, err := stepOf(r, "step", sp)
	if err != nil {
		return nil, err
	}
	step = max(step, 10e9) // Loki's own grain
	if (sp.end-sp.start)/step > 11_000 {
		return nil, errs.New(errs.Invalid, "exceeded maximum resolution of 11000 points per time series (max_query_points). Try increasing the value of the step parameter")
	}
	src := a.source(reqctx.Tenant(r.Context()))
	f, none, err := src.filter(r.Context(), e)
	if err != nil {
		return nil, err
	}
	out := []gin.H{}
	if none {
		return ok(out), nil
	}
	f.StartNS, f.EndNS = sp.start, sp.end-1
	origin := floorDiv(sp.start, step) * step
	found, err := a.reader.ShapeVolumes(r.Context(), f, origin, step, maxPatterns, &src.stats)
	if err != nil {
		return nil, err
	}
	merged := map[string]map[uint32]uint64{}
	totals := map[string]uint64{}
	for _, p := range found {
		text := Template(p.Sample)
		if merged[text] == nil {
			merged[text] = map[uint32]uint64{}
		}
		for b, n := range p.Counts {
			merged[text][b] += n
		}
		totals[text] += p.Total
	}
	names := make([]string, 0, len(merged))
	for text := range merged {
		names = append(names, text)
	}
	slices.SortFunc(names, func(a, b string) int {
		if totals[a] != totals[b] {
			if totals[a] > totals[b] {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	for _, text := range names {
		buckets := make([]uint32, 0, len(merged[text]))
		for b := range merged[text] {
			buckets = append(buckets, b)
		}
		slices.Sort(buckets)
		samples := make([][2]int64, len(buckets))
		for i, b := range buckets {
			samples[i] = [2]int64{(origin + int64(b)*step) / 1e9, int64(merged[text][b])}
		}
		out = append(out, gin.H{"pattern": text, "samples": samples})
	}
	return ok(out), nil
}

// varying finds what shapes mask: quoted text, values behind an equals sign, and runs with a digit.
var varying = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|(?:[^\s(),;<>{}\[\]"|=:` + "`" + `][^\s(),;<>{}\[\]"|=` + "`" + `]*)?[0-9][^\s(),;<>{}\[\]"|=` + "`" + `]*`)

var repeated = regexp.MustCompile(`<_>(?:[ ,:]*<_>)+`)

// maxTemplateBytes bounds the part of a line that becomes a pattern.
const maxTemplateBytes = 1024

// Template returns a line with what varies between lines of its kind as <_>, so that the filter |> finds the kind. In JSON the
// keys stay.
func Template(line string) string {
	cut := len(line) > maxTemplateBytes
	if cut {
		line = strings.ToValidUTF8(line[:maxTemplateBytes], "")
	}
	var b strings.Builder
	at := 0
	for _, m := range varying.FindAllStringIndex(line, -1) {
		b.WriteString(line[at:m[0]])
		rest := strings.TrimLeft(line[m[1]:], " ")
		if line[m[0]] == '"' && strings.HasPrefix(rest, ":") {
			b.WriteString(line[m[0]:m[1]]) // a key
		} else if line[m[0]] == '"' {
			b.WriteString(`"<_>"`)
		} else {
			b.WriteString("<_>")
		}
		at = m[1]
	}
	b.WriteString(line[at:])
	out := repeated.ReplaceAllString(b.String(), "<_>")
	if cut {
		out += "<_>"
	}
	return out
}
