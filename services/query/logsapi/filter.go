package logsapi

import (
	"context"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/logquery"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/paging"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// defaultSpan is how far back a question without a start looks.
const defaultSpan = time.Hour

// Filter is the part of a question that all operations share.
type Filter struct {
	Query       string   `query:"query" maxLength:"8192" doc:"Words and \"quoted phrases\" that the body must contain; -word must not be in it; a star at the end of a word lifts the rule that words with digits are whole; field:value, field>number with a unit, OR, NOT and parentheses: see docs/search.md" example:"service:checkout level>=warn \"time out\" -path:/health duration>500ms"`
	Start       string   `query:"start" doc:"RFC 3339, Unix seconds or now-1h; an hour before the end by default"`
	End         string   `query:"end" doc:"As start; now by default"`
	Service     []string `query:"service,explode" maxItems:"200" doc:"Only these services"`
	Host        []string `query:"host,explode" maxItems:"200" doc:"Only these hosts"`
	SeverityMin string   `query:"severity_min" doc:"trace, debug, info, warn, error, fatal, or OpenTelemetry's number" example:"warn"`
	TraceID     string   `query:"trace_id" doc:"32 hexadecimal digits"`
}

// severityNames are the names of the severity groups; group 0 is for records that do not say.
var severityNames = [clickhouse.SeverityGroups]string{"unset", "trace", "debug", "info", "warn", "error", "fatal"}

func severityText(n uint8) string { return severityNames[min((int(n)+3)/4, len(severityNames)-1)] }

// resolve returns the filter of the store that f means now.
func (f *Filter) resolve(ctx context.Context, now time.Time) (clickhouse.LogFilter, error) {
	out := clickhouse.LogFilter{Tenant: reqctx.Tenant(ctx), Services: f.Service, Hosts: f.Host}
	span, err := timeparam.ParseRange(f.Start, f.End, now, defaultSpan)
	if err != nil {
		return out, err
	}
	out.StartNS, out.EndNS = span.Start.UnixNano(), span.End.UnixNano()
	if out.Query, err = logquery.Parse(f.Query); err != nil {
		return out, problem.InvalidField("query.query", err.Error()+"; try: "+errs.HintOf(err), f.Query)
	}
	if out.SeverityMin, err = parseSeverity(f.SeverityMin); err != nil {
		return out, err
	}
	if f.TraceID != "" {
		raw, err := hex.DecodeString(f.TraceID)
		if err != nil || len(raw) != 16 {
			return out, problem.InvalidField("query.trace_id", "is not 32 hexadecimal digits", f.TraceID)
		}
		out.TraceID = string(raw)
	}
	return out, nil
}

// hash names the filter for cursors. Relative times are part of it as they were written: the cursor itself holds the place.
func (f *Filter) hash(forward bool) string {
	return paging.FilterHash("logs", f.Query, f.Start, f.End, strings.Join(f.Service, "\x00"), strings.Join(f.Host, "\x00"), f.SeverityMin, f.TraceID, strconv.FormatBool(forward))
}

func parseSeverity(s string) (uint8, error) {
	if s == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(s, 10, 8); err == nil && n <= 24 {
		return uint8(n), nil
	}
	name := strings.ToLower(s)
	switch name {
	case "warning":
		name = "warn"
	case "critical":
		name = "fatal"
	}
	i := slices.Index(severityNames[:], name)
	if i < 0 {
		return 0, problem.InvalidField("query.severity_min", "is not one of trace, debug, info, warn, error, fatal or a number from 0 to 24", s)
	}
	if i == 0 {
		return 0, nil
	}
	return uint8(4*i - 3), nil
}

// matches reports whether record i of l passes f, whatever its time: the same question as the store's, for the live tail.
func matches(f *clickhouse.LogFilter, l *model.Logs, i int) bool {
	r := &l.Resources[l.ResourceIdx[i]]
	if len(f.Services) > 0 && !slices.Contains(f.Services, r.Service) || len(f.Hosts) > 0 && !slices.Contains(f.Hosts, r.Host) {
		return false
	}
	if l.Severity[i] < f.SeverityMin {
		return false
	}
	if f.TraceID != "" && (l.TraceIDs == nil || l.TraceIDs[i] != f.TraceID) {
		return false
	}
	if f.Query.Root == nil {
		return true
	}
	rec := logquery.Record{Body: l.Bodies[i], Service: r.Service, Host: r.Host, Severity: l.Severity[i], Shape: l.ShapeHash[i], Resource: lookup(r.Attributes)}
	if l.Attributes != nil {
		rec.Attribute = lookup(l.Attributes[i])
	}
	if l.TraceIDs != nil {
		rec.TraceID = l.TraceIDs[i]
	}
	if l.SpanIDs != nil {
		rec.SpanID = l.SpanIDs[i]
	}
	return f.Query.MatchRecord(&rec)
}

func lookup(ls []model.Label) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := range ls {
			if ls[i].Name == name {
				return ls[i].Value, true
			}
		}
		return "", false
	}
}
