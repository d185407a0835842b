package changes

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// sourceAPI is the source of changes whose sender names none.
const sourceAPI = "api"

// entry is a change in our own form; the second names of fields are what people write without looking.
type entry struct {
	ID              string          `json:"id"`
	Time            moment          `json:"time"`
	Timestamp       moment          `json:"timestamp"`
	End             moment          `json:"end"`
	Kind            string          `json:"kind"`
	Type            string          `json:"type"`
	Title           string          `json:"title"`
	Summary         string          `json:"summary"`
	Text            string          `json:"text"`
	Description     string          `json:"description"`
	Status          string          `json:"status"`
	Service         string          `json:"service"`
	Host            string          `json:"host"`
	Environment     string          `json:"environment"`
	Env             string          `json:"env"`
	Version         string          `json:"version"`
	PreviousVersion string          `json:"previous_version"`
	Actor           string          `json:"actor"`
	User            string          `json:"user"`
	URL             string          `json:"url"`
	Source          string          `json:"source"`
	Attributes      map[string]any  `json:"attributes"`
	Tags            json.RawMessage `json:"tags"`
}

// cloudEvent is the envelope of CloudEvents 1.0.
type cloudEvent struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject"`
	Time        moment          `json:"time"`
	Data        json.RawMessage `json:"data"`
}

// JSON publishes one change, or a list of them, in our own form or as CloudEvents. It returns their ids. Errors: errs.Invalid for a
// body that is neither; what is refused of a good one is counted in req.
func (r *Receiver) JSON(ctx context.Context, req *intake.Request, m *Message) ([]string, error) {
	if m.Header("Ce-Specversion") != "" { // The envelope is in the header, the body is its data.
		at, err := parseMoment(m.Header("Ce-Time"))
		if err != nil {
			return nil, err
		}
		c, err := (&cloudEvent{
			ID: m.Header("Ce-Id"), Source: m.Header("Ce-Source"), Type: m.Header("Ce-Type"), Subject: m.Header("Ce-Subject"), Time: at, Data: m.Body,
		}).change()
		if err != nil {
			return nil, err
		}
		return r.publish(ctx, req, m, []model.Change{c})
	}
	body := bytes.TrimSpace(m.Body)
	var raws []json.RawMessage
	if len(body) > 0 && body[0] == '[' {
		if err := decode(body, &raws); err != nil {
			return nil, err
		}
	} else {
		raws = []json.RawMessage{body}
	}
	if len(raws) > maxChanges {
		return nil, errs.New(errs.Invalid, "%d changes at once, more than %d", len(raws), maxChanges)
	}
	cs := make([]model.Change, 0, len(raws))
	key := m.Header("Idempotency-Key")
	for i, raw := range raws {
		c, err := one(raw)
		if err != nil {
			return nil, err
		}
		if c.ID == "" && key != "" {
			c.ID = "key:" + key
			if len(raws) > 1 {
				c.ID += ":" + strconv.Itoa(i)
			}
		}
		cs = append(cs, c)
	}
	return r.publish(ctx, req, m, cs)
}

func one(raw []byte) (model.Change, error) {
	var probe struct {
		SpecVersion string `json:"specversion"`
	}
	if err := decode(raw, &probe); err != nil {
		return model.Change{}, err
	}
	if probe.SpecVersion != "" {
		var ce cloudEvent
		if err := decode(raw, &ce); err != nil {
			return model.Change{}, err
		}
		return ce.change()
	}
	var e entry
	if err := decode(raw, &e); err != nil {
		return model.Change{}, err
	}
	c, err := e.change()
	if err == nil && c.Title == "" && c.Service == "" && c.Version == "" {
		err = errs.WithHint(errs.Invalid, `send at least {"title":"…"}`, "a change has neither title nor service nor version")
	}
	return c, err
}

