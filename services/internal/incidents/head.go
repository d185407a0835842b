package incidents

import (
	"encoding/json"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Bounds of a head: enough for a list and a page's top, so that a thousand open incidents fit the bucket of 32 MiB. Tables have the rest.
const (
	headMembers  = 50
	headComments = 50
	headHistory  = 20
	headFeedback = 50
	headEvidence = 3
)

// Head returns an incident without frozen data and with its lists cut to the latest: what events and the bucket of open incidents hold.
func Head(in *model.Incident) Incident {
	short := *in
	short.Members = tail(in.Members, headMembers)
	short.Comments = tail(in.Comments, headComments)
	short.Feedback = tail(in.Feedback, headFeedback)
	short.History = tail(in.History, headHistory)
	short.Verdict.Candidates = append([]model.Candidate(nil), in.Verdict.Candidates...)
	for i := range short.Verdict.Candidates {
		c := &short.Verdict.Candidates[i]
		c.For, c.Against = thin(c.For), thin(c.Against)
	}
	short.Verdict.FirstFailure, short.Verdict.Impact = thin(in.Verdict.FirstFailure), thin(in.Verdict.Impact)
	out := Of(&short)
	out.MemberCount, out.OpenCount = len(in.Members), 0
	for i := range in.Members {
		if in.Members[i].Open {
			out.OpenCount++
		}
	}
	return out
}

func tail[T any](s []T, n int) []T { return s[max(0, len(s)-n):] }

// thin returns the first pieces of evidence without their data.
func thin(es []model.Evidence) []model.Evidence {
	out := append([]model.Evidence(nil), es[:min(len(es), headEvidence)]...)
	for i := range out {
		out[i].TimesMS, out[i].Values = nil, nil
	}
	return out
}

// EncodeHead returns the head as the value of a key and the data of an event.
func EncodeHead(in *model.Incident) ([]byte, error) { return marshal("an incident", Head(in)) }

// DecodeHead reads a head. Errors: errs.Invalid.
func DecodeHead(data []byte) (Incident, error) {
	var in Incident
	if err := json.Unmarshal(data, &in); err != nil {
		return in, errs.New(errs.Invalid, "read an incident: %w", err)
	}
	return in, nil
}
