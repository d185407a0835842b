package query

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/incidents/board"
	"github.com/faultline-io/faultline/services/internal/incidents/incidentstest"
	"github.com/faultline-io/faultline/services/internal/store"
	"github.com/faultline-io/faultline/services/model"
)

// brainRig is a server whose incidents are written as the writer of incidents writes them: rows first, then the bucket and the event.
type brainRig struct {
	*server
	publisher *board.Publisher
	commands  bus.CommandReader
	open      []*model.Incident
}

func withIncidents(t *testing.T) *brainRig {
	t.Helper()
	r := &brainRig{server: start(t)}
	var err error
	if r.publisher, err = board.NewPublisher(t.Context(), r.bus); err != nil {
		t.Fatal(err)
	}
	if r.commands, err = r.bus.Commands(t.Context(), "brain"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Query.brain.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	now := time.Now().UnixMilli()
	for i := range 4 {
		in := incidentstest.Open(i)
		shift := now - 1_800_000 - in.StartMS + int64(i)*60_000
		move(in, shift)
		f := incidentstest.Finding(i)
		f.OnsetMS, f.SeenMS, f.EndMS = in.StartMS, in.StartMS+1000, 0
		if i == 0 {
			f.EndMS = f.OnsetMS + 60_000
		}
		if err := r.db.Admin.InsertFindings(t.Context(), fmt.Sprint("f", i), 1, []model.Finding{f}); err != nil {
			t.Fatal(err)
		}
		r.open = append(r.open, in)
	}
	r.open[3].State, r.open[3].EndMS, r.open[3].Severity = model.IncidentResolved, r.open[3].StartMS+300_000, model.SeverityLow
	r.write(t, r.open...)
	until(t, func() bool {
		return get[struct {
			OpenIncidents int `json:"open_incidents"`
		}](t, r.server, "/api/v1/brain").OpenIncidents == 3
	})
	return r
}

// move shifts an example in time.
func move(in *model.Incident, by int64) {
	for _, t := range []*int64{&in.StartMS, &in.DetectedMS, &in.UpdatedMS, &in.PagedMS, &in.Verdict.AtMS, &in.Members[0].JoinedMS, &in.History[0].AtMS} {
		*t += by
	}
}

// write stores and publishes incidents.
func (r *brainRig) write(t *testing.T, ins ...*model.Incident) {
	t.Helper()
	if err := r.db.Admin.InsertIncidents(t.Context(), fmt.Sprint("i", time.Now().UnixNano()), ins); err != nil {
		t.Fatal(err)
	}
	if err := r.publisher.Publish(t.Context(), ins...); err != nil {
		t.Fatal(err)
	}
}

// brain does one command as the writer of incidents does: apply changes the incident or refuses.
func (r *brainRig) brainDoes(t *testing.T, apply func(c *model.Command, in *model.Incident) error) (done chan model.Command) {
	done = make(chan model.Command, 1)
	ctx := t.Context()
	go func() {
		cs, err := r.commands.Fetch(ctx, 1, 30*time.Second)
		if err != nil || len(cs) != 1 {
			t.Errorf("%d commands: %v", len(cs), err)
			done <- model.Command{}
			return
		}
		c, err := incidents.DecodeCommand(cs[0].Data)
		if err != nil {
			t.Error(err)
		}
		var in *model.Incident
		for _, x := range r.open {
			if x.ID == c.Incident {
				in = x
			}
		}
		refused := apply(&c, in)
		if refused == nil {
			in.UpdatedMS += 1000
			if err := r.db.Admin.InsertIncidents(ctx, "c"+c.ID, []*model.Incident{in}); err != nil {
				t.Error(err)
			}
			if err := r.publisher.Publish(ctx, in); err != nil {
				t.Error(err)
			}
		}
		o := incidents.OutcomeOf(&c, in.ID, in.UpdatedMS, refused)
		row := store.CommandRow{Command: c, AppliedAtMS: in.UpdatedMS, Outcome: o.State, Detail: o.Detail}
		if err := r.db.Admin.InsertCommands(ctx, "c"+c.ID, []store.CommandRow{row}); err != nil {
			t.Error(err)
		}
		if err := r.publisher.Answer(ctx, c.Tenant, o); err != nil {
			t.Error(err)
		}
		if err := r.commands.AckThrough(ctx, cs[0].Seq); err != nil {
			t.Error(err)
		}
		done <- c
	}()
	return done
}

// post sends a command and returns the answer.
func (r *brainRig) post(t *testing.T, path, body, key string) (answer, commandAnswer) {
	t.Helper()
	a := r.do(t, "/api/v1/incidents/"+path, call{method: http.MethodPost, body: body, header: map[string]string{"Idempotency-Key": key}})
	var out commandAnswer
	if err := json.Unmarshal(a.body, &out); err != nil {
		t.Fatalf("%s: %s %s", path, a.Status, a.body)
	}
	return a, out
}

type commandAnswer struct {
	Status     any
	Code       string
	Detail     string
	CommandID  string `json:"command_id"`
	FeedbackID string `json:"feedback_id"`
	Incident   *incidents.Brief
}

func TestIncidents(t *testing.T) {
	r := withIncidents(t)
	t.Run("list", func(t *testing.T) { incidentsAreListed(t, r) })
	t.Run("one", func(t *testing.T) { oneIncident(t, r) })
	t.Run("findings", func(t *testing.T) { findingsAreListed(t, r) })
	t.Run("commands", func(t *testing.T) { commandsAreApplied(t, r) })
	t.Run("timeline", func(t *testing.T) { timelineIsInOrder(t, r) })
	t.Run("stream", func(t *testing.T) { changesAreStreamed(t, r) })
	t.Run("topology", func(t *testing.T) { topologyIsAnswered(t, r) })
	t.Run("brain", func(t *testing.T) { brainSaysHowItFares(t, r) })
	t.Run("bad", func(t *testing.T) { badQuestions(t, r) })
}

type incidentPage struct {
	Items      []incidents.Brief
	NextCursor string `json:"next_cursor"`
}

func incidentsAreListed(t *testing.T, r *brainRig) {
	f := func(params string, want ...int) {
		t.Helper()
		var got []string
		for cursor := ""; ; {
			p := get[incidentPage](t, r.server, "/api/v1/incidents?limit=2&"+params+"&cursor="+cursor)
			for _, s := range p.Items {
				got = append(got, s.ID)
			}
			if cursor = p.NextCursor; cursor == "" {
				break
			}
		}
		var ids []string
		for _, i := range want {
			ids = append(ids, r.open[i].ID)
		}
		if strings.Join(got, " ") != strings.Join(ids, " ") {
			t.Errorf("%s: %v, want %v", params, got, ids)
		}
	}
	f("", 3, 2, 1, 0)
	f("state=open,quiet", 2, 1, 0)
	f("state=resolved", 3)
	f("severity=low", 3)
	f("service=checkout&state=open", 2, 1, 0)
	f("host=web-1&severity=high", 2, 1, 0)
	f("entity=database:orders-db&state=resolved", 3)
	f("q=nothing+of+that+name")
	f("start=now-90d&end=now-80d")
	p := get[incidentPage](t, r.server, "/api/v1/incidents?limit=1")
	if s := p.Items[0]; s.Cause == nil || s.Cause.Kind != "deploy" || s.Cause.Confidence != 0.82 || s.EntityCount != 3 || s.MemberCount != 1 {
		t.Errorf("summary %+v", s)
	}
}

func oneIncident(t *testing.T, r *brainRig) {
	in := get[incidents.Incident](t, r.server, "/api/v1/incidents/"+r.open[0].ID)
	if len(in.Verdict.Candidates) != 2 || len(in.Verdict.Candidates[0].For[0].Data.T) != 3 || in.Members[0].Reason != "first" {
		t.Errorf("%+v", in)
	}
	// What is on the bus and not in the tables yet is shown, with the data that the tables have.
	ahead := *r.open[0]
	ahead.Title, ahead.UpdatedMS = "ahead of the tables", ahead.UpdatedMS+500
	if err := r.publisher.Publish(t.Context(), &ahead); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		in = get[incidents.Incident](t, r.server, "/api/v1/incidents/"+ahead.ID)
		return in.Title == ahead.Title
	})
	if len(in.Verdict.Candidates[0].For[0].Data.T) != 3 {
		t.Error("the frozen data is gone")
	}
	fresh := incidentstest.Open(9)
	if err := r.publisher.Publish(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return r.do(t, "/api/v1/incidents/"+fresh.ID, call{}).StatusCode == http.StatusOK })
	fresh.State = model.IncidentResolved
	if err := r.publisher.Publish(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return r.do(t, "/api/v1/incidents/"+fresh.ID, call{}).StatusCode == http.StatusNotFound })
}

