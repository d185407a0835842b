package group

import (
	"cmp"
	"slices"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// Alert is one alert of a rule, ours or somebody else's, as Alertmanager and its kin tell of it.
type Alert struct {
	Name   string
	Labels []model.Label
	Text   string
	// StartMS and EndMS are when it began and was over, 0 while it lasts; AtMS when it was told.
	StartMS, EndMS, AtMS int64
}

// FromAlert returns the finding that an alert is. Reports of one alert have one id as long as they tell of one start.
func FromAlert(a Alert) model.Finding {
	labels := slices.DeleteFunc(slices.Clone(a.Labels), func(l model.Label) bool { return l.Name == "alertname" || l.Name == model.LabelName })
	slices.SortStableFunc(labels, func(x, y model.Label) int { return cmp.Compare(x.Name, y.Name) })
	f := model.Finding{
		Entity: model.EntityOf("", labels),
		Signal: model.SignalRef{Name: cmp.Or(a.Name, model.Lookup(a.Labels, "alertname"), "alert"), Labels: labels, Role: model.RoleAlert},
		Kind:   model.FindingAlert, Direction: 1, OnsetMS: a.StartMS, SeenMS: a.AtMS, EndMS: a.EndMS,
		Detector: "alert", Text: a.Text,
	}
	// A rule is somebody's word. It is not a calibrated one: how often it fires tells the rest.
	f.Confidence = [...]float64{0.5, 0.9, 0.99, 0.99}[alertLevel(&f)]
	f.ID = model.FindingID(model.Hash64(f.Entity.String()), alertIdentity(&f), f.OnsetMS)
	return f
}

// alertIdentity tells alerts apart as their senders do: by name and labels.
func alertIdentity(f *model.Finding) string {
	b := []byte(f.Signal.Name)
	for _, l := range f.Signal.Labels {
		b = model.AppendIdentity(b, l.Name, l.Value)
	}
	return string(b)
}

// alertLevel returns what a rule says of its own weight. The words are those of Prometheus' mixins, PagerDuty, syslog and others.
func alertLevel(f *model.Finding) int {
	word := ""
	for _, n := range []string{"severity", "priority", "level"} {
		if word == "" {
			word = strings.ToLower(model.Lookup(f.Signal.Labels, n))
		}
	}
	switch word {
	case "critical", "crit", "page", "emergency", "emerg", "fatal", "disaster", "p1", "sev1", "high", "error", "major", "p2", "sev2":
		return inPart
	case "info", "informational", "information", "debug", "none", "notice", "low", "ok", "p4", "p5", "sev4", "sev5":
		return harmless
	}
	return reserve // Warnings, and whoever does not say.
}
