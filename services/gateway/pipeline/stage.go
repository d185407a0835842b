package pipeline

import (
	"errors"
	"fmt"
	"strings"

	"github.com/VictoriaMetrics/metrics"

	"github.com/faultline-io/faultline/services/gateway/pipeline/redact"
)

// kind is what a stage does, by its key in the file.
type kind string

const (
	kindDrop      kind = "drop"
	kindRelabel   kind = "relabel"
	kindParse     kind = "parse"
	kindRedact    kind = "redact"
	kindSample    kind = "sample"
	kindRateLimit kind = "rate_limit"
	kindAggregate kind = "aggregate"
)

// stage is one compiled stage.
type stage struct {
	name string
	kind kind
	when *condition
	// index is the place of the stage in the file.
	index int

	relabel   *relabeler
	parse     *parsing
	redact    *redact.Redactor
	sample    sampling
	limit     *rateLimit
	aggregate *aggregating

	counts stageCounts
}

// stageCounts count the items that met a stage's condition, and those among them that it changed, dropped or could not parse.
type stageCounts struct {
	in, changed, dropped, failed *metrics.Counter
}

// onResource reports whether a stage works on resources, once for each, and not on the items that have them.
func (s *stage) onResource() bool {
	switch s.kind {
	case kindRelabel:
		return s.relabel.target == targetResource
	case kindRedact:
		return s.when.ofResource() && (s.when.signals.logs || s.when.signals.spans)
	}
	return false
}

// checkSignals refuses a stage for signals that it cannot work on, and narrows one that named none.
func (s *stage) checkSignals() error {
	sig := &s.when.signals
	switch s.kind {
	case kindParse:
		if !sig.logs {
			return errors.New("parse is for logs")
		}
		sig.metrics, sig.spans = false, false
	case kindSample:
		if !sig.logs && !sig.spans {
			return errors.New("sample is for logs and spans; drop or aggregate metrics")
		}
		sig.metrics = false
	case kindAggregate:
		if !sig.metrics {
			return errors.New("aggregate is for metrics")
		}
		sig.logs, sig.spans = false, false
	case kindRelabel:
		return s.checkRelabel()
	}
	return nil
}

func (s *stage) checkRelabel() error {
	sig := &s.when.signals
	switch s.relabel.target {
	case targetLabels:
		if !sig.metrics {
			return errors.New("relabel works on the labels of metrics; set target to resource or attributes for logs and spans")
		}
		sig.logs, sig.spans = false, false
	case targetResource:
		if !s.when.ofResource() {
			return errors.New("relabel with target resource is done once for each resource, so its condition may speak of signal, source, protocol, service, host and resource only")
		}
		*sig = s.when.asked // the metrics of OTLP have a resource too
	default:
		if !sig.logs && !sig.spans {
			return fmt.Errorf("target %s is for logs and spans", s.relabel.target)
		}
		sig.metrics = false
	}
	return nil
}

// redactConfig is a stage that redacts, as it is written.
type redactConfig struct {
	Kinds       texts             `yaml:"kinds"`
	Keys        texts             `yaml:"keys"`
	Patterns    map[string]string `yaml:"patterns"`
	Replacement string            `yaml:"replacement"`
}

// maxPatterns bounds own expressions: each costs a pass over each text.
const maxPatterns = 50

func (c *redactConfig) compile(s *stage) error {
	cfg := redact.Config{Keys: c.Keys, Replacement: c.Replacement}
	for _, name := range c.Kinds {
		if name == "secrets" {
			cfg.Kinds = append(cfg.Kinds, redact.Secrets()...)
			continue
		}
		k, err := redact.ParseKind(name)
		if err != nil {
			return fmt.Errorf("%w; secrets stands for those that are on by default", err)
		}
		cfg.Kinds = append(cfg.Kinds, k)
	}
	if len(c.Keys) > 0 {
		cfg.Kinds = append(cfg.Kinds, redact.Password)
	}
	if len(c.Patterns) > maxPatterns {
		return fmt.Errorf("%d patterns, at most %d", len(c.Patterns), maxPatterns)
	}
	for _, name := range sortedKeys(c.Patterns) {
		re, err := compileExpression(c.Patterns[name])
		if err != nil {
			return fmt.Errorf("pattern %s: %w", name, err)
		}
		cfg.Patterns = append(cfg.Patterns, redact.Pattern{Name: name, Regexp: re})
	}
	if len(cfg.Kinds) == 0 && len(cfg.Patterns) == 0 {
		return errors.New("names neither kinds nor keys nor patterns")
	}
	if len(c.Replacement) > 100 || strings.ContainsAny(c.Replacement, "\n\r") {
		return errors.New("replacement must be one line of at most 100 bytes")
	}
	s.redact = redact.New(cfg)
	return nil
}

// sampleConfig is a stage that samples, as it is written.
type sampleConfig struct {
	Ratio *float64 `yaml:"ratio"`
}

func (c *sampleConfig) compile(s *stage) error {
	if c.Ratio == nil || *c.Ratio < 0 || *c.Ratio > 1 {
		return errors.New("ratio must be from 0 to 1: which part is kept")
	}
	s.sample = newSampling(*c.Ratio)
	return nil
}
