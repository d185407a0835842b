// Package pipeline is the processing on the way: relabelling, dropping, parsing, redaction, sampling, rate limits and stream aggregation,
// in the order in which a file names them, before anything is put on the bus. It knows no wire protocol and no bus: receivers' items
// come through the builders of package intake.
//
// Cost: without a file, one pass over every text in search of secrets. Each further stage costs its condition for each item, and its
// work for those that meet it. Nothing here is kept from one item to the next, except the buckets of rate limits and the state of
// stream aggregation.
package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/faultline-io/faultline/services/gateway/pipeline/redact"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Bounds of a configuration. The file comes from the operator; they catch a wrong file rather than an attack.
const (
	maxFileBytes = 1 << 20
	maxStages    = 200
)

// file is the file as it is written. docs/pipeline.md describes every key.
type file struct {
	// RedactSecrets is whether secrets are redacted after all stages; they are unless this is false.
	RedactSecrets *bool             `yaml:"redact_secrets"`
	GrokPatterns  map[string]string `yaml:"grok_patterns"`
	Stages        []stageConfig     `yaml:"stages"`
}

// stageConfig is one stage: a condition and exactly one thing to do.
type stageConfig struct {
	Name      string           `yaml:"name"`
	When      *whenConfig      `yaml:"when"`
	Drop      *bool            `yaml:"drop"`
	Relabel   *relabelConfig   `yaml:"relabel"`
	Parse     *parseConfig     `yaml:"parse"`
	Redact    *redactConfig    `yaml:"redact"`
	Sample    *sampleConfig    `yaml:"sample"`
	RateLimit *rateLimitConfig `yaml:"rate_limit"`
	Aggregate *aggregateConfig `yaml:"aggregate"`
}

// texts is a string or a list of strings.
type texts []string

// UnmarshalYAML takes both forms.
func (t *texts) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*t = texts{n.Value}
		return nil
	}
	var list []string
	if err := n.Decode(&list); err != nil {
		return err
	}
	*t = list
	return nil
}

// Pipeline is one compiled configuration. It is safe for several goroutines.
type Pipeline struct {
	stages []*stage
	// secrets redacts after all stages; nil when that is off.
	secrets *redact.Redactor
	// labelSecrets are those of them that are looked for in the labels of metrics.
	labelSecrets *redact.Redactor
	// aggregate is the text of the stage that aggregates, by which an unchanged one is known; empty when there is none.
	aggregate string
	// The stages by what they work on, in order.
	resources, logs, spans, series []*stage
}

// Default returns the pipeline of an installation without a file: secrets are redacted, and nothing else is done.
func Default() *Pipeline {
	p := &Pipeline{}
	p.redactSecrets()
	return p
}

// redactSecrets turns the redaction of secrets on. In the labels of metrics only what is a secret by its form is one: there, secret
// and token are names of objects, and numbers are many.
func (p *Pipeline) redactSecrets() {
	p.secrets = redact.New(redact.Config{Kinds: redact.Secrets()})
	p.labelSecrets = redact.New(redact.Config{Kinds: []redact.Kind{redact.Token, redact.JWT, redact.Bearer, redact.PrivateKey, redact.URLAuth}})
}

// hint is where a person finds what a file may hold.
const hint = "docs/pipeline.md describes every key; `faultline pipeline check --config FILE` checks a file"