func findingsAreListed(t *testing.T, r *brainRig) {
	type page struct {
		Items      []incidents.Finding
		NextCursor string `json:"next_cursor"`
	}
	f := func(params string, want int) {
		t.Helper()
		if p := get[page](t, r.server, "/api/v1/findings?"+params); len(p.Items) != want {
			t.Errorf("%s: %d findings, want %d", params, len(p.Items), want)
		}
	}
	f("", 4)
	f("state=open", 3)
	f("state=ended", 1)
	f("service=checkout&kind=shift", 4)
	f("kind=limit", 0)
	f("q=normal+is+0.2", 4)
	f("signal=http_server_duration_p95_2", 1)
	p := get[page](t, r.server, "/api/v1/findings?limit=3")
	if rest := get[page](t, r.server, "/api/v1/findings?limit=3&cursor="+p.NextCursor); len(p.Items) != 3 || len(rest.Items) != 1 {
		t.Errorf("pages of %d and %d", len(p.Items), len(rest.Items))
	}
	one := get[incidents.Finding](t, r.server, "/api/v1/findings/"+incidents.ID(1001))
	if one.Signal.Labels["route"] != "/pay" || one.Entity.Name != "checkout" {
		t.Errorf("%+v", one)
	}
	if a := r.do(t, "/api/v1/findings/"+incidents.ID(77), call{}); a.StatusCode != http.StatusNotFound {
		t.Errorf("one that is not there: %s", a.Status)
	}
}

