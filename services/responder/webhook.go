package responder

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	amwebhook "github.com/prometheus/alertmanager/notify/webhook"
	"github.com/prometheus/alertmanager/template"
	promodel "github.com/prometheus/common/model"

	"github.com/faultline-io/faultline/services/model"
)

// Headers of a webhook.
const (
	// HeaderSignature is "sha256=" and the HMAC-SHA256, in hexadecimal digits, of HeaderTimestamp, a dot and the body.
	HeaderSignature = "X-Faultline-Signature"
	// HeaderTimestamp is when the message was signed, in Unix seconds, so that an old one cannot be played again.
	HeaderTimestamp = "X-Faultline-Timestamp"
	// HeaderID is the same for each try of one message: a receiver that has seen it may ignore the message.
	HeaderID = "Idempotency-Key"
)

// defaultWebhookTimeout bounds one try where the configuration does not.
const defaultWebhookTimeout = 10 * time.Second

// maxFired bounds the label sets in the field of our own; alerts has all of them.
const maxFired = 1000

// webhookMessage is the body: Alertmanager's version 4, and a field of our own.
type webhookMessage struct {
	amwebhook.Message
	Faultline webhookExtra `json:"faultline"`
}

// webhookExtra is what Alertmanager's message does not say.
type webhookExtra struct {
	ID     string         `json:"id"`
	Event  string         `json:"event"` // firing or resolved.
	Tenant model.TenantID `json:"tenant"`
	SentAt time.Time      `json:"sent_at"`
	URL    string         `json:"url,omitempty"`
	// Fired are the label sets that fire or, when all is over, fired.
	Fired []promodel.LabelSet `json:"fired"`
}

// webhookDeps is what code passes to a webhook.
type webhookDeps struct {
	tenant  model.TenantID
	console string
	secret  Secret
	log     *slog.Logger
}

// webhook posts messages. It is safe for concurrent use.
type webhook struct {
	conf   *amwebhook.WebhookConfig
	tmpl   *template.Template
	client *http.Client
	retry  notify.Retrier
	deps   webhookDeps
}

func newWebhook(conf *amwebhook.WebhookConfig, tmpl *template.Template, deps webhookDeps) (*webhook, error) {
	client, err := notify.NewClientWithTracing(*conf.HTTPConfig, "webhook")
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return &webhook{conf: conf, tmpl: tmpl, client: client, deps: deps}, nil
}

// Notify implements notify.Notifier: it sends one message, and says whether a failure may be tried again.
func (w *webhook) Notify(ctx context.Context, as ...*alert.Alert) (bool, error) {
	body, id, data, err := w.message(ctx, as)
	if err != nil {
		return false, err
	}
	target, err := w.target(data)
	if err != nil {
		return false, err
	}
	limit := w.conf.Timeout
	if limit <= 0 {
		limit = defaultWebhookTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return false, notify.RedactURL(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Faultline")
	req.Header.Set(HeaderID, id)
	w.sign(req, body, time.Now())
	resp, err := w.client.Do(req)
	if err != nil {
		return true, notify.RedactURL(err)
	}
	defer notify.Drain(resp)
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout {
		return true, fmt.Errorf("webhook: status %d", resp.StatusCode)
	}
	again, err := w.retry.Check(resp.StatusCode, resp.Body)
	if err != nil {
		return again, notify.NewErrorWithReason(notify.GetFailureReasonFromStatusCode(resp.StatusCode), err)
	}
	return again, nil
}

// sign adds the signature when there is a secret.
func (w *webhook) sign(req *http.Request, body []byte, now time.Time) {
	if w.deps.secret == nil || w.deps.secret.Reveal() == "" {
		return
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set(HeaderTimestamp, stamp)
	req.Header.Set(HeaderSignature, Signature(w.deps.secret, stamp, body))
}

// Signature returns the value of HeaderSignature for a timestamp and a body.
func Signature(secret Secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write([]byte(timestamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// message makes the body and its id.
func (w *webhook) message(ctx context.Context, as []*alert.Alert) (body []byte, id string, data *template.Data, err error) {
	cut := uint64(0)
	if most := w.conf.MaxAlerts; most > 0 && uint64(len(as)) > most {
		cut, as = uint64(len(as))-most, as[:most]
	}
	data = notify.GetTemplateData(ctx, w.tmpl, as, w.deps.log)
	group, err := notify.ExtractGroupKey(ctx)
	if err != nil {
		return nil, "", nil, err
	}
	at, _ := notify.Now(ctx) // When the group was due: the same for every try.
	id = messageID(group.String(), at, as)
	msg := webhookMessage{
		Message: amwebhook.Message{Data: data, Version: "4", GroupKey: group.String(), TruncatedAlerts: cut},
		Faultline: webhookExtra{
			ID: id, Event: data.Status, Tenant: w.deps.tenant, SentAt: time.Now().UTC(), URL: w.deps.console, Fired: fired(data.Status, as),
		},
	}
	if w.conf.Payload != nil {
		body, err = w.payload(&msg)
		return body, id, data, err
	}
	body, err = json.Marshal(msg)
	return body, id, data, err
}

// messageID names a message by what it says and when it was due, so that every try of it has the same name.
func messageID(group string, at time.Time, as []*alert.Alert) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%d", group, at.UnixNano())
	for _, a := range as {
		fmt.Fprintf(h, "\x00%s %s %d", a.Fingerprint(), a.Status(), a.StartsAt.UnixNano())
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// fired returns the label sets that a message is about.
func fired(status string, as []*alert.Alert) []promodel.LabelSet {
	out := []promodel.LabelSet{}
	for _, a := range as {
		if string(a.Status()) == status && len(out) < maxFired {
			out = append(out, a.Labels)
		}
	}
	return out
}

// payload makes the body that the configuration describes.
func (w *webhook) payload(msg *webhookMessage) ([]byte, error) {
	var broken error
	expand := notify.TmplText(w.tmpl, msg.Data, &broken)
	made, err := template.DeepCopyWithTemplate(w.conf.Payload, func(text string) (string, error) { return expand(text), broken })
	if err != nil {
		return nil, fmt.Errorf("webhook: payload: %w", err)
	}
	return json.Marshal(made)
}

// target returns the address, which may be a template or in a file.
func (w *webhook) target(data *template.Data) (string, error) {
	raw := string(w.conf.URL)
	if raw == "" {
		b, err := os.ReadFile(w.conf.URLFile)
		if err != nil {
			return "", fmt.Errorf("webhook: url_file: %w", err)
		}
		raw = strings.TrimSpace(string(b))
	}
	var broken error
	out := notify.TmplText(w.tmpl, data, &broken)(raw)
	if broken != nil {
		return "", fmt.Errorf("webhook: url: %w", broken)
	}
	if out == "" {
		return "", errors.New("webhook: the url is empty")
	}
	return out, nil
}
