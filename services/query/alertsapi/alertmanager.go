package alertsapi

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/alertmanager/alert"
	apiv2 "github.com/prometheus/alertmanager/api/v2"
	"github.com/prometheus/alertmanager/api/v2/models"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/client_golang/prometheus"
	promodel "github.com/prometheus/common/model"

	"github.com/faultline-io/faultline/services/internal/alerts/alertstate"
	"github.com/faultline-io/faultline/services/internal/alerts/amconfig"
	"github.com/faultline-io/faultline/services/internal/alerts/replica"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/query/problem"
)

// Prefix is a second place of Alertmanager's API, for those who give it a base address.
const Prefix = "/alertmanager"

// maxBody bounds what is posted: a silence, or the alerts of one sender.
const maxBody = 8 << 20

// alertmanager is Alertmanager's API over a replica.
type alertmanager struct {
	replica *replica.Replica
	log     *slog.Logger
	api     *apiv2.API

	// mu guards what a configuration makes.
	mu        sync.Mutex
	routes    *dispatch.Route
	intervals *timeinterval.Intervener
	inhibitor *inhibit.Inhibitor
	running   sync.WaitGroup
}

func newAlertmanager(rep *replica.Replica, log *slog.Logger) (*alertmanager, error) {
	m := &alertmanager{replica: rep, log: log}
	var err error
	m.api, err = apiv2.NewAPI(rep.Alerts, m.groups, m.muted, rep.Silences, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return nil, errs.New(errs.Internal, "make Alertmanager's API: %w", err)
	}
	// Before anybody ever led there is no configuration; the default one answers as an installation without receivers.
	first, _, err := amconfig.Load(amconfig.Settings{})
	if err != nil {
		return nil, err
	}
	m.routes, m.intervals = dispatch.NewRoute(first.Route, nil), timeinterval.NewIntervener(nil)
	m.api.Update(first, m.setStatus)
	return m, nil
}

// configure takes a configuration that the leader published.
func (m *alertmanager) configure(c alertstate.Config) {
	conf, err := amconfig.Parse(c.YAML)
	if err != nil {
		m.log.Warn("published configuration of alerting not read", slog.Any("error", err))
		return
	}
	inhibitor := inhibit.NewInhibitor(m.replica.Alerts, conf.InhibitRules, m.log, eventrecorder.NopRecorder())
	m.running.Go(inhibitor.Run)
	inhibitor.WaitForLoading()
	m.mu.Lock()
	old := m.inhibitor
	m.routes, m.intervals, m.inhibitor = dispatch.NewRoute(conf.Route, nil), timeinterval.NewIntervener(amconfig.Intervals(conf)), inhibitor
	m.mu.Unlock()
	m.api.Update(conf, m.setStatus)
	if old != nil {
		old.Stop()
	}
}

// stop ends what a configuration started.
func (m *alertmanager) stop() {
	m.mu.Lock()
	old := m.inhibitor
	m.inhibitor = nil
	m.mu.Unlock()
	if old != nil {
		old.Stop()
	}
	m.running.Wait()
}

func (m *alertmanager) parts() (*dispatch.Route, *timeinterval.Intervener, *inhibit.Inhibitor) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.routes, m.intervals, m.inhibitor
}

// setStatus marks an alert as inhibited and silenced, in the marker of the context.
func (m *alertmanager) setStatus(ctx context.Context, l promodel.LabelSet) {
	if _, _, inhibitor := m.parts(); inhibitor != nil {
		inhibitor.Mutes(ctx, l)
	}
	m.replica.Silencer.Mutes(ctx, l)
}

// groups makes the groups that the notifier has: the alerts by route and by the labels that the route groups by.
func (m *alertmanager) groups(ctx context.Context, routeFilter func(*dispatch.Route) bool, alertFilter func(*alert.Alert, time.Time) bool) (dispatch.AlertGroups, map[promodel.Fingerprint][]string, error) {
	routes, _, _ := m.parts()
	now := time.Now()
	by := map[string]*dispatch.AlertGroup{}
	receivers := map[promodel.Fingerprint][]string{}
	it := m.replica.Alerts.GetPending()
	defer it.Close()
	for msg := range it.Next() {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		a := msg.Data
		if !alertFilter(a, now) {
			continue
		}
		for _, r := range routes.Match(a.Labels) {
			if !routeFilter(r) {
				continue
			}
			l := groupLabels(a, r)
			key := r.ID() + "\x00" + l.String()
			g := by[key]
			if g == nil {
				g = &dispatch.AlertGroup{Labels: l, Receiver: r.RouteOpts.Receiver, GroupKey: r.Key() + ":" + l.String(), RouteID: r.ID(), AlertStatuses: map[promodel.Fingerprint]alert.AlertStatus{}}
				by[key] = g
			}
			g.Alerts = append(g.Alerts, a)
			receivers[a.Fingerprint()] = append(receivers[a.Fingerprint()], r.RouteOpts.Receiver)
		}
	}
	out := make(dispatch.AlertGroups, 0, len(by))
	for _, g := range by {
		slices.SortFunc(g.Alerts, func(x, y *alert.Alert) int { return strings.Compare(x.Labels.String(), y.Labels.String()) })
		out = append(out, g)
	}
	slices.SortFunc(out, func(x, y *dispatch.AlertGroup) int {
		return strings.Compare(x.GroupKey+x.Receiver, y.GroupKey+y.Receiver)
	})
	for _, r := range receivers {
		slices.Sort(r)
	}
	return out, receivers, nil
}

