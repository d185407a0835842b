// Package scrape pulls metrics from Prometheus exporters with VictoriaMetrics' scraper: the same configuration file, service
// discovery and relabelling as Prometheus has.
//
// The scraper keeps its settings and its state in globals, so there is at most one in a process.
package scrape

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/auth"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/prompb"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/promscrape"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/protoparser/protoparserutil"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Config says what to scrape.
type Config struct {
	// File is a Prometheus configuration; its scrape_configs are read, again at SIGHUP and every minute.
	File string
}

// Scraper is a service that scrapes.
type Scraper struct {
	cfg    Config
	core   *intake.Core
	budget *limits.Budget
	log    *slog.Logger
}

// New returns a scraper.
func New(cfg Config, core *intake.Core, budget *limits.Budget, log *slog.Logger) *Scraper {
	return &Scraper{cfg: cfg, core: core, budget: budget, log: log}
}

// Name returns the name of the service.
func (*Scraper) Name() string { return "gateway-scrape" }

// running guards the scraper's globals; it is a lock, not state.
var running atomic.Bool

// settings of the scraper's flags; they belong to VictoriaMetrics and are not part of our command line.
func (s *Scraper) settings() map[string]string {
	return map[string]string{
		"promscrape.config":              s.cfg.File,
		"promscrape.configCheckInterval": "60s",
		"loggerLevel":                    "ERROR",
	}
}

// Run scrapes until ctx ends. Errors: errs.Invalid when the configuration cannot be read, errs.Conflict when a scraper runs already.
func (s *Scraper) Run(ctx context.Context) error {
	if !running.CompareAndSwap(false, true) {
		return errs.New(errs.Conflict, "a scraper runs already in this process")
	}
	defer running.Store(false)
	if !flag.Parsed() {
		// The scraper insists on it, and our command line is not read with this package.
		if err := flag.CommandLine.Parse(nil); err != nil {
			return errs.New(errs.Internal, "settle the scraper's settings: %w", err)
		}
	}
	for name, value := range s.settings() {
		if err := flag.Set(name, value); err != nil {
			return errs.New(errs.Internal, "set the scraper's %s: %w", name, err)
		}
	}
	if err := promscrape.CheckConfig(); err != nil {
		return errs.WithHint(errs.Invalid, "the file has the form of prometheus.yml; see docs/getting-started.md", "scrape configuration %s: %v", s.cfg.File, err)
	}
	protoparserutil.StartUnmarshalWorkers()
	defer protoparserutil.StopUnmarshalWorkers()
	promscrape.Init(func(_ *auth.Token, wr *prompb.WriteRequest) {
		if err := s.push(ctx, wr); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "scraped samples not taken", "error", err.Error())
		}
	})
	<-ctx.Done()
	promscrape.Stop()
	return nil
}

// Targets returns the state of the scraping of this process as the data of Prometheus' /api/v1/targets: a JSON object. state is active,
// dropped, any or "", pool "" for all. Without scraping the lists are empty.
func Targets(state, pool string) ([]byte, error) {
	var buf bytes.Buffer
	promscrape.WriteAPIV1Targets(&buf, state, pool)
	var answer struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(buf.Bytes(), &answer); err != nil {
		return nil, errs.New(errs.Internal, "read the scraper's list of targets: %w", err)
	}
	return answer.Data, nil
}

// push publishes what one scrape yielded. A scrape cannot be asked to come back: what the bus refuses is counted as refused.
func (s *Scraper) push(ctx context.Context, wr *prompb.WriteRequest) error {
	req := s.core.NewRequest(intake.Sender{Origin: model.Origin{Tenant: model.DefaultTenant, Source: protocol, Protocol: protocol}})
	defer s.core.Finish(req)
	total := 0
	for i := range wr.Timeseries {
		total += len(wr.Timeseries[i].Samples)
	}
	lease := limits.Lease{Budget: s.budget}
	defer lease.Release()
	err := lease.Grow(int64(total) * sampleBytes)
	if err == nil {
		err = s.publish(ctx, req, wr)
	}
	if err != nil {
		reason := limits.BusUnavailable
		switch {
		case errors.Is(err, limits.ErrRateLimited):
			reason = limits.RateLimited
		case errs.KindOf(err) == errs.Exhausted:
			reason = limits.BusFull
		}
		req.Reject(model.SignalMetrics, reason, total-req.Accepted()-req.Rejected())
		return fmt.Errorf("publish scraped samples: %w", err)
	}
	return nil
}

const (
	protocol = "scrape"
	// sampleBytes is about what a scraped sample with its labels holds in memory.
	sampleBytes = 512
)

func (s *Scraper) publish(ctx context.Context, req *intake.Request, wr *prompb.WriteRequest) error {
	b := s.core.Metrics(req)
	defer b.Close()
	for i := range wr.Timeseries {
		ts := &wr.Timeseries[i]
		b.Labels.Reset()
		for j := range ts.Labels {
			b.Labels.Add(ts.Labels[j].Name, ts.Labels[j].Value)
		}
		if reason := b.Begin(); reason != "" {
			req.Reject(model.SignalMetrics, reason, len(ts.Samples))
			continue
		}
		for j := range ts.Samples {
			b.Sample(ts.Samples[j].Timestamp, ts.Samples[j].Value)
		}
		if err := b.Split(ctx); err != nil {
			return err
		}
	}
	for i := range wr.Metadata {
		md := &wr.Metadata[i]
		b.Metadata(model.MetricMetadata{
			Family: intake.Valid(md.MetricFamilyName), Type: md.Type.String(), Unit: intake.Valid(md.Unit), Help: intake.Valid(md.Help),
		})
	}
	return b.Flush(ctx)
}
