package query

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/reqctx"
	"github.com/faultline-io/faultline/services/query/timeparam"
)

// Service is one service with its calls, where it sends spans.
type Service struct {
	Name              string    `json:"name"`
	Instances         int       `json:"instances"`
	RequestsPerSecond *float64  `json:"requests_per_second,omitempty"`
	ErrorRatio        *float64  `json:"error_ratio,omitempty"`
	P50MS             *float64  `json:"p50_ms,omitempty"`
	P95MS             *float64  `json:"p95_ms,omitempty"`
	LastSeen          time.Time `json:"last_seen"`
	Signals           []string  `json:"signals" enum:"metrics,logs,spans"`
}

type servicesOutput struct {
	Body struct {
		Items    []Service `json:"items"`
		Warnings []string  `json:"warnings,omitempty"`
	}
}

const (
	// maxServices bounds the list.
	maxServices = 5000
	// resourceLag is how late the last sighting of a resource may be written.
	resourceLag = 15 * time.Minute
)

func (q *Query) registerServices() {
	huma.Register(q.api, huma.Operation{
		OperationID: "list-services", Method: http.MethodGet, Path: "/api/v1/services", Summary: "Services with their calls", Tags: []string{"services"},
	}, func(ctx context.Context, in *rangeInput) (*servicesOutput, error) {
		r, err := timeparam.ParseRange(in.Start, in.End, q.deps.Clock(), time.Hour)
		if err != nil {
			return nil, err
		}
		items, err := q.services(ctx, reqctx.Tenant(ctx), r)
		if err != nil {
			return nil, err
		}
		out := &servicesOutput{}
		out.Body.Items = items
		return out, nil
	})
}

// seenServices are services by name.
type seenServices map[string]*Service

func (s seenServices) note(name, signal string, last time.Time) *Service {
	if s[name] == nil {
		s[name] = &Service{Name: name, Signals: []string{}}
	}
	v := s[name]
	if signal != "" && !slices.Contains(v.Signals, signal) {
		v.Signals = append(v.Signals, signal)
	}
	if last.After(v.LastSeen) {
		v.LastSeen = last.UTC()
	}
	return v
}

// services joins what spans, logs and metrics say. In metrics a service is its job: OpenTelemetry's namespace and name, or the job of a
// scrape.
func (q *Query) services(ctx context.Context, tenant model.TenantID, r timeparam.Range) ([]Service, error) {
	reader := clickhouse.NewInventoryReader(q.deps.Store)
	var calls []clickhouse.ServiceRecord
	var resources []clickhouse.ServiceResource
	var logs map[string]time.Time
	var jobs []sample
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		calls, err = reader.ServiceCalls(gctx, tenant, r.Start, r.End, maxServices)
		return err
	})
	g.Go(func() (err error) {
		resources, err = reader.ServiceResources(gctx, tenant, r.Start.Add(-resourceLag), maxServices)
		return err
	})
	g.Go(func() (err error) {
		logs, err = reader.LogServices(gctx, tenant, r.Start, r.End, maxServices)
		return err
	})
	g.Go(func() (err error) {
		jobs, err = q.instant(gctx, `count by (job) ({__name__=~"up|target_info"})`, r.End)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	seen := seenServices{}
	for i := range calls {
		seen.note(calls[i].Name, "spans", calls[i].LastCall).addCalls(&calls[i], r.End.Sub(r.Start).Seconds())
	}
	for name, last := range logs {
		seen.note(name, "logs", last)
	}
	for _, j := range jobs {
		if name := j.label("job"); name != "" {
			s := seen.note(name, "metrics", r.End)
			s.Instances = max(s.Instances, int(j.value))
		}
	}
	for _, res := range resources {
		if s, ok := seen[res.Name]; ok {
			s.Instances = max(s.Instances, int(res.Instances))
		}
	}
	return seen.list(), nil
}

func (s *Service) addCalls(c *clickhouse.ServiceRecord, seconds float64) {
	rate, p50, p95 := float64(c.Calls)/max(seconds, 1), c.P50.Seconds()*1000, c.P95.Seconds()*1000
	failed := float64(c.Errors) / float64(max(c.Calls, 1))
	s.RequestsPerSecond, s.ErrorRatio, s.P50MS, s.P95MS = &rate, &failed, &p50, &p95
}

func (s seenServices) list() []Service {
	out := make([]Service, 0, len(s))
	for _, v := range s {
		v.Instances = max(v.Instances, 1)
		slices.Sort(v.Signals)
		out = append(out, *v)
	}
	slices.SortFunc(out, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