func commandsAreApplied(t *testing.T, r *brainRig) {
	id := r.open[1].ID
	done := r.brainDoes(t, func(c *model.Command, in *model.Incident) error {
		in.Acknowledged = &model.PersonAct{AtMS: c.AtMS, Who: c.Who, Text: c.Text}
		return nil
	})
	a, out := r.post(t, id+"/acknowledge", `{"text":"on it"}`, "k1")
	c := <-done
	if a.StatusCode != http.StatusOK || out.Status != "applied" || out.Incident == nil || out.Incident.Acknowledged == nil || out.Incident.Acknowledged.Who != "admin" {
		t.Fatalf("%s %s", a.Status, a.body)
	}
	if c.Action != incidents.ActionAcknowledge || c.Who != "admin" || c.Text != "on it" || c.Tenant != 1 || time.Since(time.UnixMilli(c.AtMS)) > time.Minute {
		t.Errorf("command %+v", c)
	}
	// The same again is the same command: nobody does it twice, and the answer is the same.
	a, again := r.post(t, id+"/acknowledge", `{"text":"on it"}`, "k1")
	if a.StatusCode != http.StatusOK || again.Status != "applied" || again.CommandID != out.CommandID || again.Incident == nil || again.Incident.Acknowledged == nil {
		t.Errorf("again: %s %s", a.Status, a.body)
	}
	if cs, err := r.commands.Fetch(t.Context(), 10, 10*time.Millisecond); err != nil || len(cs) != 0 {
		t.Errorf("%d commands after a repetition (%v)", len(cs), err)
	}
	done = r.brainDoes(t, func(*model.Command, *model.Incident) error { return errs.New(errs.Conflict, "is over already") })
	if a, out = r.post(t, id+"/resolve", "", ""); a.StatusCode != http.StatusConflict || out.Code != "conflict" || !strings.Contains(out.Detail, "over already") {
		t.Errorf("refused: %s %s", a.Status, a.body)
	}
	<-done
	done = r.brainDoes(t, func(c *model.Command, in *model.Incident) error {
		in.Feedback = append(in.Feedback, c.Feedback)
		return nil
	})
	a, out = r.post(t, id+"/feedback", `{"kind":"mute","target":"signal:service:checkout/http_server_duration_p95_1","text":"known","until":"now+2h"}`, "")
	c = <-done
	if a.StatusCode != http.StatusOK || out.FeedbackID == "" || c.Feedback.ID != out.FeedbackID || c.Feedback.UntilMS < time.Now().Add(time.Hour).UnixMilli() || c.Feedback.Who != "admin" {
		t.Errorf("feedback: %s %s %+v", a.Status, a.body, c.Feedback)
	}
	done = r.brainDoes(t, func(c *model.Command, in *model.Incident) error {
		in.Feedback[0].RevokedMS = c.AtMS
		return nil
	})
	a = r.do(t, "/api/v1/incidents/"+id+"/feedback/"+out.FeedbackID, call{method: http.MethodDelete})
	if c = <-done; a.StatusCode != http.StatusOK || c.Action != incidents.ActionRevoke || c.Feedback.ID != out.FeedbackID {
		t.Errorf("revoke: %s %s %+v", a.Status, a.body, c)
	}
	for path, body := range map[string]string{
		"assign": `{"assignee":" ann "}`, "comment": `{"text":"hello"}`, "merge": `{"other":"` + r.open[2].ID + `"}`, "split": `{"findings":["` + incidents.ID(1001) + `"]}`, "reopen": `{}`, "unacknowledge": `{}`,
	} {
		done = r.brainDoes(t, func(*model.Command, *model.Incident) error { return nil })
		a, _ = r.post(t, id+"/"+path, body, "")
		if c = <-done; a.StatusCode != http.StatusOK || c.Action != path {
			t.Errorf("%s: %s %s %+v", path, a.Status, a.body, c)
		}
		switch {
		case path == "assign" && c.Text != "ann", path == "merge" && c.Other != r.open[2].ID, path == "split" && (len(c.Findings) != 1 || c.Findings[0] != 1001):
			t.Errorf("%s: %+v", path, c)
		}
	}
	// While the brain is away a command waits for it.
	if a, out = r.post(t, id+"/comment", `{"text":"later"}`, "k2"); a.StatusCode != http.StatusAccepted || out.Status != "queued" {
		t.Errorf("queued: %s %s", a.Status, a.body)
	}
	cs, err := r.commands.Fetch(t.Context(), 10, 10*time.Second)
	if err != nil || len(cs) != 1 || cs[0].ID != out.CommandID {
		t.Errorf("waiting: %+v %v", cs, err)
	}
}

