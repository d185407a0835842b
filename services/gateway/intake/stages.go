package intake

import (
	"github.com/faultline-io/faultline/services/gateway/series"
	"github.com/faultline-io/faultline/services/model"
)

// Pipeline is the processing on the way, as it is configured at the moment. It is safe for several goroutines.
type Pipeline interface {
	// Stages returns what is done with the items of a request; nil does nothing. A request keeps it until it is answered, also
	// when the configuration changes meanwhile.
	Stages(req *Request) Stages
}

// Stages process the items of one request, before anything else looks at them. They belong to its goroutine. A reason that is not
// empty says that the item goes no further, and is counted under it.
//
// An agent's batch that is sent again must be cut into the same parts whatever becomes of its items, so the builders count what goes
// in here, not what comes out.
type Stages interface {
	// Resource returns the attributes of a resource as they are to be; attrs is not changed.
	Resource(signal model.Signal, attrs []model.Label) ([]model.Label, string)
	// Log may change r and its attributes, which are a copy. Strings that it sets stay as they are.
	Log(r *Record, res *model.Resource) string
	// Span may change s with all that is in it.
	Span(s *model.Span, res *model.Resource) string
	// Metrics is for a builder of metrics; nil does nothing.
	Metrics() MetricStages
}

// MetricStages process the samples of one builder.
type MetricStages interface {
	// Key is mixed into the keys of raw labels: the same labels may be treated differently under another one.
	Key() uint64
	// EverySeries says that the labels of every series have to be read, so that keys of raw labels are of no use.
	EverySeries() bool
	// Series changes the labels of a series. With a reason all its samples go no further, and the labels are as they were.
	Series(l *series.Labels) string
	// Fresh changes the labels of a series that was not seen lately; it is called after Series.
	Fresh(l *series.Labels)
	// EverySample says that Sample wants to be asked.
	EverySample() bool
	// Sample is called for each sample of the series; v is NaN for a native histogram.
	Sample(ms int64, v float64) string
	// Exemplar may change e.
	Exemplar(e *model.Exemplar)
	// Waiting returns how many samples are kept until Published or Failed says what became of the batch.
	Waiting() int
	Published()
	Failed()
}

// skipPart gives a part of an agent's batch that has nothing left its name, so that those after it have theirs.
func (r *Request) skipPart(signal model.Signal, shards int) {
	if r.AgentID == "" {
		return
	}
	for range max(shards, 1) {
		r.Header(signal)
	}
}
