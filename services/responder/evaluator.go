package responder

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/strutil"

	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// Settings of the evaluation.
const (
	// maxQueries is how many rules are evaluated at once: a burst of groups must leave room for people's queries.
	maxQueries = 4
	// resendDelay is how often an alert that goes on is reported again; Prometheus' default.
	resendDelay = time.Minute
	// outageTolerance is how old the state of a rule may be to count after a restart; Prometheus' default.
	outageTolerance = time.Hour
)

// evaluator runs the rules of a term.
type evaluator struct {
	t       *term
	manager *rules.Manager
	slots   chan struct{}
	before  *before

	// mu guards published and before.seen.
	mu        sync.Mutex
	published map[string]bool // Keys of the groups in force.
}

func newEvaluator(ctx context.Context, t *term) (*evaluator, error) {
	e := &evaluator{t: t, slots: make(chan struct{}, maxQueries), published: map[string]bool{}}
	before, err := readBefore(ctx, t)
	if err != nil {
		return nil, err
	}
	e.before = before
	e.manager = rules.NewManager(&rules.ManagerOptions{
		ExternalURL: t.r.external, QueryFunc: e.query, NotifyFunc: e.notify, Context: ctx,
		Appendable: gated{e}, Queryable: before, Logger: t.r.deps.Log, Registerer: t.registry,
		OutageTolerance: outageTolerance,
		// A takeover takes seconds, so there is no grace: time that the condition held before counts as it is.
		ForGracePeriod: 0,
		ResendDelay:    resendDelay, Parser: t.r.parser,
	})
	return e, nil
}

// run evaluates until stop.
func (e *evaluator) run() { e.manager.Run() }

func (e *evaluator) stop() { e.manager.Stop() }

// apply puts files of rules into force. Groups that did not change go on undisturbed.
func (e *evaluator) apply(files []string) error {
	if err := e.manager.Update(e.t.r.cfg.Interval, files, labels.EmptyLabels(), e.t.r.cfg.ExternalURL, e.iterate); err != nil {
		return errs.New(errs.Invalid, "put rules into force: %w", err)
	}
	keys := map[string]bool{}
	for _, g := range e.manager.RuleGroups() {
		key := alertstate.GroupKey(g.File(), g.Name())
		keys[key] = true
		if !e.unseen(key) { // What the leader before published stays until there is more to say: we may die before that.
			e.publish(g)
		}
	}
	e.mu.Lock()
	e.published = keys
	e.mu.Unlock()
	return nil
}

// prune removes groups that are published and not in force any more.
func (e *evaluator) prune(ctx context.Context, kv bus.KV) error {
	keys, err := kv.Keys(ctx)
	if err != nil {
		return err
	}
	prefix := alerts.Prefix(e.t.r.cfg.Tenant)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, k := range keys {
		rest, ok := strings.CutPrefix(k, prefix)
		if ok && strings.HasPrefix(rest, alertstate.GroupKeyPrefix) && !e.published[rest] {
			if err := kv.Delete(ctx, k); err != nil {
				return err
			}
		}
	}
	return nil
}

type intervalKey struct{}

type rehearsalKey struct{}

// iterate evaluates a group once. It is called in the group's own goroutine.
func (e *evaluator) iterate(ctx context.Context, g *rules.Group, at time.Time) {
	if !e.t.lease.Held() {
		return // Somebody else may lead already.
	}
	ctx = context.WithValue(ctx, intervalKey{}, g.Interval())
	last := e.firstTime(g)
	moments := last.moments(g, at)
	first := needsRestoring(g)
	if first {
		// The first evaluation only finds the alerts, so that their state from before can be given to them; the second one of the same
		// moment is what counts. Prometheus waits an interval between the two, in which nothing can fire.
		g.Eval(context.WithValue(ctx, rehearsalKey{}, true), moments[0])
		if last.short {
			at = e.before.read // As of then the alerts are known, so that no time is taken for an outage.
		}
		g.RestoreForState(at)
	}
	for _, t := range moments {
		rules.DefaultEvalIterationFunc(ctx, g, t)
	}
	if first {
		e.endGone(ctx, g)
	}
	e.publish(g)
}

// endGone reports the end of alerts that fired when the leader before published last and do not fire now: the rules do not know of them
// any more, and without this they would only time out. Rules that keep firing for a while are left to that.
func (e *evaluator) endGone(ctx context.Context, g *rules.Group) {
	key := alertstate.GroupKey(g.File(), g.Name())
	active, judged, exprs := map[string]bool{}, map[string]bool{}, map[string]string{}
	for _, r := range g.AlertingRules() {
		known := r.Health() == rules.HealthGood && r.KeepFiringFor() == 0
		if was, twice := judged[r.Name()]; twice {
			known = known && was
		}
		judged[r.Name()], exprs[r.Name()] = known, r.Query().String()
		for _, a := range r.ActiveAlerts() {
			active[a.Labels.String()] = true
		}
	}
	now := time.Now()
	for name, known := range judged {
		var gone []*rules.Alert
		for _, a := range e.before.fired[ruleKey{key, name}] {
			if known && !active[a.labels.String()] {
				gone = append(gone, &rules.Alert{Labels: a.labels, Annotations: a.annotations, FiredAt: now, ResolvedAt: now})
			}
		}
		e.notify(ctx, exprs[name], gone...)
	}
}