// groupLabels returns the labels that name the group of an alert.
func groupLabels(a *alert.Alert, r *dispatch.Route) promodel.LabelSet {
	out := promodel.LabelSet{}
	for n, v := range a.Labels {
		if _, ok := r.RouteOpts.GroupBy[n]; ok || r.RouteOpts.GroupByAll {
			out[n] = v
		}
	}
	return out
}

// muted names the time intervals that mute a route now.
func (m *alertmanager) muted(routeID, _ string) ([]string, bool) {
	routes, intervals, _ := m.parts()
	var route *dispatch.Route
	routes.Walk(func(r *dispatch.Route) {
		if r.ID() == routeID {
			route = r
		}
	})
	if route == nil {
		return nil, false
	}
	now := time.Now().UTC()
	if yes, names, err := intervals.Mutes(route.RouteOpts.MuteTimeIntervals, now); err == nil && yes {
		return names, true
	}
	if active := route.RouteOpts.ActiveTimeIntervals; len(active) > 0 {
		if yes, _, err := intervals.Mutes(active, now); err == nil && !yes {
			return active, true
		}
	}
	return nil, false
}

// registerAlertmanager serves Alertmanager's API at its own paths and below Prefix. They are listed one by one, since Tempo's second version
// lies below /api/v2 too. Where the gateway runs in the same process, alerts that are posted go to it.
func (a *API) registerAlertmanager(r gin.IRouter) {
	for _, prefix := range []string{"", Prefix} {
		h := func(c *gin.Context) { a.serveAlertmanager(c, prefix) }
		for _, path := range []string{"/status", "/receivers", "/alerts", "/alerts/groups", "/silences", "/silence/:id"} {
			r.GET(prefix+"/api/v2"+path, h)
		}
		r.POST(prefix+"/api/v2/alerts", h)
		r.POST(prefix+"/api/v2/silences", h)
		r.DELETE(prefix+"/api/v2/silence/:id", h)
	}
	// What load balancers and Grafana ask an Alertmanager.
	ok := func(c *gin.Context) { c.String(http.StatusOK, "OK") }
	r.GET(Prefix+"/-/healthy", ok)
	r.GET(Prefix+"/-/ready", func(c *gin.Context) {
		if a.served.Load() == nil {
			c.String(http.StatusServiceUnavailable, "the state of alerting is being read")
			return
		}
		ok(c)
	})
}

// serveAlertmanager answers one request. A change of silences is answered after the control state has it.
func (a *API) serveAlertmanager(c *gin.Context, prefix string) {
	s, err := a.state(c.Request.Context())
	if err != nil {
		problem.Write(c, err)
		return
	}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
	h := http.StripPrefix(prefix, s.am.api.Handler)
	if c.Request.Method == http.MethodGet && strings.HasSuffix(c.Request.URL.Path, "/api/v2/status") {
		held := newHeldResponse()
		h.ServeHTTP(held, c.Request)
		held.tellVersion()
		held.send(c.Writer)
		return
	}
	if c.Request.Method == http.MethodGet || !strings.Contains(c.Request.URL.Path, "/silence") {
		h.ServeHTTP(c.Writer, c.Request)
		return
	}
	held := newHeldResponse()
	h.ServeHTTP(held, c.Request)
	if held.status < http.StatusBadRequest {
		if err := s.replica.FlushSilences(c.Request.Context()); err != nil {
			problem.Write(c, &errs.Error{
				Kind: errs.Unavailable, Err: err, Msg: "the change is not safe yet and is written when the control state answers again",
				Hint: "look at the silences before you repeat it",
			})
			return
		}
	}
	held.send(c.Writer)
}

// heldResponse keeps an answer until it may be sent. Answers about silences are small.
type heldResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newHeldResponse() *heldResponse {
	return &heldResponse{header: http.Header{}, status: http.StatusOK}
}

// tellVersion puts the version of Alertmanager's code into a status. The code learns its own version when it is linked as a program.
func (h *heldResponse) tellVersion() {
	var status models.AlertmanagerStatus
	if h.status != http.StatusOK || status.UnmarshalBinary(h.body.Bytes()) != nil || status.VersionInfo == nil {
		return
	}
	version, goVersion := libraryVersion(), runtime.Version()
	status.VersionInfo.Version, status.VersionInfo.GoVersion = &version, &goVersion
	if b, err := status.MarshalBinary(); err == nil {
		h.body.Reset()
		h.body.Write(b)
	}
}

// libraryVersion is the version of Alertmanager's code, without the v.
func libraryVersion() string {
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, d := range b.Deps {
			if d.Path == "github.com/prometheus/alertmanager" {
				return strings.TrimPrefix(d.Version, "v")
			}
		}
	}
	return "unknown"
}

// Header implements http.ResponseWriter.
func (h *heldResponse) Header() http.Header { return h.header }

// WriteHeader implements http.ResponseWriter.
func (h *heldResponse) WriteHeader(status int) { h.status = status }

// Write implements http.ResponseWriter.
func (h *heldResponse) Write(b []byte) (int, error) { return h.body.Write(b) }

func (h *heldResponse) send(w http.ResponseWriter) {
	for k, v := range h.header {
		w.Header()[k] = v
	}
	w.WriteHeader(h.status)
	_, _ = w.Write(h.body.Bytes()) // The asker may be gone.
}

var _ http.ResponseWriter = (*heldResponse)(nil)
