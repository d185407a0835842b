package lokiapi

import (
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/internal/logql"
)

// streamResult is one stream of an answer.
type streamResult struct {
	Stream map[string]string `json:"stream"`
	Values [][]any           `json:"values"`
}

func streamKey(sets ...[]logql.Label) string {
	var b strings.Builder
	for _, ls := range sets {
		for i := range ls {
			b.WriteString(ls[i].Name)
			b.WriteByte(0xff)
			b.WriteString(ls[i].Value)
			b.WriteByte(0xfe)
		}
	}
	return b.String()
}

// streamsOf groups lines by their labels. With categorize a stream has its own labels alone and each line its metadata and what was
// parsed of it; without, all are the stream's.
func streamsOf(lines []line, categorize bool) []streamResult {
	index := map[string]int{}
	out := []streamResult{}
	for i := range lines {
		l := &lines[i]
		key := streamKey(l.stream)
		if !categorize {
			key = streamKey(l.stream, l.meta, l.parsed)
		}
		at, ok := index[key]
		if !ok {
			at = len(out)
			index[key] = at
			labels := labelMap(l.stream)
			if !categorize {
				for _, ls := range [][]logql.Label{l.meta, l.parsed} {
					for _, x := range ls {
						labels[x.Name] = x.Value
					}
				}
			}
			out = append(out, streamResult{Stream: labels})
		}
		value := []any{strconv.FormatInt(l.timeNS, 10), l.text}
		if categorize {
			extra := map[string]map[string]string{}
			if len(l.meta) > 0 {
				extra["structuredMetadata"] = labelMap(l.meta)
			}
			if len(l.parsed) > 0 {
				extra["parsed"] = labelMap(l.parsed)
			}
			value = append(value, extra)
		}
		out[at].Values = append(out[at].Values, value)
	}
	return out
}
