package incidentsapi

import (
	"context"

	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/sse"
)

// Events of the stream.
const (
	eventIncident = "incident"
	eventFinding  = "finding"
	eventResync   = "resync"
)

// Resync says that events may have been missed.
type Resync struct {
	Reason string `json:"reason"`
}

type streamInput struct {
	Findings bool `query:"findings" doc:"Send findings too"`
}

// stream sends what the brain says, as it says it.
func (a *API) stream(ctx context.Context, in *streamInput) (sse.Source, error) {
	news, stop, err := a.view.Listen(reqctx.Tenant(ctx))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, s *sse.Sender) error {
		defer stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case n := <-news:
				switch {
				case n.Missed:
					s.Send(sse.Event{Name: eventResync, Data: Resync{Reason: "events were missed"}})
				case n.Incident != nil:
					s.Send(sse.Event{Name: eventIncident, Data: incidents.BriefOf(n.Incident)})
				case in.Findings:
					for i := range n.Findings {
						s.Send(sse.Event{Name: eventFinding, Data: incidents.FindingOf(&n.Findings[i])})
					}
				}
			}
		}
	}, nil
}
