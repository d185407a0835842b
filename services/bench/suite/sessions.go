package suite

import (
	"context"
	"fmt"

	"github.com/faultline-io/faultline/services/bench/adapters"
	"github.com/faultline-io/faultline/services/bench/quality"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// logAnomaly scores which sessions of log events are told to be unusual.
func logAnomaly() Suite {
	s := Suite{Name: "log-anomaly", Short: "unusual sessions of log events", Source: "github.com/ait-aecid/anomaly-detection-log-datasets, the files *_train, *_test_normal and *_test_abnormal"}
	s.Run = func(ctx context.Context, o Options) (*Report, error) {
		cases, err := adapters.Sessions(o.Dir)
		if err != nil {
			return nil, &errs.Error{Kind: errs.NotFound, Err: err, Hint: s.Source}
		}
		r := &Report{
			Suite: s.Name, Values: map[string]float64{},
			Columns: []string{"set", "train", "normal", "abnormal", "P", "R", "F1", "online F1", "vectors F1", "new type F1", "false alarms", "µs/session"},
		}
		sum := 0.0
		for _, c := range cases {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			t := quality.Sessions(c, quality.NewRenamer(o.Rename))
			normal := fmt.Sprint(t.Normal)
			if t.HeldOut {
				normal += " held out"
			}
			r.Add(t.Name, t.Train, normal, t.Abnormal, t.Precision.String(), t.Recall.String(), t.F1.String(), t.Online, t.Simple, t.NewType, t.FalseAlarms, fmt.Sprintf("%.1f", t.NSPerSession/1000))
			sum += t.F1.Mean
			r.Values["f1_"+t.Name] = t.F1.Mean
		}
		r.Values["f1"] = sum / float64(len(cases))
		r.Notes = []string{
			"The product has a model of sequences for each service and judges each trace by it; here a session is a trace. F1: learned from the training part only, as published",
			"methods do. Online: everything that is seen is learned, as it is in the product. Vectors: any count vector that is not in the training part. Held out: the set has no normal",
			"sessions to test on, so a third of the training part is; precision then is that of this mixture, and not of the full set.",
			"Published on the full set of HDFS, with the best threshold: count-vector clustering .956, 3-gram .877, 2-gram .854, new events and length .694, new event type .527.",
		}
		return r, nil
	}
	return s
}
