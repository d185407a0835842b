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

// githubEvent has what is read of GitHub's webhooks: push, deployment, deployment_status, release and workflow_run.
type githubEvent struct {
	Action     string `json:"action"`
	Repository struct {
		Name     string `json:"name"`
		FullName string `json:"full_name"`
	} `json:"repository"`
	Sender struct {
		Login string `json:"login"`
	} `json:"sender"`

	// Of push.
	Ref        string `json:"ref"`
	Before     string `json:"before"`
	After      string `json:"after"`
	Deleted    bool   `json:"deleted"`
	Compare    string `json:"compare"`
	HeadCommit *struct {
		Message string `json:"message"`
		URL     string `json:"url"`
	} `json:"head_commit"`
	Commits []struct{} `json:"commits"`
	Pusher  struct {
		Name string `json:"name"`
	} `json:"pusher"`

	Deployment struct {
		ID          int64  `json:"id"`
		Ref         string `json:"ref"`
		SHA         string `json:"sha"`
		Task        string `json:"task"`
		Environment string `json:"environment"`
		Description string `json:"description"`
		CreatedAt   moment `json:"created_at"`
		Creator     struct {
			Login string `json:"login"`
		} `json:"creator"`
	} `json:"deployment"`
	DeploymentStatus struct {
		State          string `json:"state"`
		Description    string `json:"description"`
		Environment    string `json:"environment"`
		UpdatedAt      moment `json:"updated_at"`
		EnvironmentURL string `json:"environment_url"`
		LogURL         string `json:"log_url"`
		TargetURL      string `json:"target_url"`
	} `json:"deployment_status"`

	Release struct {
		ID          int64  `json:"id"`
		TagName     string `json:"tag_name"`
		Name        string `json:"name"`
		Body        string `json:"body"`
		HTMLURL     string `json:"html_url"`
		PublishedAt moment `json:"published_at"`
		Author      struct {
			Login string `json:"login"`
		} `json:"author"`
	} `json:"release"`

	WorkflowRun struct {
		ID           int64  `json:"id"`
		RunAttempt   int    `json:"run_attempt"`
		Name         string `json:"name"`
		DisplayTitle string `json:"display_title"`
		HeadBranch   string `json:"head_branch"`
		HeadSHA      string `json:"head_sha"`
		Event        string `json:"event"`
		Status       string `json:"status"`
		Conclusion   string `json:"conclusion"`
		HTMLURL      string `json:"html_url"`
		RunStartedAt moment `json:"run_started_at"`
		CreatedAt    moment `json:"created_at"`
		UpdatedAt    moment `json:"updated_at"`
		Actor        struct {
			Login string `json:"login"`
		} `json:"actor"`
	} `json:"workflow_run"`
}

// GitHub publishes what a webhook of GitHub tells; events about other things are answered well and dropped. A change has the same id in
// all its deliveries, so that one that is delivered again, or goes on, is one change.
func (r *Receiver) GitHub(ctx context.Context, req *intake.Request, m *Message) ([]string, error) {
	event := m.Header("X-GitHub-Event")
	if event == "" {
		return nil, errs.WithHint(errs.Invalid, "choose application/json as the content type of the webhook", "the header X-GitHub-Event is missing")
	}
	var e githubEvent
	if err := decode(m.Body, &e); err != nil {
		return nil, err
	}
	c, ok := e.change(event)
	if !ok {
		return nil, nil
	}
	c.Source = "github"
	c.Service = first(c.Service, e.Repository.Name)
	c.Actor = first(c.Actor, e.Sender.Login)
	c.ID = "github:" + e.Repository.FullName + ":" + c.ID
	c.Attributes = append(c.Attributes, attributes("repository", e.Repository.FullName, "github.event", event, "github.action", e.Action)...)
	return r.publish(ctx, req, m, []model.Change{c})
}

func (e *githubEvent) change(event string) (model.Change, bool) {
	switch event {
	case "push":
		return e.push()
	case "deployment", "deployment_status":
		return e.deployment(event)
	case "release":
		if e.Action != "published" && e.Action != "released" {
			return model.Change{}, false
		}
		v := &e.Release
		return model.Change{
			ID: "release:" + strconv.FormatInt(v.ID, 10), TimeNS: int64(v.PublishedAt), Kind: "release", Title: "Release " + first(v.Name, v.TagName) + " of " + e.Repository.Name,
			Text: v.Body, Version: v.TagName, Actor: v.Author.Login, URL: v.HTMLURL,
		}, true
	case "workflow_run":
		return e.workflowRun(), true
	}
	return model.Change{}, false
}

func (e *githubEvent) push() (model.Change, bool) {
	if e.Deleted || e.HeadCommit == nil {
		return model.Change{}, false
	}
	branch := strings.TrimPrefix(strings.TrimPrefix(e.Ref, "refs/heads/"), "refs/tags/")
	return model.Change{
		ID: "push:" + e.Ref + ":" + e.After, Kind: "push", Title: fmt.Sprintf("Push to %s: %s", branch, firstLine(e.HeadCommit.Message)), Text: e.HeadCommit.Message,
		Version: e.After, PreviousVersion: e.Before, Actor: e.Pusher.Name, URL: first(e.Compare, e.HeadCommit.URL),
		Attributes: attributes("branch", branch, "commits", strconv.Itoa(len(e.Commits))),
	}, true
}

func (e *githubEvent) deployment(event string) (model.Change, bool) {
	d, s := &e.Deployment, &e.DeploymentStatus
	c := model.Change{
		ID: "deployment:" + strconv.FormatInt(d.ID, 10), TimeNS: int64(d.CreatedAt), Kind: "deploy", Environment: first(d.Environment, s.Environment), Version: first(d.SHA, d.Ref),
		Title: fmt.Sprintf("Deploy %s %s to %s", e.Repository.Name, d.Ref, first(d.Environment, "an environment")), Text: d.Description, Status: "pending", Actor: d.Creator.Login,
		Attributes: attributes("ref", d.Ref, "task", d.Task),
	}
	if strings.Contains(d.Task, "rollback") {
		c.Kind = "rollback"
	}
	if event == "deployment" {
		return c, true
	}
	c.Status, c.URL, c.Text = s.State, first(s.LogURL, s.TargetURL, s.EnvironmentURL), first(s.Description, d.Description)
	switch s.State {
	case "inactive": // A later deployment took its place, which does not change how this one ended.
		return c, false
	case "success", "failure", "error":
		c.EndNS = int64(s.UpdatedAt)
	}
	return c, true
}

func (e *githubEvent) workflowRun() model.Change {
	v := &e.WorkflowRun
	at := v.RunStartedAt
	if at == 0 {
		at = v.CreatedAt
	}
	c := model.Change{
		ID: fmt.Sprintf("run:%d:%d", v.ID, v.RunAttempt), TimeNS: int64(at), Kind: "pipeline", Title: v.Name + ": " + v.DisplayTitle, Status: first(v.Conclusion, v.Status), Version: v.HeadSHA,
		Actor: v.Actor.Login, URL: v.HTMLURL, Attributes: attributes("branch", v.HeadBranch, "trigger", v.Event),
	}
	if v.Status == "completed" {
		c.EndNS = int64(v.UpdatedAt)
	}
	return c
}
