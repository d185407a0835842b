package replica

import (
	"context"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/provider"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/common/model"
)

// Alerts is the provider of alerts for Alertmanager's packages: reading is from memory, and Put goes through the inbox, so that what is
// read is what the control state has.
type Alerts struct {
	put    func(ctx context.Context, alerts ...*alert.Alert) error
	filled chan struct{}
	mem    *mem.Alerts
}

var _ provider.Alerts = (*Alerts)(nil)

func newAlerts(put func(ctx context.Context, alerts ...*alert.Alert) error) *Alerts {
	return &Alerts{put: put, filled: make(chan struct{})}
}

// fill gives the provider its store; it is called once.
func (a *Alerts) fill(m *mem.Alerts) {
	a.mem = m
	close(a.filled)
}

func (a *Alerts) store() *mem.Alerts {
	<-a.filled
	return a.mem
}

// Subscribe implements provider.Alerts.
func (a *Alerts) Subscribe(name string) provider.AlertIterator { return a.store().Subscribe(name) }

// SlurpAndSubscribe implements provider.Alerts.
func (a *Alerts) SlurpAndSubscribe(name string) ([]*alert.Alert, provider.AlertIterator) {
	return a.store().SlurpAndSubscribe(name)
}

// GetPending implements provider.Alerts.
func (a *Alerts) GetPending() provider.AlertIterator { return a.store().GetPending() }

// Get implements provider.Alerts.
func (a *Alerts) Get(fp model.Fingerprint) (*alert.Alert, error) { return a.store().Get(fp) }

// Put implements provider.Alerts.
func (a *Alerts) Put(ctx context.Context, alerts ...*alert.Alert) error { return a.put(ctx, alerts...) }