func timelineIsInOrder(t *testing.T, r *brainRig) {
	in := r.open[1]
	cs := &model.Changes{Header: model.Header{Origin: model.Origin{Tenant: 1}, ReceivedAtMS: in.StartMS}, Changes: []model.Change{
		{ID: "deploy-7", TimeNS: (in.StartMS - 20_000) * 1e6, Kind: "deploy", Title: "checkout 7", Service: "checkout", Actor: "ci"},
		{ID: "host-1", TimeNS: (in.StartMS - 60_000) * 1e6, Kind: "package", Title: "kernel", Host: "web-1"},
		{ID: "other", TimeNS: in.StartMS * 1e6, Kind: "deploy", Title: "something else", Service: "cart"},
		{ID: "old", TimeNS: (in.StartMS - 4*3_600_000) * 1e6, Kind: "deploy", Title: "long ago", Service: "checkout"},
	}}
	if err := r.db.Admin.InsertChanges(t.Context(), "changes", []*model.Changes{cs}); err != nil {
		t.Fatal(err)
	}
	out := get[struct {
		Items []struct {
			Time     time.Time
			Kind     string
			Title    string
			ChangeID string `json:"change_id"`
			Cause    bool
			Refused  bool
		}
	}](t, r.server, "/api/v1/incidents/"+in.ID+"/timeline")
	counts := map[string]int{}
	for i, e := range out.Items {
		counts[e.Kind]++
		if i > 0 && e.Time.Before(out.Items[i-1].Time) {
			t.Errorf("%s is out of order", e.Title)
		}
		if e.ChangeID != "" && e.Cause != (e.ChangeID == "deploy-7") {
			t.Errorf("cause: %+v", e)
		}
	}
	want := map[string]int{"change": 2, "finding": 1, "known": 1, "acknowledged": 1, "feedback": 1, "feedback_revoked": 1, "command": 6}
	for k, n := range want {
		if counts[k] != n {
			t.Errorf("%d entries of %s, want %d (%+v)", counts[k], k, n, out.Items)
		}
	}
	if out.Items[0].ChangeID != "host-1" || out.Items[1].ChangeID != "deploy-7" {
		t.Errorf("begins with %+v", out.Items[:2])
	}
}

