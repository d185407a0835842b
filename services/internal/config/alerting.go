package config

import (
	"net"
	"net/url"
	"time"
)

// Alerting is the evaluation of rules and who is told.
type Alerting struct {
	RuleFiles    []string
	RuleInterval time.Duration
	File         string // Alertmanager's configuration; with it the Notify settings for routing are not used.
	ExternalURL  string // Empty is the address of the listener.
	Notify       Notify
}

// Notify makes a routing of one receiver where there is no file.
type Notify struct {
	WebhookURL        string
	WebhookSecretFile string
	EmailTo           []string
	SMTPAddr          string
	SMTPFrom          string
	SMTPUsername      string
	SMTPPasswordFile  string
	SMTPRequireTLS    bool
}

func defaultAlerting() Alerting {
	return Alerting{RuleInterval: time.Minute, Notify: Notify{SMTPRequireTLS: true}}
}

// alertingOptions are rules, routing and receivers.
func (c *Config) alertingOptions() []Option {
	a := &c.Alerting
	n := &a.Notify
	return []Option{
		{"rules.files", "files with alerting and recording rules in Prometheus' format, as patterns separated by commas: /etc/faultline/rules/*.yml", list(&a.RuleFiles)},
		{"rules.interval", "time between evaluations of a group of rules that names none", duration(&a.RuleInterval)},
		{"alerting.config", "Alertmanager configuration file with routes, receivers and inhibitions; empty is one receiver made of the notify settings", str(&a.File)},
		{"alerting.external_url", "URL of the console for links in messages; empty is the address of the listener", str(&a.ExternalURL)},
		{"notify.webhook_url", "URL that gets every notification as JSON", str(&n.WebhookURL)},
		{"notify.webhook_secret_file", "file with the secret that signs what webhooks are sent", str(&n.WebhookSecretFile)},
		{"notify.email_to", "addresses that get every notification, separated by commas", list(&n.EmailTo)},
		{"notify.smtp_addr", "host:port of the mail server", str(&n.SMTPAddr)},
		{"notify.smtp_from", "address that mail comes from", str(&n.SMTPFrom)},
		{"notify.smtp_username", "user name at the mail server; empty is no sign-in", str(&n.SMTPUsername)},
		{"notify.smtp_password_file", "file with the password at the mail server", str(&n.SMTPPasswordFile)},
		{"notify.smtp_require_tls", "refuse mail servers without TLS", boolean(&n.SMTPRequireTLS)},
	}
}

// alerting checks rules, routing and receivers.
func (v *validator) alerting(c *Config) {
	a := &c.Alerting
	v.check(a.RuleInterval >= time.Second, "rules.interval", "must be at least 1s, not %s", a.RuleInterval)
	if a.ExternalURL != "" {
		v.endpoint("alerting.external_url", a.ExternalURL)
	}
	if a.Notify.WebhookURL != "" {
		u, err := url.Parse(a.Notify.WebhookURL)
		// It may hold a token anywhere, so it is not repeated.
		v.check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), "notify.webhook_url", "must be http://host/path or https://host/path")
	}
	if a.Notify.SMTPAddr != "" {
		v.address("notify.smtp_addr", a.Notify.SMTPAddr)
	}
	v.check(len(a.Notify.EmailTo) == 0 || (a.Notify.SMTPAddr != "" && a.Notify.SMTPFrom != ""), "notify.email_to", "needs notify.smtp_addr and notify.smtp_from")
}

// ConsoleURL returns the address for links in messages.
func (c *Config) ConsoleURL() string {
	if c.Alerting.ExternalURL != "" {
		return c.Alerting.ExternalURL
	}
	host, port, err := net.SplitHostPort(c.HTTPAddr)
	if err != nil {
		return c.Scheme() + "://" + c.HTTPAddr
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "localhost"
	}
	return c.Scheme() + "://" + net.JoinHostPort(host, port)
}
