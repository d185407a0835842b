// Package incidentstest has examples of incidents, findings and commands for tests, with every field set. They speak of a small shop.
package incidentstest

import (
	"fmt"

	"github.com/faultline-io/faultline/services/model"
)

// BaseMS is when the examples happen, in Unix milliseconds.
const BaseMS = int64(1_795_000_000_000)

// Finding returns the n-th finding: latency of checkout, each a minute after the one before.
func Finding(n int) model.Finding {
	onset := BaseMS + int64(n)*60_000
	return model.Finding{
		ID: uint64(1000 + n), Entity: model.Entity{Kind: model.KindService, Name: "checkout"},
		Signal: model.SignalRef{
			SeriesID: uint64(50 + n), Name: fmt.Sprintf("http_server_duration_p95_%d", n), Labels: []model.Label{{Name: "route", Value: "/pay"}, {Name: "service", Value: "checkout"}},
			Role: model.RoleLatency, Unit: "s",
		},
		Kind: model.FindingShift, Direction: 1, OnsetMS: onset, SeenMS: onset + 20_000, EndMS: onset + 600_000, Value: 1.9, Expected: 0.2, Low: 0.1, High: 0.3,
		Score: 12.5, PValue: 0.0001, HistoryMS: 86_400_000, Confidence: 0.97, Detector: "level", Text: "p95 of /pay is 1.9 s, normal is 0.2 s",
	}
}

// Incident returns the n-th incident, of finding n, opened an hour after the one before.
func Incident(n int) *model.Incident {
	start := BaseMS + int64(n)*3_600_000
	checkout, db := model.Entity{Kind: model.KindService, Name: "checkout"}, model.Entity{Kind: model.KindDatabase, Name: "orders-db"}
	evidence := func(text string) model.Evidence {
		return model.Evidence{
			Text: text, FindingID: uint64(1000 + n), Entity: checkout, Language: "promql", Query: `histogram_quantile(0.95, rate(http_server_duration_bucket{service="checkout"}[5m]))`,
			StartMS: start - 600_000, EndMS: start + 300_000, TimesMS: []int64{start - 60_000, start, start + 60_000}, Values: []float64{0.2, 0.9, 1.9}, Low: 0.1, High: 0.3,
		}
	}
	signal := Finding(n).Signal
	return &model.Incident{
		ID: fmt.Sprintf("inc%012x", n), Tenant: 1, State: model.IncidentOpen, Severity: model.SeverityHigh, Title: "checkout: latency 1.9 s (normal 0.2 s), 2 services affected",
		StartMS: start, DetectedMS: start + 30_000, UpdatedMS: start + 90_000, QuietMS: start + 700_000, EndMS: start + 1_600_000,
		Members:  []model.Member{{FindingID: uint64(1000 + n), Entity: checkout, Name: signal.Name, JoinedMS: start + 30_000, Reason: "first", Open: true, Folded: []uint64{77}, Times: 2, Held: "muted"}},
		Entities: []model.Entity{checkout, {Kind: model.KindHost, Name: "web-1"}, db},
		Verdict: model.Verdict{
			AtMS: start + 60_000,
			Candidates: []model.Candidate{
				{
					Entity: checkout, Signal: &signal, ChangeID: "deploy-7", Kind: model.CauseDeploy, OnsetMS: start - 20_000, Score: 9.1, Confidence: 0.82,
					For: []model.Evidence{evidence("new instances are ten times slower than old ones")}, Against: []model.Evidence{evidence("the load did not change")},
					Why: "Version 7 of checkout was rolled out 20 s before the first symptom, and only its instances are slow.",
				},
				{
					Entity: db, Signal: &signal, ChangeID: "migration-3", Kind: model.CauseSaturation, OnsetMS: start, Score: 2.1, Confidence: 0.08,
					For: []model.Evidence{evidence("connections rose")}, Against: []model.Evidence{evidence("queries are as fast as before")}, Why: "Connections of orders-db rose at the same time.",
				},
			},
			Unknown: true, Checked: []string{"212 signals of 9 entities", "3 changes"},
			FirstFailure: []model.Evidence{evidence("p95 of /pay left its band")}, Impact: []model.Evidence{evidence("12 % of requests to the shop are slow")},
			Sentence: "The rollout of checkout 7 made its requests slow.",
		},
		MergedInto: "inc0", SplitFrom: "inc1", PagedMS: start + 31_000, Acknowledged: &model.PersonAct{AtMS: start + 120_000, Who: "ann", Text: "looking"}, Assignee: "ann",
		Resolution: "rolled back", Comments: []model.PersonAct{{AtMS: start + 130_000, Who: "ben", Text: "saw it too"}},
		Feedback: []model.Feedback{{
			ID: "f1", Kind: model.FeedbackConfirm, Target: "incident", PersonAct: model.PersonAct{AtMS: start + 140_000, Who: "ann", Text: "yes"}, UntilMS: start + 999_000,
		}, {
			ID: "f2", Kind: model.FeedbackReject, Target: "candidate:database:orders-db", PersonAct: model.PersonAct{AtMS: start + 141_000, Who: "ann", Text: "no"}, RevokedMS: start + 150_000,
		}},
		History: []model.Revision{{AtMS: start + 30_000, Text: "opened: p95 of /pay is 1.9 s"}},
	}
}

// Open returns the n-th incident as one that nobody has touched: open, with a named cause.
func Open(n int) *model.Incident {
	in := Incident(n)
	in.QuietMS, in.EndMS, in.MergedInto, in.SplitFrom, in.Resolution, in.Assignee, in.Acknowledged = 0, 0, "", "", "", "", nil
	in.Comments, in.Feedback, in.Verdict.Unknown = nil, nil, false
	in.Members[0].Folded, in.Members[0].Times, in.Members[0].Held = nil, 1, ""
	return in
}

// Command returns the n-th command: feedback on the n-th incident.
func Command(n int) model.Command {
	return model.Command{
		ID: fmt.Sprintf("c%d", n), Tenant: 1, AtMS: BaseMS + int64(n), Who: "ann", Action: "feedback", Incident: fmt.Sprintf("inc%012x", n), Other: "inc2",
		Findings: []uint64{uint64(1000 + n)}, Text: "why",
		Feedback: model.Feedback{
			ID: "f9", Kind: model.FeedbackMute, Target: "finding:18446744073709551615", PersonAct: model.PersonAct{AtMS: BaseMS + 1, Who: "ann", Text: "planned"}, UntilMS: BaseMS + 5000, RevokedMS: BaseMS + 6000,
		},
	}
}
