package correlatorrole

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"

	"github.com/faultline-io/faultline/services/cmd/internal/launch"
	"github.com/faultline-io/faultline/services/gateway"
	"github.com/faultline-io/faultline/services/gateway/promappend"
	"github.com/faultline-io/faultline/services/internal/alerts/amconfig"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/auth"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/promstore"
	"github.com/faultline-io/faultline/services/responder"
	"github.com/faultline-io/faultline/services/responder/rulefile"
)

// Bounds of the queries of rules. A query that reads more is an error of its rule and of nothing else.
const (
	maxSamples   = 20_000_000
	queryTimeout = 2 * time.Minute // Prometheus' default; the interval of a group is nearly always shorter.
	lookback     = 5 * time.Minute
	// maxSecretBytes bounds the file with the secret of webhooks.
	maxSecretBytes = 4096
)

// ruleOrigin is who what rules record comes from, in the ledger.
func ruleOrigin() model.Origin {
	return model.Origin{Tenant: model.DefaultTenant, Source: "rules", Protocol: "rules"}
}

// startResponder adds the responder. It reads through the query API's view of the tables and writes through the gateway's intake, which
// are handed to it by Prometheus' interfaces: it knows neither.
func startResponder(e *launch.Env) error {
	reader, err := clickhouse.Open(clickhouse.Options{DSN: e.Store.DSN(launch.RoleReader), Log: e.Log})
	if err != nil {
		return err
	}
	writer, err := clickhouse.Open(clickhouse.Options{DSN: e.Store.DSN(launch.RoleWriter), MaxConns: 2, Log: e.Log})
	if err != nil {
		return err
	}
	e.Add(app.StageBus, app.Closer("responder-store", reader.Close), app.Closer("responder-history", writer.Close))
	c := gateway.Default()
	c.Shards = e.Config.Shards
	intake, err := gateway.NewIntake(c, gateway.Deps{Publisher: e.Bus, Log: e.Log, Metrics: e.Metrics})
	if err != nil {
		return err
	}
	series := promstore.New(promstore.Default(), clickhouse.NewMetricReader(reader), e.Log, time.Now)
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: e.Log, MaxSamples: maxSamples, Timeout: queryTimeout, LookbackDelta: lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return e.Config.Alerting.RuleInterval.Milliseconds() },
		EnableAtModifier:         true, EnableNegativeOffset: true, Parser: rulefile.Parser(),
	})
	cfg, err := responderConfig(e)
	if err != nil {
		return err
	}
	r, err := responder.New(cfg, responder.Deps{
		Bus: e.Bus, Query: rules.EngineQueryFunc(engine, series), Queryable: series, Appendable: promappend.New(intake, ruleOrigin()),
		History: writer, Log: e.Log, Metrics: e.Metrics,
	})
	if err != nil {
		return err
	}
	e.Add(app.StageProcess, r, app.Func("responder-reload", func(ctx context.Context) error { return onHangup(ctx, r) }))
	e.Mount("POST /-/reload", reloadHandler(r, e.Auth))
	e.Mount("PUT /-/reload", reloadHandler(r, e.Auth))
	return nil
}

func responderConfig(e *launch.Env) (responder.Config, error) {
	a := e.Config.Alerting
	n := a.Notify
	c := responder.Config{
		Tenant: model.DefaultTenant, RuleFiles: a.RuleFiles, Interval: a.RuleInterval, ExternalURL: e.Config.ConsoleURL(),
		Routing: amconfig.Settings{
			File: a.File, WebhookURL: n.WebhookURL, EmailTo: n.EmailTo,
			SMTP: amconfig.SMTP{Addr: n.SMTPAddr, From: n.SMTPFrom, Username: n.SMTPUsername, PasswordFile: n.SMTPPasswordFile, RequireTLS: n.SMTPRequireTLS},
		},
	}
	if n.WebhookSecretFile == "" {
		return c, nil
	}
	b, err := os.ReadFile(n.WebhookSecretFile)
	if err != nil {
		return c, errs.New(errs.Invalid, "notify.webhook_secret_file: %w", err)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" || len(secret) > maxSecretBytes {
		return c, errs.New(errs.Invalid, "notify.webhook_secret_file: %s must have from 1 to %d characters", n.WebhookSecretFile, maxSecretBytes)
	}
	c.WebhookSecret = auth.NewSecret(secret)
	return c, nil
}

// onHangup reads rules and routing again at SIGHUP, as Prometheus and Alertmanager do.
func onHangup(ctx context.Context, r *responder.Responder) error {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGHUP)
	defer signal.Stop(ch)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ch:
			_ = r.Reload(ctx) // It has said in the log what was wrong.
		}
	}
}

// reloadHandler reads rules and routing again. From this machine no password is asked, as Prometheus asks none; a page of another site
// is refused, and a proxy of this machine may speak for anybody.
func reloadHandler(r *responder.Responder, secrets *auth.Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := mayReload(req, secrets); err != nil {
			w.Header().Set("WWW-Authenticate", `Basic realm="faultline"`)
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		if err := r.Reload(req.Context()); err != nil {
			http.Error(w, "not taken, what was in force stays: "+err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "read again")
	})
}

func mayReload(req *http.Request, secrets *auth.Store) error {
	if user, password, ok := req.BasicAuth(); ok {
		return secrets.VerifyPassword(req.RemoteAddr, user, password)
	}
	for _, h := range []string{"Origin", "Sec-Fetch-Site", "X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"} {
		if req.Header.Get(h) != "" {
			return errs.New(errs.Unauthenticated, "send the user admin and the password as basic authentication")
		}
	}
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return errs.New(errs.Unauthenticated, "send the user admin and the password as basic authentication")
	}
	return nil
}