// needsRestoring reports whether a group has alerting rules whose state from before was not looked for yet.
func needsRestoring(g *rules.Group) bool {
	for _, r := range g.AlertingRules() {
		if !r.Restored() {
			return true
		}
	}
	return false
}

// query evaluates one expression, for no longer than the interval of its group: one that takes longer can never keep up.
func (e *evaluator) query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	limit, ok := ctx.Value(intervalKey{}).(time.Duration)
	if !ok {
		limit = e.t.r.cfg.Interval
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, tooSlow(ctx, ctx.Err(), limit)
	}
	defer func() { <-e.slots }()
	v, err := e.t.r.deps.Query(ctx, expr, at)
	return v, tooSlow(ctx, err, limit)
}

// tooSlow names the limit when it was what ended a query.
func tooSlow(ctx context.Context, err error, limit time.Duration) error {
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	return errs.New(errs.Timeout, "the query did not end within the interval of its group (%s): %w", limit, err)
}

// notify hands what a rule says to the inbox. A report that is lost is repeated by the rule after resendDelay.
func (e *evaluator) notify(ctx context.Context, expr string, as ...*rules.Alert) {
	if len(as) == 0 || !e.t.lease.Held() {
		return
	}
	now := time.Now()
	link := strings.TrimSuffix(e.t.r.cfg.ExternalURL, "/") + strutil.TableLinkForExpression(expr)
	reports := make([]*alerts.Record, 0, len(as))
	for _, a := range as {
		r := &alerts.Record{Source: alerts.SourceRules}
		r.Labels, r.Annotations, r.GeneratorURL = labelSet(a.Labels), labelSet(a.Annotations), link
		r.StartsAt, r.EndsAt = a.FiredAt, a.ValidUntil
		if !a.ResolvedAt.IsZero() {
			r.EndsAt = a.ResolvedAt
		}
		reports = append(reports, r)
	}
	valid, err := alerts.NormalizeAll(reports, now, resendDelay)
	err = errors.Join(err, e.t.r.inbox.Put(ctx, e.t.r.cfg.Tenant, valid...))
	e.t.r.measures.reported(len(as), err)
	if err != nil && ctx.Err() == nil {
		e.t.r.deps.Log.WarnContext(ctx, "alerts of a rule not kept", slog.Any("error", err))
	}
}

// publish says how a group stands.
func (e *evaluator) publish(g *rules.Group) {
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	if err := e.t.publisher.PutGroup(ctx, describe(g)); err != nil {
		e.t.r.measures.publishFailed()
		e.t.r.deps.Log.DebugContext(ctx, "state of a group not published", slog.String("group", g.Name()), slog.Any("error", err))
	}
}

// describe returns a group as it is published.
func describe(g *rules.Group) *alertstate.Group {
	out := &alertstate.Group{
		Name: g.Name(), File: g.File(), Interval: g.Interval().Seconds(), Limit: g.Limit(), EvaluationTime: g.GetEvaluationTime().Seconds(),
		LastEvaluation: g.GetLastEvaluation(), Rules: []alertstate.Rule{},
	}
	for _, r := range g.Rules() {
		d := alertstate.Rule{
			Name: r.Name(), Query: r.Query().String(), Labels: r.Labels().Map(), Health: string(r.Health()), LastError: text(r.LastError()),
			EvaluationTime: r.GetEvaluationDuration().Seconds(), LastEvaluation: r.GetEvaluationTimestamp(), Type: alertstate.TypeRecording,
		}
		if a, ok := r.(*rules.AlertingRule); ok {
			hold, keep := a.HoldDuration().Seconds(), a.KeepFiringFor().Seconds()
			d.Type, d.State, d.Duration, d.KeepFiringFor = alertstate.TypeAlerting, a.State().String(), &hold, &keep
			d.Annotations = a.Annotations().Map()
			for _, x := range a.ActiveAlerts() {
				d.Alerts = append(d.Alerts, describeAlert(x))
			}
		}
		out.Rules = append(out.Rules, d)
	}
	return out
}

func describeAlert(a *rules.Alert) alertstate.Alert {
	active := a.ActiveAt
	d := alertstate.Alert{
		Labels: a.Labels.Map(), Annotations: a.Annotations.Map(), State: a.State.String(), ActiveAt: &active,
		Value: strconv.FormatFloat(a.Value, 'e', -1, 64),
	}
	if since := a.KeepFiringSince; !since.IsZero() {
		d.KeepFiringSince = &since
	}
	return d
}

// gated is the way for what rules record: shut while this process may not be the only leader, and for rehearsals.
type gated struct{ e *evaluator }

// Appender implements storage.Appendable.
func (g gated) Appender(ctx context.Context) storage.Appender {
	a := g.e.t.r.deps.Appendable.Appender(ctx)
	if ctx.Value(rehearsalKey{}) != nil || !g.e.t.lease.Held() {
		return discard{a}
	}
	return a
}

// discard is an appender whose transaction is always taken back.
type discard struct{ storage.Appender }

// Commit takes the transaction back.
func (d discard) Commit() error { return d.Rollback() }
