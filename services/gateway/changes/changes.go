// Package changes turns what deployment tools and people say about changes into batches of changes: our own JSON, CloudEvents, the
// webhooks of GitHub, GitLab, Argo CD and Flux, and Grafana's annotations. It checks the signatures of webhooks. It asks no tool back,
// and what a webhook tells besides changes is ignored. Changes are few, so bodies are read with encoding/json.
package changes

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// maxChanges bounds one request.
const maxChanges = 10_000

// Receiver handles messages about changes. It is safe for several goroutines.
type Receiver struct {
	core *intake.Core
}

// New returns a receiver.
func New(core *intake.Core) *Receiver { return &Receiver{core: core} }

// Message is one request about changes.
type Message struct {
	Body []byte
	// Header and Query return a value of the request, or "".
	Header func(name string) string
	Query  func(name string) string
}

// publish fills in what the sender's address says (?service=…), names what has no name, and publishes. It returns the ids of what was taken.
func (r *Receiver) publish(ctx context.Context, req *intake.Request, m *Message, cs []model.Change) ([]string, error) {
	if len(cs) > maxChanges {
		return nil, errs.New(errs.Invalid, "%d changes at once, more than %d", len(cs), maxChanges)
	}
	b := r.core.Changes(req)
	ids := make([]string, 0, len(cs))
	for i := range cs {
		c := &cs[i]
		for _, f := range []struct {
			name string
			dst  *string
		}{{"service", &c.Service}, {"host", &c.Host}, {"environment", &c.Environment}, {"kind", &c.Kind}} {
			if v := m.Query(f.name); v != "" {
				*f.dst = v
			}
		}
		if c.TimeNS == 0 {
			c.TimeNS = req.ReceivedAt.UnixNano()
		}
		if c.ID == "" {
			c.ID = nameOf(c)
		}
		c.Kind = word(c.Kind)
		if !b.Add(*c) {
			continue
		}
		ids = append(ids, c.ID)
		if err := b.Split(ctx); err != nil {
			return nil, err
		}
	}
	return ids, b.Flush(ctx)
}

// nameOf gives a change without an id one that follows from what it says: sent again with its time, it is the same change.
func nameOf(c *model.Change) string {
	var b []byte
	for _, s := range []string{strconv.FormatInt(c.TimeNS, 10), c.Kind, c.Title, c.Service, c.Host, c.Environment, c.Version, c.Source} {
		b = model.AppendIdentity(b, "", s)
	}
	return c.Source + ":" + strconv.FormatUint(model.Hash64(string(b)), 16)
}

// word makes a kind of what a sender calls it: lower case, with _ for what is neither a letter nor a digit; "" is event.
func word(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "" {
		return "event"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, s)
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return errs.WithHint(errs.Invalid, "docs/receivers/changes.md shows what is taken", "read change: %v", err)
	}
	return nil
}

// attributes gathers what is not empty.
func attributes(pairs ...string) []model.Label {
	var out []model.Label
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, model.Label{Name: pairs[i], Value: pairs[i+1]})
		}
	}
	return out
}

// applyTags sets what tags of the form key:value say of the entity, where nothing else did, and keeps all tags as one attribute.
func applyTags(c *model.Change, tags []string) {
	for _, t := range tags {
		k, v, ok := strings.Cut(t, ":")
		if !ok || v == "" {
			continue
		}
		for _, f := range []struct {
			names string
			dst   *string
		}{{"service", &c.Service}, {"host", &c.Host}, {"env environment", &c.Environment}, {"version", &c.Version}} {
			if *f.dst == "" && strings.Contains(" "+f.names+" ", " "+k+" ") {
				*f.dst = v
			}
		}
	}
	if len(tags) > 0 {
		c.Attributes = append(c.Attributes, model.Label{Name: "tags", Value: strings.Join(tags, ",")})
	}
}

// firstLine is what a text is called by.
func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(s)
}

// first returns the first of words that is not empty.
func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}