// follow reads the lines of a stream until the test ends; it returns when the stream is open.
func (r *brainRig) follow(t *testing.T, path string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", r.password)
	resp, err := r.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	lines, ended := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(ended)
		for sc := bufio.NewScanner(resp.Body); sc.Scan(); {
			lines <- sc.Text()
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		_ = resp.Body.Close()
	})
	if first := <-lines; first != ": open" {
		t.Fatalf("the stream begins with %q (%s)", first, resp.Status)
	}
	return lines
}

func changesAreStreamed(t *testing.T, r *brainRig) {
	lines := r.follow(t, "/api/v1/incidents/stream?findings=true")
	in := r.open[2]
	f := incidentstest.Finding(2)
	data, err := incidents.EncodeFindings([]model.Finding{f})
	if err != nil {
		t.Fatal(err)
	}
	in.Title = "streamed"
	r.write(t, in)
	if err := r.bus.PublishEvents(t.Context(), bus.Event{Topic: bus.TopicFindings, Tenant: 1, Key: "0", Data: data}); err != nil {
		t.Fatal(err)
	}
	var got []string
	deadline := time.After(30 * time.Second)
	for len(got) < 2 {
		select {
		case l := <-lines:
			if strings.HasPrefix(l, "data: ") {
				got = append(got, l)
			}
		case <-deadline:
			t.Fatalf("got %q", got)
		}
	}
	if !strings.Contains(got[0], `"title":"streamed"`) || !strings.Contains(got[1], incidents.ID(f.ID)) {
		t.Errorf("%q", got)
	}
}

func topologyIsAnswered(t *testing.T, r *brainRig) {
	now := time.Now()
	attrs := []model.Label{{Name: "host.id", Value: "h1"}, {Name: "host.name", Value: "web-1"}, {Name: "service.name", Value: "shop"}}
	l := &model.Logs{
		Header:    model.Header{Origin: model.Origin{Tenant: 1}, ReceivedAtMS: now.UnixMilli()},
		Resources: []model.Resource{{ID: 1, Attributes: attrs, Service: "shop", Host: "h1"}}, ResourceIdx: []uint32{0}, TimesNS: []int64{now.UnixNano()},
		ObservedNS: []int64{0}, Severity: []uint8{9}, ShapeHash: []uint64{1}, Bodies: []string{"x"},
	}
	if err := r.db.Admin.InsertLogs(t.Context(), "t:1", []*model.Logs{l}); err != nil {
		t.Fatal(err)
	}
	var spans []model.Span
	for i := range 3 {
		trace := strings.Repeat("t", 15) + string(rune('0'+i))
		spans = append(spans,
			model.Span{TraceID: trace, SpanID: "span---1", ResourceIdx: 0, Name: "GET /", StartNS: now.UnixNano(), DurationNS: 1000},
			model.Span{TraceID: trace, SpanID: "span---2", ParentSpanID: "span---1", ResourceIdx: 1, Name: "pay", StartNS: now.UnixNano(), DurationNS: 500})
	}
	b := &model.Spans{
		Header:    model.Header{Origin: model.Origin{Tenant: 1}, ReceivedAtMS: now.UnixMilli()},
		Resources: []model.Resource{{ID: 1, Attributes: attrs, Service: "shop", Host: "h1"}, {ID: 2, Service: "pay"}}, Spans: spans,
	}
	if err := r.db.Admin.InsertSpans(t.Context(), "s:1", []*model.Spans{b}); err != nil {
		t.Fatal(err)
	}
	type answer struct {
		Nodes []struct{ Kind, Name, Label string }
		Edges []struct {
			Kind  string
			From  incidents.Entity
			To    incidents.Entity
			Calls int
		}
	}
	f := func(params string, nodes, edges int) answer {
		t.Helper()
		a := get[answer](t, r.server, "/api/v1/topology?"+params)
		if len(a.Nodes) != nodes || len(a.Edges) != edges {
			t.Errorf("%s: %+v, want %d nodes and %d edges", params, a, nodes, edges)
		}
		return a
	}
	a := f("at=now%2B1m", 3, 2)
	for _, e := range a.Edges {
		if e.Kind == "calls" && (e.From.Name != "shop" || e.To.Name != "pay" || e.Calls != 3) {
			t.Errorf("%+v", e)
		}
	}
	f("at=now%2B1m&entity=service:pay&hops=1", 2, 1)
	f("at=now%2B1m&entity=service:pay", 3, 2)
	f("at=now%2B1m&entity=service:nobody", 0, 0)
	f("at=now-2d", 0, 0)
}

