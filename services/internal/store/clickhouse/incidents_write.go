package clickhouse

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// InsertIncidents stores revisions of incidents, one row each. A revision with the time of an earlier one replaces it; token makes a
// repeated insert of the same revisions free.
func (d *DB) InsertIncidents(ctx context.Context, token string, revisions []*model.Incident) error {
	c := newIncidentColumns(len(revisions))
	now := time.Now()
	for i, in := range revisions {
		// Two revisions of one mark in one call are told apart by their order.
		if err := c.append(in, now.Add(time.Duration(i)*time.Microsecond)); err != nil {
			return err
		}
	}
	return d.insert(ctx, "incidents", token, c.input())
}

// incidentColumns is one block of the table incidents.
type incidentColumns struct {
	tenant                                             proto.ColUInt32
	id, title, sentence, causeEntity, assignee, merged proto.ColStr
	summary, body                                      proto.ColStr
	detected, updated, start, quiet, end, paged        *proto.ColDateTime64
	recorded                                           proto.ColDateTime64
	state, severity, causeKind                         *proto.ColLowCardinality[string]
	entities                                           *proto.ColArr[string]
	members, open, confirmed, rejected                 proto.ColUInt32
	confidence                                         proto.ColFloat64
	acknowledged                                       proto.ColBool
}

func newIncidentColumns(n int) *incidentColumns {
	dict := func() *proto.ColLowCardinality[string] { return new(proto.ColStr).LowCardinality() }
	return &incidentColumns{
		detected: millis(n), updated: millis(n), start: millis(n), quiet: millis(n), end: millis(n), paged: millis(n),
		recorded: proto.ColDateTime64{Precision: proto.PrecisionMicro, PrecisionSet: true},
		state:    dict(), severity: dict(), causeKind: dict(), entities: new(proto.ColStr).Array(),
	}
}

func (c *incidentColumns) append(in *model.Incident, recorded time.Time) error {
	whole := incidents.Of(in)
	body, err := json.Marshal(&whole)
	if err != nil {
		return errs.New(errs.Invalid, "write incident %s: %w", in.ID, err)
	}
	s := incidents.BriefOf(&whole)
	summary, err := json.Marshal(&s)
	if err != nil {
		return errs.New(errs.Invalid, "write incident %s: %w", in.ID, err)
	}
	c.tenant = append(c.tenant, uint32(in.Tenant))
	c.id.Append(in.ID)
	c.title.Append(in.Title)
	c.sentence.Append(in.Verdict.Sentence)
	c.assignee.Append(in.Assignee)
	c.merged.Append(in.MergedInto)
	c.summary.AppendBytes(summary)
	c.body.AppendBytes(body)
	for _, x := range []struct {
		col *proto.ColDateTime64
		ms  int64
	}{{c.detected, in.DetectedMS}, {c.updated, in.UpdatedMS}, {c.start, in.StartMS}, {c.quiet, in.QuietMS}, {c.end, in.EndMS}, {c.paged, in.PagedMS}} {
		x.col.AppendRaw(proto.DateTime64(x.ms))
	}
	c.recorded.AppendRaw(proto.DateTime64(recorded.UnixMicro()))
	c.state.Append(string(in.State))
	c.severity.Append(string(in.Severity))
	names := make([]string, len(in.Entities))
	for i, e := range in.Entities {
		names[i] = e.String()
	}
	c.entities.Append(names)
	c.members, c.open = append(c.members, uint32(whole.MemberCount)), append(c.open, uint32(whole.OpenCount))
	c.confirmed, c.rejected = append(c.confirmed, uint32(s.Confirmed)), append(c.rejected, uint32(s.Rejected))
	c.acknowledged = append(c.acknowledged, in.Acknowledged != nil)
	if s.Cause == nil {
		s.Cause = &incidents.Cause{}
		c.causeEntity.Append("")
	} else {
		c.causeEntity.Append(s.Cause.Entity.String())
	}
	c.causeKind.Append(s.Cause.Kind)
	c.confidence = append(c.confidence, s.Cause.Confidence)
	return nil
}

func (c *incidentColumns) input() proto.Input {
	return proto.Input{
		{Name: "tenant_id", Data: c.tenant}, {Name: "id", Data: &c.id}, {Name: "detected_at", Data: c.detected}, {Name: "updated_at", Data: c.updated},
		{Name: "recorded_at", Data: &c.recorded}, {Name: "start_at", Data: c.start}, {Name: "quiet_at", Data: c.quiet}, {Name: "end_at", Data: c.end},
		{Name: "paged_at", Data: c.paged}, {Name: "state", Data: c.state}, {Name: "severity", Data: c.severity}, {Name: "title", Data: &c.title},
		{Name: "sentence", Data: &c.sentence}, {Name: "entities", Data: c.entities}, {Name: "members", Data: c.members}, {Name: "open_members", Data: c.open},
		{Name: "cause_kind", Data: c.causeKind}, {Name: "cause_entity", Data: &c.causeEntity}, {Name: "confidence", Data: c.confidence},
		{Name: "assignee", Data: &c.assignee}, {Name: "acknowledged", Data: c.acknowledged}, {Name: "merged_into", Data: &c.merged},
		{Name: "confirmed", Data: c.confirmed}, {Name: "rejected", Data: c.rejected}, {Name: "summary", Data: &c.summary}, {Name: "body", Data: &c.body},
	}
}

// InsertCommands stores commands of people with what became of them.
func (d *DB) InsertCommands(ctx context.Context, token string, rows []store.CommandRow) error {
	dict := func() *proto.ColLowCardinality[string] { return new(proto.ColStr).LowCardinality() }
	var tenant proto.ColUInt32
	var mark proto.ColUInt64
	ts, applied := millis(len(rows)), millis(len(rows))
	var id, incident, other, text, detail, body proto.ColStr
	who, action, outcome := dict(), dict(), dict()
	for i := range rows {
		r := &rows[i]
		b, err := incidents.EncodeCommand(&r.Command)
		if err != nil {
			return err
		}
		tenant, mark = append(tenant, uint32(r.Tenant)), append(mark, r.Mark)
		ts.AppendRaw(proto.DateTime64(r.AtMS))
		applied.AppendRaw(proto.DateTime64(r.AppliedAtMS))
		id.Append(r.ID)
		incident.Append(r.Incident)
		other.Append(r.Other)
		text.Append(r.Text)
		detail.Append(r.Detail)
		body.AppendBytes(b)
		who.Append(r.Who)
		action.Append(r.Action)
		outcome.Append(r.Outcome)
	}
	return d.insert(ctx, "commands", token, proto.Input{
		{Name: "tenant_id", Data: tenant}, {Name: "ts", Data: ts}, {Name: "id", Data: &id}, {Name: "applied_at", Data: applied}, {Name: "mark", Data: mark},
		{Name: "who", Data: who}, {Name: "action", Data: action}, {Name: "incident", Data: &incident}, {Name: "other", Data: &other}, {Name: "text", Data: &text},
		{Name: "outcome", Data: outcome}, {Name: "detail", Data: &detail}, {Name: "body", Data: &body},
	})
}
