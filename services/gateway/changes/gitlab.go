package changes

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// gitlabEvent has what is read of GitLab's webhooks: deployment, pipeline, release, push and tag_push.
type gitlabEvent struct {
	ObjectKind string `json:"object_kind"`
	Project    struct {
		Name              string `json:"name"`
		PathWithNamespace string `json:"path_with_namespace"`
		WebURL            string `json:"web_url"`
	} `json:"project"`
	User struct {
		Username string `json:"username"`
		Name     string `json:"name"`
	} `json:"user"`

	// Of deployment.
	Status          string `json:"status"`
	StatusChangedAt moment `json:"status_changed_at"`
	DeploymentID    int64  `json:"deployment_id"`
	DeployableURL   string `json:"deployable_url"`
	Environment     string `json:"environment"`
	ShortSHA        string `json:"short_sha"`
	CommitTitle     string `json:"commit_title"`
	CommitURL       string `json:"commit_url"`

	// Of pipeline.
	Attributes struct {
		ID         int64  `json:"id"`
		Name       string `json:"name"`
		Ref        string `json:"ref"`
		SHA        string `json:"sha"`
		BeforeSHA  string `json:"before_sha"`
		Source     string `json:"source"`
		Status     string `json:"status"`
		URL        string `json:"url"`
		CreatedAt  moment `json:"created_at"`
		FinishedAt moment `json:"finished_at"`
	} `json:"object_attributes"`

	// Of release, and of push.
	ID           int64      `json:"id"`
	Action       string     `json:"action"`
	Name         string     `json:"name"`
	Tag          string     `json:"tag"`
	Description  string     `json:"description"`
	URL          string     `json:"url"`
	ReleasedAt   moment     `json:"released_at"`
	Ref          string     `json:"ref"`
	Before       string     `json:"before"`
	After        string     `json:"after"`
	UserUsername string     `json:"user_username"`
	Commits      []struct{} `json:"commits"`
}

// GitLab publishes what a webhook of GitLab tells; events about other things are answered well and dropped.
func (r *Receiver) GitLab(ctx context.Context, req *intake.Request, m *Message) ([]string, error) {
	if m.Header("X-Gitlab-Event") == "" {
		return nil, errs.New(errs.Invalid, "the header X-Gitlab-Event is missing")
	}
	var e gitlabEvent
	if err := decode(m.Body, &e); err != nil {
		return nil, err
	}
	c, ok := e.change()
	if !ok {
		return nil, nil
	}
	c.Source = "gitlab"
	c.Service = first(c.Service, e.Project.Name)
	c.Actor = first(c.Actor, e.User.Username, e.UserUsername)
	c.ID = "gitlab:" + e.Project.PathWithNamespace + ":" + c.ID
	c.Attributes = append(c.Attributes, attributes("repository", e.Project.PathWithNamespace, "gitlab.event", e.ObjectKind)...)
	return r.publish(ctx, req, m, []model.Change{c})
}

func (e *gitlabEvent) change() (model.Change, bool) {
	switch e.ObjectKind {
	case "deployment":
		// GitLab tells only when the status changed, so a deployment is at the time of its latest status: when it took effect.
		return model.Change{
			ID: "deployment:" + strconv.FormatInt(e.DeploymentID, 10), TimeNS: int64(e.StatusChangedAt), Kind: "deploy", Status: e.Status, Environment: e.Environment, Version: e.ShortSHA,
			Title: fmt.Sprintf("Deploy %s %s to %s", e.Project.Name, e.ShortSHA, e.Environment), Text: e.CommitTitle, URL: first(e.DeployableURL, e.CommitURL), Attributes: attributes("ref", e.Ref),
		}, true
	case "pipeline":
		p := &e.Attributes
		return model.Change{
			ID: "pipeline:" + strconv.FormatInt(p.ID, 10), TimeNS: int64(p.CreatedAt), EndNS: int64(p.FinishedAt), Kind: "pipeline", Status: p.Status, Version: p.SHA, PreviousVersion: p.BeforeSHA,
			Title: fmt.Sprintf("Pipeline of %s on %s", e.Project.Name, p.Ref), URL: first(p.URL, pipelineURL(e.Project.WebURL, p.ID)), Attributes: attributes("branch", p.Ref, "trigger", p.Source),
		}, true
	case "release":
		if e.Action == "delete" {
			return model.Change{}, false
		}
		return model.Change{
			ID: "release:" + strconv.FormatInt(e.ID, 10), TimeNS: int64(e.ReleasedAt), Kind: "release", Title: "Release " + first(e.Name, e.Tag) + " of " + e.Project.Name, Text: e.Description,
			Version: e.Tag, URL: e.URL,
		}, true
	case "push", "tag_push":
		if strings.Trim(e.After, "0") == "" {
			return model.Change{}, false // A branch that is gone.
		}
		branch := strings.TrimPrefix(strings.TrimPrefix(e.Ref, "refs/heads/"), "refs/tags/")
		return model.Change{
			ID: "push:" + e.Ref + ":" + e.After, Kind: "push", Title: "Push to " + branch, Version: e.After, PreviousVersion: e.Before,
			Attributes: attributes("branch", branch, "commits", strconv.Itoa(len(e.Commits))),
		}, true
	}
	return model.Change{}, false
}

func pipelineURL(project string, id int64) string {
	if project == "" {
		return ""
	}
	return project + "/-/pipelines/" + strconv.FormatInt(id, 10)
}
