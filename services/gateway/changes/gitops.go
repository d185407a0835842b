package changes

import (
	"context"
	"fmt"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// argoApp has what is read of an Argo CD Application.
type argoApp struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec struct {
		Project string `json:"project"`
		Source  struct {
			RepoURL        string `json:"repoURL"`
			TargetRevision string `json:"targetRevision"`
		} `json:"source"`
		Destination struct {
			Server    string `json:"server"`
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"destination"`
	} `json:"spec"`
	Status struct {
		Sync struct {
			Revision string `json:"revision"`
		} `json:"sync"`
		Health struct {
			Status string `json:"status"`
		} `json:"health"`
		History []struct {
			Revision string `json:"revision"`
		} `json:"history"`
		Summary struct {
			Images []string `json:"images"`
		} `json:"summary"`
		OperationState struct {
			Phase      string `json:"phase"`
			Message    string `json:"message"`
			StartedAt  moment `json:"startedAt"`
			FinishedAt moment `json:"finishedAt"`
			SyncResult struct {
				Revision string `json:"revision"`
			} `json:"syncResult"`
			Operation struct {
				InitiatedBy struct {
					Username  string `json:"username"`
					Automated bool   `json:"automated"`
				} `json:"initiatedBy"`
			} `json:"operation"`
		} `json:"operationState"`
	} `json:"status"`
}

// ArgoCD publishes what a notification of Argo CD tells: a body with the Application as app, as the template in
// docs/receivers/changes.md writes it, or the Application itself. One synchronisation is one change, whatever its phases.
func (r *Receiver) ArgoCD(ctx context.Context, req *intake.Request, m *Message) ([]string, error) {
	var e struct {
		App     *argoApp `json:"app"`
		URL     string   `json:"url"`
		Trigger string   `json:"trigger"`
	}
	if err := decode(m.Body, &e); err != nil {
		return nil, err
	}
	app := e.App
	if app == nil {
		app = &argoApp{}
		if err := decode(m.Body, app); err != nil {
			return nil, err
		}
	}
	if app.Metadata.Name == "" {
		return nil, errs.WithHint(errs.Invalid, "use the template in docs/receivers/changes.md", "the notification has no application")
	}
	op := &app.Status.OperationState
	version := first(op.SyncResult.Revision, app.Status.Sync.Revision)
	c := model.Change{
		ID: fmt.Sprintf("argocd:%s/%s:%d:%s", app.Metadata.Namespace, app.Metadata.Name, int64(op.StartedAt), version), TimeNS: int64(op.StartedAt), EndNS: int64(op.FinishedAt), Kind: "deploy",
		Title: "Sync " + app.Metadata.Name + " to " + shortSHA(first(version, app.Spec.Source.TargetRevision)), Text: op.Message, Status: strings.ToLower(op.Phase), Service: app.Metadata.Name,
		Environment: first(app.Spec.Destination.Name, app.Spec.Destination.Namespace), Version: version, Actor: op.Operation.InitiatedBy.Username, URL: e.URL, Source: "argocd",
		Attributes: attributes("repository", app.Spec.Source.RepoURL, "target_revision", app.Spec.Source.TargetRevision, "k8s.namespace.name", app.Spec.Destination.Namespace,
			"argocd.project", app.Spec.Project, "argocd.health", app.Status.Health.Status, "argocd.trigger", e.Trigger, "images", strings.Join(app.Status.Summary.Images, ",")),
	}
	if op.Operation.InitiatedBy.Automated && c.Actor == "" {
		c.Actor = "argocd (automated)"
	}
	for i := len(app.Status.History) - 1; i >= 0; i-- {
		if rev := app.Status.History[i].Revision; rev != version {
			c.PreviousVersion = rev
			break
		}
	}
	return r.publish(ctx, req, m, []model.Change{c})
}

func shortSHA(s string) string {
	if len(s) == 40 && strings.Trim(s, "0123456789abcdef") == "" {
		return s[:10]
	}
	return s
}

// fluxEvent is the Event of Flux's notification-controller, as its generic provider posts it.
type fluxEvent struct {
	InvolvedObject struct {
		Kind      string `json:"kind"`
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"involvedObject"`
	Severity            string            `json:"severity"`
	Timestamp           moment            `json:"timestamp"`
	Message             string            `json:"message"`
	Reason              string            `json:"reason"`
	Metadata            map[string]string `json:"metadata"`
	ReportingController string            `json:"reportingController"`
}

// Flux publishes what an alert of Flux's notification-controller tells.
func (r *Receiver) Flux(ctx context.Context, req *intake.Request, m *Message) ([]string, error) {
	var e fluxEvent
	if err := decode(m.Body, &e); err != nil {
		return nil, err
	}
	o := &e.InvolvedObject
	if o.Kind == "" || o.Name == "" {
		return nil, errs.New(errs.Invalid, "the event has no involvedObject")
	}
	c := model.Change{
		TimeNS: int64(e.Timestamp), Kind: "event", Title: fmt.Sprintf("%s of %s %s/%s", first(e.Reason, "Event"), o.Kind, o.Namespace, o.Name), Text: e.Message, Service: o.Name,
		Source: "flux", Actor: e.ReportingController, Status: fluxStatus(&e), Attributes: attributes("k8s.namespace.name", o.Namespace, "flux.kind", o.Kind, "flux.reason", e.Reason),
	}
	switch o.Kind {
	case "HelmRelease", "Kustomization":
		c.Kind = "deploy"
	case "ImageUpdateAutomation", "ImagePolicy", "ImageRepository":
		c.Kind = "config"
	}
	if strings.Contains(e.Reason, "Rollback") {
		c.Kind = "rollback"
	}
	for k, v := range e.Metadata {
		switch {
		case k == "revision", strings.HasSuffix(k, "/revision"):
			c.Version = v
		case k == "env", k == "environment", k == "cluster":
			c.Environment = first(c.Environment, v)
		}
	}
	c.ID = fmt.Sprintf("flux:%s/%s/%s:%s:%s:%d", o.Kind, o.Namespace, o.Name, e.Reason, c.Version, c.TimeNS)
	return r.publish(ctx, req, m, []model.Change{c})
}

func fluxStatus(e *fluxEvent) string {
	switch {
	case e.Severity == "error":
		return "failure"
	case strings.HasPrefix(e.Reason, "Progressing"), strings.HasSuffix(e.Reason, "Started"):
		return "in_progress"
	}
	return "success"
}
