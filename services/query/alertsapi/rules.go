package alertsapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/query/problem"
)

// Prometheus' answers.
type (
	promAnswer struct {
		Status    string `json:"status"`
		Data      any    `json:"data,omitempty"`
		ErrorType string `json:"errorType,omitempty"`
		Error     string `json:"error,omitempty"`
	}
	ruleGroups struct {
		Groups    []*alertstate.Group `json:"groups"`
		NextToken string              `json:"groupNextToken,omitempty"`
	}
	activeAlerts struct {
		Alerts []alertstate.Alert `json:"alerts"`
	}
)

func (a *API) registerPrometheus(r gin.IRouter) {
	for _, prefix := range []string{"/api/v1", "/prometheus/api/v1"} {
		r.GET(prefix+"/rules", a.prom(a.rules))
		r.GET(prefix+"/alerts", a.prom(a.alerts))
	}
}

// prom answers in Prometheus' dialect.
func (a *API) prom(h func(s *served, r *http.Request) (any, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		var data any
		s, err := a.state(c.Request.Context())
		if err == nil {
			if err = c.Request.ParseForm(); err != nil {
				err = errs.New(errs.Invalid, "read the form: %w", err)
			}
		}
		if err == nil {
			data, err = h(s, c.Request)
		}
		answer, status := promAnswer{Status: "success", Data: data}, http.StatusOK
		if err != nil {
			status = problem.Status(errs.KindOf(err))
			answer = promAnswer{Status: "error", ErrorType: errorType(errs.KindOf(err)), Error: err.Error()}
		}
		body, err := json.Marshal(answer)
		if err != nil {
			problem.Write(c, errs.New(errs.Internal, "encode rules: %w", err))
			return
		}
		c.Data(status, "application/json", body)
	}
}

// errorType is Prometheus' name for a kind of error.
func errorType(k errs.Kind) string {
	switch k {
	case errs.Invalid:
		return "bad_data"
	case errs.NotFound:
		return "not_found"
	case errs.Unavailable:
		return "unavailable"
	default:
		return "internal"
	}
}

// ruleQuery is what of the rules is asked for.
type ruleQuery struct {
	names, groups, files []string
	matchers             [][]*labels.Matcher
	kind                 string
	withoutAlerts        bool
	limit                int
	token                string
}

func (a *API) ruleQuery(r *http.Request) (ruleQuery, error) {
	q := ruleQuery{names: r.Form["rule_name[]"], groups: r.Form["rule_group[]"], files: r.Form["file[]"], token: r.Form.Get("group_next_token")}
	var err error
	if q.matchers, err = a.parser.ParseMetricSelectors(r.Form["match[]"]); err != nil {
		return q, errs.New(errs.Invalid, "invalid parameter %q: %w", "match[]", err)
	}
	switch typ := strings.ToLower(r.Form.Get("type")); typ {
	case "":
	case "alert":
		q.kind = alertstate.TypeAlerting
	case "record":
		q.kind = alertstate.TypeRecording
	default:
		return q, errs.New(errs.Invalid, "invalid parameter %q: not supported value %q", "type", typ)
	}
	if s := r.Form.Get("exclude_alerts"); s != "" {
		if q.withoutAlerts, err = strconv.ParseBool(strings.ToLower(s)); err != nil {
			return q, errs.New(errs.Invalid, "invalid parameter %q: error converting exclude_alerts: %w", "exclude_alerts", err)
		}
	}
	limit := r.Form.Get("group_limit")
	if q.token != "" && limit == "" {
		return q, errs.New(errs.Invalid, "invalid parameter %q: group_limit needs to be present in order to paginate over the groups", "group_next_token")
	}
	if limit != "" {
		if q.limit, err = strconv.Atoi(limit); err != nil || q.limit <= 0 {
			return q, errs.New(errs.Invalid, "invalid parameter %q: group_limit needs to be a valid number greater than 0", "group_limit")
		}
	}
	return q, nil
}

// rules answers GET /api/v1/rules.
func (a *API) rules(s *served, r *http.Request) (any, error) {
	q, err := a.ruleQuery(r)
	if err != nil {
		return nil, err
	}
	out := ruleGroups{Groups: []*alertstate.Group{}}
	found := q.token == ""
	for _, g := range s.view.Groups() {
		if !found && nextToken(g) != q.token {
			continue
		}
		found = true
		if !listed(q.groups, g.Name) || !listed(q.files, g.File) {
			continue
		}
		kept := *g
		kept.Rules = q.filter(g.Rules)
		if len(kept.Rules) == 0 {
			continue
		}
		if q.limit > 0 && len(out.Groups) == q.limit {
			out.NextToken = nextToken(g)
			break
		}
		out.Groups = append(out.Groups, &kept)
	}
	if !found {
		return nil, errs.New(errs.Invalid, "invalid parameter %q: invalid group_next_token '%s'. were rule groups changed?", "group_next_token", q.token)
	}
	return out, nil
}

// filter returns the rules that are asked for, as Prometheus shows them.
func (q *ruleQuery) filter(rules []alertstate.Rule) []alertstate.Rule {
	out := []alertstate.Rule{}
	for _, r := range rules {
		if !listed(q.names, r.Name) || (q.kind != "" && r.Type != q.kind) || !q.matches(r.Labels) {
			continue
		}
		if q.withoutAlerts {
			r.Alerts = nil
		}
		out = append(out, r)
	}
	return out
}

func (q *ruleQuery) matches(l map[string]string) bool {
	if len(q.matchers) == 0 {
		return true
	}
	return slices.ContainsFunc(q.matchers, func(set []*labels.Matcher) bool {
		for _, m := range set {
			if !m.Matches(l[m.Name]) {
				return false
			}
		}
		return true
	})
}

// listed reports whether a filter lets a value through; no filter does.
func listed(filter []string, v string) bool { return len(filter) == 0 || slices.Contains(filter, v) }

// nextToken names a group for the next page.
func nextToken(g *alertstate.Group) string {
	sum := sha256.Sum256([]byte(g.File + ";" + g.Name))
	return hex.EncodeToString(sum[:])
}

// alerts answers GET /api/v1/alerts.
func (a *API) alerts(s *served, _ *http.Request) (any, error) {
	out := activeAlerts{Alerts: []alertstate.Alert{}}
	for _, g := range s.view.Groups() {
		for _, r := range g.Rules {
			out.Alerts = append(out.Alerts, r.Alerts...)
		}
	}
	return out, nil
}
