package changes

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Annotation publishes an annotation as Grafana's POST /api/annotations takes it and returns its number.
func (r *Receiver) Annotation(ctx context.Context, req *intake.Request, m *Message) (uint64, error) {
	var a struct {
		DashboardUID string          `json:"dashboardUID"`
		PanelID      json.Number     `json:"panelId"`
		Time         moment          `json:"time"`
		TimeEnd      moment          `json:"timeEnd"`
		Tags         json.RawMessage `json:"tags"`
		Text         string          `json:"text"`
	}
	if err := decode(m.Body, &a); err != nil {
		return 0, err
	}
	return r.annotate(ctx, req, m, a.Tags, a.Text, model.Change{
		TimeNS: int64(a.Time), EndNS: int64(a.TimeEnd), Title: firstLine(a.Text), Source: "grafana",
		Attributes: attributes("grafana.dashboard_uid", a.DashboardUID, "grafana.panel_id", a.PanelID.String()),
	})
}

// GraphiteAnnotation publishes an event as Graphite and Grafana's POST /api/annotations/graphite take it and returns its number.
func (r *Receiver) GraphiteAnnotation(ctx context.Context, req *intake.Request, m *Message) (uint64, error) {
	var a struct {
		What string          `json:"what"`
		When moment          `json:"when"`
		Data string          `json:"data"`
		Tags json.RawMessage `json:"tags"`
	}
	if err := decode(m.Body, &a); err != nil {
		return 0, err
	}
	return r.annotate(ctx, req, m, a.Tags, strings.TrimSpace(a.What+"\n"+a.Data), model.Change{TimeNS: int64(a.When), Title: a.What, Source: "graphite"})
}

func (r *Receiver) annotate(ctx context.Context, req *intake.Request, m *Message, rawTags json.RawMessage, text string, c model.Change) (uint64, error) {
	if c.Title == "" {
		return 0, errs.New(errs.Invalid, "the annotation has no text")
	}
	tags, err := readTags(rawTags)
	if err != nil {
		return 0, err
	}
	if c.TimeNS == 0 {
		c.TimeNS = req.ReceivedAt.UnixNano()
	}
	c.Kind, c.Text = "annotation", text
	applyTags(&c, tags)
	ids, err := r.publish(ctx, req, m, []model.Change{c})
	if err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return 0, errs.New(errs.Invalid, "the annotation was refused (%s)", req.Reasons())
	}
	return model.AnnotationID(ids[0]), nil
}