func brainSaysHowItFares(t *testing.T, r *brainRig) {
	type answer struct {
		Healthy       bool
		Message       string
		CheckedAt     *time.Time `json:"checked_at"`
		LagMS         int64      `json:"lag_ms"`
		Series        int64
		OpenIncidents int `json:"open_incidents"`
		Judged        struct {
			Right, Wrong, Total int
			Precision           *float64
		}
		Processes []incidents.BrainState
	}
	b := get[answer](t, r.server, "/api/v1/brain")
	if b.Healthy || b.Message == "" || len(b.Processes) != 0 || b.CheckedAt != nil || b.OpenIncidents != 3 {
		t.Errorf("before it spoke: %+v", b)
	}
	kv, err := r.bus.KV(t.Context(), store.StatusBucket)
	if err != nil {
		t.Fatal(err)
	}
	say := func(process string, published time.Time, series int64) {
		t.Helper()
		data, err := json.Marshal(incidents.BrainState{Process: process, Published: published, Series: series, LagMS: 25_000, Watermark: published.Add(-25 * time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		if err := kv.Put(t.Context(), incidents.StateKey(process), data); err != nil {
			t.Fatal(err)
		}
	}
	say("shard-0", time.Now(), 10)
	say("shard-1", time.Now(), 20)
	say("shard-2", time.Now().Add(-25*time.Hour), 1000) // Long gone.
	if b = get[answer](t, r.server, "/api/v1/brain"); !b.Healthy || b.Series != 30 || b.LagMS != 25_000 || len(b.Processes) != 2 || b.CheckedAt == nil || b.Judged.Total != 4 || b.Judged.Precision != nil {
		t.Errorf("%+v", b)
	}
	say("shard-1", time.Now().Add(-5*time.Minute), 20)
	in := r.open[0]
	in.UpdatedMS += 5000
	in.Feedback = []model.Feedback{{ID: "x", Kind: model.FeedbackConfirm, Target: "incident"}}
	r.write(t, in)
	if b = get[answer](t, r.server, "/api/v1/brain"); b.Healthy || !strings.Contains(b.Message, "shard-1") || b.LagMS < 300_000 || b.Judged.Right != 1 || b.Judged.Precision == nil || *b.Judged.Precision != 1 {
		t.Errorf("one is silent: %+v", b)
	}
}

func badQuestions(t *testing.T, r *brainRig) {
	id := r.open[1].ID
	for _, path := range []string{
		"incidents?state=odd", "incidents?entity=checkout", "incidents?cursor=x", "incidents?start=now&end=now-1h", "incidents?limit=501", "findings?kind=odd", "findings/xyz",
		"topology?at=odd", "topology?entity=odd", "topology?entity=service:x&hops=99",
	} {
		if a := r.do(t, "/api/v1/"+path, call{}); a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), `"code"`) {
			t.Errorf("%s: %s %s", path, a.Status, a.body)
		}
	}
	for _, c := range [][2]string{
		{"comment", `{}`}, {"comment", `{"text":""}`}, {"merge", `{"other":"` + id + `"}`}, {"split", `{"findings":[]}`}, {"split", `{"findings":["x"]}`},
		{"split", `{"findings":["` + incidents.ID(5) + `"]}`}, {"feedback", `{"kind":"odd"}`}, {"feedback", `{"kind":"mute"}`}, {"feedback", `{"kind":"confirm","target":"odd"}`},
		{"feedback", `{"kind":"mute","text":"x","until":"now-1h"}`}, {"feedback", `{"kind":"confirm","until":"now+1h"}`}, {"comment", `{"text":"` + strings.Repeat("x", 4001) + `"}`},
		{"acknowledge", `{`}, {"acknowledge", `{"nope":1}`},
	} {
		if a, _ := r.post(t, id+"/"+c[0], c[1], ""); a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s %.60s: %s %s", c[0], c[1], a.Status, a.body)
		}
	}
	for _, path := range []string{"nope/acknowledge", "nope/comment"} {
		if a, _ := r.post(t, path, `{"text":"x"}`, ""); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	if a, _ := r.post(t, id+"/merge", `{"other":"nope"}`, ""); a.StatusCode != http.StatusNotFound {
		t.Errorf("merge with nothing: %s", a.Status)
	}
	if a := r.do(t, "/api/v1/incidents", call{nobody: true}); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a sign-in: %s", a.Status)
	}
}
