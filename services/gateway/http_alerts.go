package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/faultline-io/faultline/services/gateway/alertin"
	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// signalAlerts is under what refused alerts are counted. Alerts are control state and no telemetry: they have no stream.
const signalAlerts model.Signal = "alerts"

// AlertSink keeps reports of alerts; alerts.Inbox is one.
type AlertSink interface {
	Put(ctx context.Context, tenant model.TenantID, reports ...*alerts.Record) error
}

// passwordVerifier is a KeyVerifier that knows people too: amtool has one credential for asking and for sending.
type passwordVerifier interface {
	VerifyPassword(remoteAddr, user, password string) error
}

// alertEndpoints take alerts. The paths of Alertmanager's API are shared: who asks there is answered by the query API.
func (g *Gateway) alertEndpoints() []*endpoint {
	if g.deps.Alerts == nil {
		return nil
	}
	ep := func(path, protocol string, shared bool, read func([]byte, time.Time) ([]*alerts.Record, error)) *endpoint {
		return &endpoint{
			path: path, signal: signalAlerts, shared: shared, encoding: contentEncoding, fail: failText,
			protocol: func(*http.Request) (string, error) { return protocol, nil },
			handle:   func(ctx context.Context, x *call) error { return g.takeAlerts(ctx, x, read) },
			answer:   func(x *call) { x.gin.Status(http.StatusOK); x.gin.Writer.WriteHeaderNow() },
		}
	}
	return []*endpoint{
		ep("/api/v2/alerts", "alertmanager_api", true, alertin.ReadAPI),
		ep("/alertmanager/api/v2/alerts", "alertmanager_api", true, alertin.ReadAPI),
		ep("/api/v1/alerts/in/alertmanager", "alertmanager_webhook", false, alertin.ReadAlertmanager),
		ep("/api/v1/alerts/in/grafana", "grafana_webhook", false, alertin.ReadGrafana),
	}
}

// takeAlerts keeps the alerts of a request. As Alertmanager does, it keeps those that are right and answers 400 when some are not.
func (g *Gateway) takeAlerts(ctx context.Context, x *call, read func([]byte, time.Time) ([]*alerts.Record, error)) error {
	valid, invalid := read(x.body, g.deps.Clock())
	if err := g.deps.Alerts.Put(ctx, x.req.Tenant, valid...); err != nil {
		return err
	}
	g.measures.set.GetOrCreateCounter(`faultline_gateway_alerts_total{protocol="` + x.req.Protocol + `"}`).Add(len(valid))
	return invalid
}

// tenantOfPerson lets a person's password stand for an ingest key where alerts are sent.
func (g *Gateway) tenantOfPerson(r *http.Request, notKey error) (model.TenantID, error) {
	v, ok := g.deps.Auth.(passwordVerifier)
	user, password, basic := r.BasicAuth()
	if !ok || !basic || errs.KindOf(notKey) != errs.Unauthenticated {
		return 0, notKey
	}
	if err := v.VerifyPassword(r.RemoteAddr, user, password); err != nil {
		return 0, err
	}
	return model.DefaultTenant, nil
}
