package brain

import (
	"maps"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// maxNames bounds the hosts whose names are known.
const maxNames = 100_000

// names knows what people call a host whose identity is a number: identity must not depend on a name, and sentences must not be full of numbers.
type names map[string]string

// learn takes the name of a host from the labels of something that speaks of it.
func (n names) learn(labels []model.Label) {
	id := model.ResolveHost(labels)
	if name := model.HostDisplayName(labels); id != "" && name != id && name != "" && (len(n) < maxNames || n[id] != "") {
		n[id] = name
	}
}

// replacer replaces the identities of the given hosts; nil when there is nothing to replace.
func (n names) replacer(entities []model.Entity) *strings.Replacer {
	known := map[string]string{}
	for _, e := range entities {
		if name := n[e.Name]; e.Kind == model.KindHost && name != "" {
			known[e.Name] = name
		}
	}
	if len(known) == 0 {
		return nil
	}
	var pairs []string
	for _, id := range slices.Sorted(maps.Keys(known)) {
		pairs = append(pairs, id, known[id])
	}
	return strings.NewReplacer(pairs...)
}

// finding writes the text of a finding for people.
func (n names) finding(f *model.Finding) {
	if r := n.replacer([]model.Entity{f.Entity}); r != nil {
		f.Text = r.Replace(f.Text)
	}
}

// incident writes the sentences of an incident for people. It is a copy of the grouper's; what it shares with it is copied before it is changed.
func (n names) incident(in *model.Incident) {
	entities := slices.Clone(in.Entities)
	for i := range in.Verdict.Candidates {
		entities = append(entities, in.Verdict.Candidates[i].Entity)
	}
	for _, es := range [][]model.Evidence{in.Verdict.FirstFailure, in.Verdict.Impact} {
		for i := range es {
			entities = append(entities, es[i].Entity)
		}
	}
	r := n.replacer(entities)
	if r == nil {
		return
	}
	in.Title = r.Replace(in.Title)
	in.Members, in.History = slices.Clone(in.Members), slices.Clone(in.History)
	for i := range in.Members {
		in.Members[i].Reason = r.Replace(in.Members[i].Reason)
	}
	for i := range in.History {
		in.History[i].Text = r.Replace(in.History[i].Text)
	}
	v := &in.Verdict
	v.Sentence = r.Replace(v.Sentence)
	v.Checked = slices.Clone(v.Checked)
	for i := range v.Checked {
		v.Checked[i] = r.Replace(v.Checked[i])
	}
	v.FirstFailure, v.Impact = evidence(r, v.FirstFailure), evidence(r, v.Impact)
	v.Candidates = slices.Clone(v.Candidates)
	for i := range v.Candidates {
		c := &v.Candidates[i]
		c.Why, c.For, c.Against = r.Replace(c.Why), evidence(r, c.For), evidence(r, c.Against)
	}
}

func evidence(r *strings.Replacer, es []model.Evidence) []model.Evidence {
	es = slices.Clone(es)
	for i := range es {
		es[i].Text = r.Replace(es[i].Text)
	}
	return es
}
