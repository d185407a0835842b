package rootcause

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// counterWindow is the range of a rate: four steps of a usual scrape, so that one missing sample does not leave a hole.
const counterWindow = "[1m]"

var (
	legacyName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	slot       = regexp.MustCompile(`<[a-z_]+>`)
)

// query returns the language and the text that shows a signal of an entity.
func query(e model.Entity, s *model.SignalRef) (language, text string) {
	if s.Role == model.RoleLog && s.SeriesID == 0 {
		return "logql", logQL(e, s)
	}
	return "promql", promQL(s)
}

// promQL writes a selector with the real labels of a series, as a rate for counters by their suffix.
func promQL(s *model.SignalRef) string {
	var b strings.Builder
	name := s.Name
	legacy := legacyName.MatchString(name)
	if legacy {
		b.WriteString(name)
	}
	first := true
	put := func(text string) {
		if first {
			b.WriteByte('{')
		} else {
			b.WriteString(", ")
		}
		first = false
		b.WriteString(text)
	}
	if !legacy {
		put(strconv.Quote(name))
	}
	for _, l := range s.Labels {
		if l.Name == model.LabelName || l.Value == "" {
			continue
		}
		n := l.Name
		if !legacyName.MatchString(n) || strings.Contains(n, ":") {
			n = strconv.Quote(n)
		}
		put(n + "=" + strconv.Quote(l.Value))
	}
	if !first {
		b.WriteByte('}')
	}
	for _, suffix := range [...]string{"_total", "_count", "_sum", "_bucket"} {
		if strings.HasSuffix(name, suffix) {
			return "rate(" + b.String() + counterWindow + ")"
		}
	}
	return b.String()
}

// logQL writes a selector of the lines of a template, by its text where it is known.
func logQL(e model.Entity, s *model.SignalRef) string {
	service := model.ResolveService(s.Labels)
	sel := "{service_name=" + strconv.Quote(service) + "}"
	if service == "" {
		if e.Kind == model.KindHost {
			sel = "{host=" + strconv.Quote(e.Name) + "}"
		} else {
			sel = "{service_name=" + strconv.Quote(e.Name) + "}"
		}
	}
	text := model.Lookup(s.Labels, "template")
	if text == "" {
		return sel
	}
	return sel + " |> " + strconv.Quote(slot.ReplaceAllString(text, "<_>"))
}

// changesQuery returns the parameters of GET /api/v1/changes that list the changes of the same service or host.
func changesQuery(ch *model.Change) string {
	v := url.Values{}
	switch {
	case ch.Service != "":
		v.Set("service", ch.Service)
	case ch.Host != "":
		v.Set("host", ch.Host)
	}
	return v.Encode()
}
