package responder

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"

	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
	"github.com/faultline-io/faultline/services/internal/alerts/amconfig"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Settings of the notifier.
const (
	// maxGroups bounds the groups of alerts, each of which has a timer and, while its receiver is away, one notification under way.
	maxGroups = 10_000
	// maintenance is how often empty groups are forgotten; Alertmanager's default.
	maintenance = 30 * time.Second
)

// notifier groups alerts and tells receivers: Alertmanager's dispatcher and pipeline over the replica. A receiver that is away is tried
// again with growing pauses for the interval of the group, then at each interval; groups do not wait for each other, and what is due
// to a receiver is one message a group however long it was away.
type notifier struct {
	t       *term
	builder *notify.PipelineBuilder
	metrics *dispatch.DispatcherMetrics
	tallies *tallies

	// What a configuration makes, replaced as a whole. Only the term's goroutine touches it.
	running    sync.WaitGroup
	dispatcher *dispatch.Dispatcher
	inhibitor  *inhibit.Inhibitor
	inForce    *config.Config
}

func newNotifier(t *term) (*notifier, error) {
	n := &notifier{
		t: t, builder: notify.NewPipelineBuilder(t.registry, featurecontrol.NoopFlags{}, eventrecorder.NopRecorder()),
		metrics: dispatch.NewDispatcherMetrics(true, t.registry, featurecontrol.NoopFlags{}),
		tallies: newTallies(t.r.measures),
	}
	return n, nil
}

// apply puts a configuration into force. What was notified is remembered by receiver and group, so nothing is told twice.
func (n *notifier) apply(c *config.Config) error {
	if c == n.inForce {
		return nil
	}
	tmpl, receivers, err := n.t.r.build(c, n.tallies)
	if err != nil {
		return err
	}
	n.stop()
	routes := dispatch.NewRoute(c.Route, nil)
	groups := marker.NewGroupMarker()
	n.inhibitor = inhibit.NewInhibitor(n.t.replica.Alerts, c.InhibitRules, n.t.r.deps.Log, eventrecorder.NopRecorder())
	pipeline := n.builder.New(receivers, func() time.Duration { return 0 }, n.inhibitor, n.t.replica.Silencer, timeinterval.NewIntervener(amconfig.Intervals(c)), groups, n.t.replica.NotifyLog, nil)
	n.dispatcher = dispatch.NewDispatcher(n.t.replica.Alerts, routes, leaderOnly{n.t, pipeline}, groups, timeout, maintenance, groupLimit{},
		n.t.r.deps.Log, eventrecorder.NopRecorder(), n.metrics, tmpl)
	n.running.Go(n.inhibitor.Run)
	// First all that inhibits must be known, or what is inhibited would be told.
	n.inhibitor.WaitForLoading()
	d := n.dispatcher
	n.running.Go(func() { d.Run(time.Now()) })
	d.WaitForLoading()
	n.inForce = c
	return nil
}

// stop ends what is under way and waits for it.
func (n *notifier) stop() {
	if n.dispatcher == nil {
		return
	}
	n.dispatcher.Stop()
	n.inhibitor.Stop()
	n.running.Wait()
	n.dispatcher, n.inhibitor, n.inForce = nil, nil, nil
}

// integrations says how each way out fares.
func (n *notifier) integrations() []alertstate.Integration { return n.tallies.list() }

// timeout is how long the notification of a group may take, at least as long as one try needs.
func timeout(d time.Duration) time.Duration { return max(d, notify.MinTimeout) }

// groupLimit bounds the dispatcher.
type groupLimit struct{}

// MaxNumberOfAggregationGroups implements dispatch.Limits.
func (groupLimit) MaxNumberOfAggregationGroups() int { return maxGroups }

// leaderOnly is a stage that does nothing while this process may not be the only leader. The group is tried again at its next interval.
type leaderOnly struct {
	t    *term
	next notify.Stage
}

// Exec implements notify.Stage.
func (s leaderOnly) Exec(ctx context.Context, l *slog.Logger, as ...*alert.Alert) (context.Context, []*alert.Alert, error) {
	if !s.t.lease.Held() {
		return ctx, nil, errs.New(errs.Unavailable, "this process does not lead now")
	}
	return s.next.Exec(ctx, l, as...)
}

// checkReceivers makes everything that a configuration asks for, to find mistakes before it is in force.
func (r *Responder) checkReceivers(c *config.Config) error {
	_, _, err := r.build(c, newTallies(nil))
	return err
}

// build makes templates and receivers.
func (r *Responder) build(c *config.Config, counts *tallies) (*template.Template, map[string][]notify.Integration, error) {
	tmpl, err := template.FromGlobs(c.Templates)
	if err != nil {
		return nil, nil, errs.New(errs.Invalid, "alerting configuration: templates: %w", err)
	}
	tmpl.ExternalURL = r.external
	out := make(map[string][]notify.Integration, len(c.Receivers))
	for _, rc := range c.Receivers {
		if out[rc.Name], err = r.receiver(rc, tmpl, counts); err != nil {
			return nil, nil, errs.New(errs.Invalid, "alerting configuration: receiver %q: %w", rc.Name, err)
		}
	}
	return tmpl, out, nil
}
