// Package amconfig reads the configuration of routing and receivers: Alertmanager's file, or the one that a few settings make. It opens no
// connection. Secrets are in the values that it returns and in none of its texts.
package amconfig

import (
	"net/url"
	"os"
	"strings"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/timeinterval"
	"gopkg.in/yaml.v3"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Settings are the settings that make a configuration where there is no file.
type Settings struct {
	// File is an Alertmanager configuration; with it the others are not used.
	File       string
	WebhookURL string
	EmailTo    []string
	SMTP       SMTP
}

// SMTP is the server for e-mail.
type SMTP struct {
	Addr         string // host:port.
	From         string
	Username     string
	PasswordFile string
	RequireTLS   bool
}

// maxFileBytes bounds a configuration file; thousands of routes fit.
const maxFileBytes = 4 << 20

// FromSettings is the Source of a configuration that no file made.
const FromSettings = "settings"

// Load reads the file, or makes the configuration of the settings. source names which. Errors: errs.Invalid, with the line of the file.
func Load(s Settings) (c *config.Config, source string, err error) {
	if s.File == "" {
		c, err = fromSettings(s)
		return c, FromSettings, err
	}
	info, err := os.Stat(s.File)
	if err != nil {
		return nil, s.File, errs.WithHint(errs.Invalid, "alerting.config names a file with Alertmanager's configuration", "alerting configuration: %v", err)
	}
	if info.Size() > maxFileBytes {
		return nil, s.File, errs.New(errs.Invalid, "alerting configuration %s has %d bytes, more than %d", s.File, info.Size(), maxFileBytes)
	}
	c, err = config.LoadFile(s.File)
	if err != nil {
		return nil, s.File, errs.WithHint(errs.Invalid, "`amtool check-config "+s.File+"` checks it too", "alerting configuration %s: %v", s.File, err)
	}
	return c, s.File, nil
}

// Parse reads a configuration that was published without its secrets. It can route and cannot notify.
func Parse(text string) (*config.Config, error) {
	c, err := config.Load(text)
	if err != nil {
		return nil, errs.New(errs.Invalid, "published alerting configuration: %w", err)
	}
	return c, nil
}

// The default routing: what has one name is one message; a message goes out ten seconds after the first alert of its group, changes of
// the group after a minute, and what goes on is said again every four hours.
const (
	groupWait      = "10s"
	groupInterval  = "1m"
	repeatInterval = "4h"
)

// fromSettings makes the default configuration. It is written as YAML and read by Alertmanager's own reader, so that all defaults and
// checks are the same as for a file.
func fromSettings(s Settings) (*config.Config, error) {
	receiver := map[string]any{"name": "default"}
	global := map[string]any{}
	if s.WebhookURL != "" {
		if u, err := url.Parse(s.WebhookURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, errs.New(errs.Invalid, "notify.webhook_url must be http://host/path or https://host/path") // It may hold a token, so it is not repeated.
		}
		receiver["webhook_configs"] = []any{map[string]any{"url": s.WebhookURL, "send_resolved": true, "timeout": "10s"}}
	}
	if len(s.EmailTo) > 0 {
		if s.SMTP.Addr == "" || s.SMTP.From == "" {
			return nil, errs.WithHint(errs.Invalid, "set notify.smtp_addr to host:port of a mail server and notify.smtp_from to the address that mail comes from",
				"notify.email_to needs notify.smtp_addr and notify.smtp_from")
		}
		global["smtp_smarthost"], global["smtp_from"], global["smtp_require_tls"] = s.SMTP.Addr, s.SMTP.From, s.SMTP.RequireTLS
		if s.SMTP.Username != "" {
			global["smtp_auth_username"] = s.SMTP.Username
		}
		if s.SMTP.PasswordFile != "" {
			global["smtp_auth_password_file"] = s.SMTP.PasswordFile
		}
		receiver["email_configs"] = []any{map[string]any{"to": strings.Join(s.EmailTo, ", "), "send_resolved": true}}
	}
	doc := map[string]any{
		"global": global,
		"route": map[string]any{
			"receiver": "default", "group_by": []string{"alertname"}, "group_wait": groupWait, "group_interval": groupInterval, "repeat_interval": repeatInterval,
		},
		"receivers": []any{receiver},
	}
	if len(global) == 0 {
		delete(doc, "global")
	}
	text, err := yaml.Marshal(doc)
	if err != nil {
		return nil, errs.New(errs.Internal, "write the default alerting configuration: %w", err)
	}
	c, err := config.Load(string(text))
	if err != nil {
		return nil, errs.New(errs.Invalid, "alerting settings (notify.…): %w", err)
	}
	return c, nil
}

// Intervals returns the named intervals of time of a configuration, those of both of its lists.
func Intervals(c *config.Config) map[string][]timeinterval.TimeInterval {
	out := make(map[string][]timeinterval.TimeInterval, len(c.MuteTimeIntervals)+len(c.TimeIntervals))
	for _, i := range c.MuteTimeIntervals {
		out[i.Name] = i.TimeIntervals
	}
	for _, i := range c.TimeIntervals {
		out[i.Name] = i.TimeIntervals
	}
	return out
}
