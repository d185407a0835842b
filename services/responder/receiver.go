package responder

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"

	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
)

// receiver makes the ways out of a receiver: Alertmanager's own for every kind that it knows, and ours for webhooks.
func (r *Responder) receiver(c config.Receiver, tmpl *template.Template, counts *tallies) ([]notify.Integration, error) {
	var out []notify.Integration
	for i, w := range c.WebhookConfigs {
		n, err := newWebhook(w, tmpl, webhookDeps{tenant: r.cfg.Tenant, console: r.cfg.ExternalURL, secret: r.cfg.WebhookSecret, log: r.deps.Log})
		if err != nil {
			return nil, err
		}
		out = append(out, notify.NewIntegration(counts.counted(c.Name, "webhook", n), w, "webhook", i, c.Name))
	}
	c.WebhookConfigs = nil
	rest, err := receiver.BuildReceiverIntegrations(c, tmpl, r.deps.Log)
	if err != nil {
		return nil, err
	}
	for i := range rest {
		in := &rest[i]
		out = append(out, notify.NewIntegration(counts.counted(c.Name, in.Name(), in), in, in.Name(), in.Index(), c.Name))
	}
	return out, nil
}

// maxErrorText bounds an error's text where it is shown: some servers answer with pages.
const maxErrorText = 300

// tallies count what goes out, by receiver and kind.
type tallies struct {
	measures *measures

	// mu guards by.
	mu sync.Mutex
	by map[[2]string]*alertstate.Integration
}

func newTallies(m *measures) *tallies {
	return &tallies{measures: m, by: map[[2]string]*alertstate.Integration{}}
}

// counted wraps a notifier.
func (t *tallies) counted(receiver, kind string, n notify.Notifier) notify.Notifier {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := [2]string{receiver, kind}
	if t.by[key] == nil {
		t.by[key] = &alertstate.Integration{Receiver: receiver, Kind: kind}
	}
	return &countedNotifier{tallies: t, key: key, next: n}
}

// list returns the counts by receiver and kind.
func (t *tallies) list() []alertstate.Integration {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]alertstate.Integration, 0, len(t.by))
	for _, i := range t.by {
		out = append(out, *i)
	}
	slices.SortFunc(out, func(a, b alertstate.Integration) int {
		return strings.Compare(a.Receiver+"\x00"+a.Kind, b.Receiver+"\x00"+b.Kind)
	})
	return out
}

func (t *tallies) done(key [2]string, err error) {
	now := time.Now().UTC()
	t.mu.Lock()
	i := t.by[key]
	if err == nil {
		i.Sent++
		i.LastSentAt = &now
		i.LastError = ""
	} else {
		i.Failures++
		i.LastFailedAt = &now
		i.LastError = err.Error()
		if len(i.LastError) > maxErrorText {
			i.LastError = strings.ToValidUTF8(i.LastError[:maxErrorText], "") + "…"
		}
	}
	t.mu.Unlock()
	if t.measures != nil {
		t.measures.notified(key[1], err)
	}
}

type countedNotifier struct {
	tallies *tallies
	key     [2]string
	next    notify.Notifier
}

// Notify implements notify.Notifier.
func (n *countedNotifier) Notify(ctx context.Context, as ...*alert.Alert) (bool, error) {
	retry, err := n.next.Notify(ctx, as...)
	if err == nil || ctx.Err() == nil { // What was cut off by a stop is no failure of the receiver.
		n.tallies.done(n.key, err)
	}
	return retry, err
}