// Load reads and compiles a file. Errors: errs.Invalid, with file and line.
func Load(path string) (*Pipeline, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errs.WithHint(errs.Invalid, "name a file that this process may read, or leave the setting pipeline empty", "pipeline: %v", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	err = errors.Join(err, f.Close())
	if err != nil {
		return nil, errs.New(errs.Invalid, "pipeline: read %s: %w", path, err)
	}
	return Parse(path, data)
}

// Parse compiles a configuration; name is what errors call it.
func Parse(name string, data []byte) (*Pipeline, error) {
	if len(data) > maxFileBytes {
		return nil, errs.WithHint(errs.Invalid, hint, "%s: more than %d bytes", name, maxFileBytes)
	}
	var f file
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, errs.WithHint(errs.Invalid, hint, "%s", yamlError(name, err))
	}
	lines := stageLines(data)
	if len(f.Stages) > maxStages {
		return nil, errs.WithHint(errs.Invalid, hint, "%s: %d stages, at most %d", name, len(f.Stages), maxStages)
	}
	p := &Pipeline{}
	if f.RedactSecrets == nil || *f.RedactSecrets {
		p.redactSecrets()
	}
	seen := map[string]int{}
	for i := range f.Stages {
		c := &f.Stages[i]
		s, err := c.compile(&f)
		if err == nil && seen[s.name] > 0 {
			err = fmt.Errorf("there is a stage of this name in line %d", seen[s.name])
		}
		if err == nil && s.kind == kindAggregate && p.aggregate != "" {
			err = errors.New("there is a stage aggregate already; it takes a list of rules")
		}
		if err != nil {
			label := c.Name
			if label == "" {
				label = fmt.Sprint("number ", i+1)
			}
			return nil, errs.WithHint(errs.Invalid, hint, "%s:%d: stage %s: %v", name, lines[i], label, err)
		}
		if s.name == "" {
			s.name = fmt.Sprintf("%s_%d", s.kind, i+1)
		}
		seen[s.name] = lines[i]
		p.add(s)
	}
	return p, nil
}

// add appends a stage.
func (p *Pipeline) add(s *stage) {
	s.index = len(p.stages)
	p.stages = append(p.stages, s)
	if s.onResource() {
		p.resources = append(p.resources, s)
		if s.kind == kindRelabel {
			return
		}
	}
	if s.when.signals.logs {
		p.logs = append(p.logs, s)
	}
	if s.when.signals.spans {
		p.spans = append(p.spans, s)
	}
	if s.when.signals.metrics {
		p.series = append(p.series, s)
	}
	if s.kind == kindAggregate {
		p.aggregate = s.aggregate.text
	}
}

// stageLines returns the line of each stage. It is called for data that is valid.
func stageLines(data []byte) map[int]int {
	lines := map[int]int{}
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 {
		return lines
	}
	root := doc.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "stages" {
			for k, n := range root.Content[i+1].Content {
				lines[k] = n.Line
			}
		}
	}
	return lines
}

var (
	yamlLine = regexp.MustCompile(`line (\d+): `)
	goType   = regexp.MustCompile(` (not found in|into) (type )?[\w.\[\]*]+`)
)

// yamlError writes the library's error as file:line: what, one line each.
func yamlError(name string, err error) string {
	msgs := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var te *yaml.TypeError
	if errors.As(err, &te) {
		msgs = te.Errors
	}
	for i, m := range msgs {
		at := ""
		if l := yamlLine.FindStringSubmatch(m); l != nil {
			at, m = ":"+l[1], strings.Replace(m, l[0], "", 1)
		}
		m = goType.ReplaceAllString(m, " is not known here")
		msgs[i] = name + at + ": " + m
	}
	return strings.Join(msgs, "\n")
}

// compile turns what was written into a stage.
func (c *stageConfig) compile(f *file) (*stage, error) {
	s := &stage{name: c.Name}
	var err error
	if s.when, err = c.When.compile(); err != nil {
		return nil, fmt.Errorf("when: %w", err)
	}
	n := 0
	does := func(set bool, k kind, compile func() error) {
		if !set {
			return
		}
		n++
		s.kind = k
		if e := compile(); e != nil && err == nil {
			err = fmt.Errorf("%s: %w", k, e)
		}
	}
	does(c.Drop != nil, kindDrop, func() error {
		if !*c.Drop {
			return errors.New("must be true; leave the stage out for the contrary")
		}
		if c.When == nil {
			return errors.New("without a condition this would drop everything")
		}
		return nil
	})
	does(c.Relabel != nil, kindRelabel, func() error { return c.Relabel.compile(s) })
	does(c.Parse != nil, kindParse, func() error { return c.Parse.compile(s, f.GrokPatterns) })
	does(c.Redact != nil, kindRedact, func() error { return c.Redact.compile(s) })
	does(c.Sample != nil, kindSample, func() error { return c.Sample.compile(s) })
	does(c.RateLimit != nil, kindRateLimit, func() error { return c.RateLimit.compile(s) })
	does(c.Aggregate != nil, kindAggregate, func() error { return c.Aggregate.compile(s) })
	switch {
	case err != nil:
		return nil, err
	case n != 1:
		return nil, errors.New("must do exactly one of drop, relabel, parse, redact, sample, rate_limit and aggregate")
	}
	return s, s.checkSignals()
}