func (e *entry) change() (model.Change, error) {
	c := model.Change{
		ID: e.ID, TimeNS: int64(e.Time), EndNS: int64(e.End), Kind: first(e.Kind, e.Type), Title: first(e.Title, e.Summary), Text: first(e.Text, e.Description),
		Status: e.Status, Service: e.Service, Host: e.Host, Environment: first(e.Environment, e.Env), Version: e.Version, PreviousVersion: e.PreviousVersion,
		Actor: first(e.Actor, e.User), URL: e.URL, Source: first(e.Source, sourceAPI),
	}
	if c.TimeNS == 0 {
		c.TimeNS = int64(e.Timestamp)
	}
	if c.EndNS != 0 && c.TimeNS == 0 {
		return c, errs.New(errs.Invalid, "a change has an end and no time")
	}
	if c.EndNS != 0 && c.EndNS < c.TimeNS {
		return c, errs.New(errs.Invalid, "a change ends before it begins")
	}
	for name, v := range e.Attributes {
		c.Attributes = append(c.Attributes, model.Label{Name: name, Value: plain(v)})
	}
	slices.SortFunc(c.Attributes, func(a, b model.Label) int { return strings.Compare(a.Name, b.Name) })
	tags, err := readTags(e.Tags)
	if err != nil {
		return c, err
	}
	applyTags(&c, tags)
	if c.Title == "" && (c.Service != "" || c.Version != "") {
		c.Title = strings.TrimSpace(strings.Join([]string{word(c.Kind), c.Service, c.Version}, " "))
	}
	return c, nil
}

// readTags reads a list of tags, one string of them with commas, or an object of them.
func readTags(raw json.RawMessage) ([]string, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	switch raw[0] {
	case '[':
		var tags []string
		err := decode(raw, &tags)
		return tags, err
	case '{':
		var kv map[string]any
		if err := decode(raw, &kv); err != nil {
			return nil, err
		}
		var tags []string
		for k, v := range kv {
			tags = append(tags, k+":"+plain(v))
		}
		slices.Sort(tags)
		return tags, nil
	}
	var s string
	if err := decode(raw, &s); err != nil {
		return nil, err
	}
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }), nil
}

// plain is a JSON value as text.
func plain(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// change reads the data of a CloudEvent as a change in our own form where it is an object; the envelope fills what is missing.
func (ce *cloudEvent) change() (model.Change, error) {
	if ce.ID == "" || ce.Source == "" || ce.Type == "" {
		return model.Change{}, errs.New(errs.Invalid, "a CloudEvent needs id, source and type")
	}
	var e entry
	if data := bytes.TrimSpace(ce.Data); len(data) > 0 && data[0] == '{' {
		// Data is somebody else's object: what does not read as a change says nothing about one.
		if json.Unmarshal(data, &e) != nil {
			e = entry{}
		}
	}
	if e.Time == 0 {
		e.Time = ce.Time
	}
	if e.Time == 0 {
		e.End = 0
	}
	e.Kind, e.Type = first(e.Kind, kindOfEvent(ce.Type)), ""
	e.Title = first(e.Title, e.Summary, strings.TrimSpace(ce.Type+" "+ce.Subject))
	c, err := e.change()
	c.ID = "cloudevents:" + ce.Source + "/" + ce.ID
	c.Source = first(e.Source, ce.Source)
	c.Attributes = append(c.Attributes, attributes("cloudevents.type", ce.Type, "cloudevents.source", ce.Source, "cloudevents.subject", ce.Subject)...)
	return c, err
}

// kindOfEvent guesses the kind from the type of a CloudEvent, CDEvents' among them: dev.cdevents.service.deployed.0.2.0.
func kindOfEvent(t string) string {
	t = strings.ToLower(t)
	for _, k := range []struct{ part, kind string }{
		{"rolledback", "rollback"}, {"rollback", "rollback"}, {"deploy", "deploy"}, {"service.upgraded", "deploy"}, {"service.published", "deploy"}, {"release", "release"}, {"pipelinerun", "pipeline"},
		{"environment", "infrastructure"}, {"config", "config"}, {"flag", "flag"}, {"scal", "scale"}, {"certificate", "certificate"},
	} {
		if strings.Contains(t, k.part) {
			return k.kind
		}
	}
	return "event"
}
