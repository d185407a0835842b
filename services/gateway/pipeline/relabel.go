package pipeline

import (
	"errors"
	"fmt"
	"slices"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/prompb"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/promrelabel"
	"gopkg.in/yaml.v3"

	"github.com/faultline-io/faultline/services/model"
)

var errExpression = errors.New("an expression must have from 1 to 4096 bytes")

// What relabelling works on.
const (
	targetLabels     = "labels"
	targetResource   = "resource"
	targetAttributes = "attributes"
)

// relabelConfig is a stage that relabels, as it is written. The rules are those of Prometheus with VictoriaMetrics' additions.
type relabelConfig struct {
	Target string    `yaml:"target"`
	Rules  yaml.Node `yaml:"rules"`
}

// relabeler applies rules one by one, so that a rule that drops is told from one that removes the last label.
type relabeler struct {
	target string
	rules  []rule
}

type rule struct {
	pc    *promrelabel.ParsedConfigs
	drops bool
}

func (c *relabelConfig) compile(s *stage) error {
	r := &relabeler{target: c.Target}
	switch c.Target {
	case "":
		r.target = targetLabels
	case targetLabels, targetResource, targetAttributes:
	default:
		return fmt.Errorf("target %q is none of labels (of metrics), resource and attributes (of logs and spans)", c.Target)
	}
	if c.Rules.Kind != yaml.SequenceNode || len(c.Rules.Content) == 0 {
		return errors.New("rules must be a list as relabel_configs of Prometheus")
	}
	for i, n := range c.Rules.Content {
		text, err := yaml.Marshal([]*yaml.Node{n})
		if err != nil {
			return err
		}
		pc, err := promrelabel.ParseRelabelConfigsData(text)
		if err != nil {
			return fmt.Errorf("rule %d (line %d): %w", i+1, n.Line, err)
		}
		r.rules = append(r.rules, rule{pc: pc, drops: dropsItems(n)})
	}
	s.relabel = r
	return nil
}

// dropsItems reports whether a rule decides over the whole item. Those that remove single labels may leave none without dropping it.
func dropsItems(n *yaml.Node) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "action" {
			return !slices.Contains([]string{"labeldrop", "labelkeep", "replace", "lowercase", "uppercase", "hashmod", "labelmap", "replace_all", "labelmap_all", "graphite"}, n.Content[i+1].Value)
		}
	}
	return false
}

// apply returns the labels as the rules make them, and whether the item is kept. buf is used for the work.
func (r *relabeler) apply(buf []prompb.Label, in []model.Label) ([]prompb.Label, bool) {
	buf = buf[:0]
	for i := range in {
		buf = append(buf, prompb.Label{Name: in[i].Name, Value: in[i].Value})
	}
	for i := range r.rules {
		if r.rules[i].drops {
			// With one label that no rule speaks of, an empty result means that the item goes.
			buf = append(buf, prompb.Label{Name: sentinel, Value: "1"})
			if buf = r.rules[i].pc.Apply(buf, 0); len(buf) == 0 {
				return buf, false
			}
			buf = slices.DeleteFunc(buf, func(l prompb.Label) bool { return l.Name == sentinel })
			continue
		}
		buf = r.rules[i].pc.Apply(buf, 0)
	}
	return buf, true
}

// sentinel is a label's name that nobody has.
const sentinel = "\x00item"

// same reports whether relabelling changed nothing.
func same(a []prompb.Label, b []model.Label) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Value != b[i].Value {
			return false
		}
	}
	return true
}
