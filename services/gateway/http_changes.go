package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/faultline-io/faultline/services/gateway/changes"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// takeChanges publishes one kind of message about changes and returns their ids.
type takeChanges func(ctx context.Context, req *intake.Request, m *changes.Message) ([]string, error)

// takeAnnotation publishes an annotation and returns its number.
type takeAnnotation func(ctx context.Context, req *intake.Request, m *changes.Message) (uint64, error)

func (g *Gateway) changeEndpoints() []*endpoint {
	r := g.changes
	out := []*endpoint{changesEndpoint("/api/v1/changes", "changes", r.JSON)}
	out[0].shared = true
	for _, e := range []struct {
		name string
		take takeChanges
	}{{"github", r.GitHub}, {"gitlab", r.GitLab}, {"argocd", r.ArgoCD}, {"flux", r.Flux}} {
		ep := changesEndpoint("/api/v1/changes/"+e.name, e.name, e.take)
		ep.webhook = e.name != "argocd" // Argo CD sends what headers it is told to, so it can send the ingest key.
		out = append(out, ep)
	}
	for _, e := range []struct {
		path, message string
		take          takeAnnotation
	}{{"/api/annotations", "Annotation added", r.Annotation}, {"/api/annotations/graphite", "Graphite annotation added", r.GraphiteAnnotation}} {
		out = append(out, annotationEndpoint(e.path, e.message, e.take))
	}
	return out
}

// changesEndpoint takes changes at path; in the ledger its senders are called name.
func changesEndpoint(path, name string, take takeChanges) *endpoint {
	return &endpoint{
		path: path, signal: model.SignalChanges, protocol: func(*http.Request) (string, error) { return name, nil }, encoding: contentEncoding,
		handle: func(ctx context.Context, x *call) error {
			m, err := changeMessage(x)
			if err != nil {
				return err
			}
			x.out, err = take(ctx, x.req, m)
			return err
		},
		answer: answerChanges, fail: failProblem,
	}
}

func annotationEndpoint(path, message string, take takeAnnotation) *endpoint {
	return &endpoint{
		path: path, shared: true, signal: model.SignalChanges, protocol: func(*http.Request) (string, error) { return "annotations", nil }, encoding: contentEncoding,
		handle: func(ctx context.Context, x *call) error {
			m, err := changeMessage(x)
			if err != nil {
				return err
			}
			x.out, err = take(ctx, x.req, m)
			return err
		},
		answer: func(x *call) { x.gin.JSON(http.StatusOK, map[string]any{"message": message, "id": x.out}) },
		fail:   func(x *call, status int, err error) { x.gin.JSON(status, map[string]any{"message": explain(err)}) },
	}
}

// changeMessage hands a request to the room for changes. A webhook may be a form whose field payload is the JSON: that is GitHub's
// default.
func changeMessage(x *call) (*changes.Message, error) {
	m := &changes.Message{Body: x.body, Header: x.gin.Request.Header.Get, Query: x.gin.Query}
	if t, _ := mediaType(x.gin.Request); t == "application/x-www-form-urlencoded" && len(x.body) > 0 && x.body[0] == 'p' {
		form, err := url.ParseQuery(string(x.body))
		if err != nil {
			return nil, errs.New(errs.Invalid, "read form: %v", err)
		}
		m.Body = []byte(form.Get("payload"))
	}
	return m, nil
}

// answerChanges says which changes were taken; when none of several were, that is an error of the sender.
func answerChanges(x *call) {
	ids, _ := x.out.([]string)
	if ids == nil {
		ids = []string{}
	}
	status := http.StatusOK
	body := map[string]any{"accepted": len(ids), "ids": ids}
	if n := x.req.Rejected(); n > 0 {
		body["rejected"], body["reasons"] = n, x.req.Reasons()
		if len(ids) == 0 {
			status = http.StatusBadRequest
		}
	}
	x.gin.JSON(status, body)
}

// failProblem answers an error as our own API does (RFC 9457).
func failProblem(x *call, status int, err error) {
	body, jsonErr := json.Marshal(map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": status, "code": string(errs.KindOf(err)), "detail": err.Error(), "hint": errs.HintOf(err),
	})
	if jsonErr != nil {
		body = []byte(`{}`)
	}
	x.gin.Data(status, "application/problem+json", body)
}
