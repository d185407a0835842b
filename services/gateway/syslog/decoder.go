package syslog

import (
	"context"
	"net/netip"
	"strconv"
	"time"

	"github.com/faultline-io/faultline/services/gateway/event"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/model"
)

// facilities are the names of facilities 0 to 23.
var facilities = [...]string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// Decoder writes messages as events. It belongs to one goroutine.
type Decoder struct {
	w      *event.Writer
	now    time.Time
	parser Parser
	name   []byte
	value  []byte
}

// NewDecoder returns a decoder of one request; zone is that of times that name none. Close it.
func NewDecoder(core *intake.Core, req *intake.Request, zone *time.Location) *Decoder {
	return &Decoder{w: event.New(core, req, event.Options{}), now: req.ReceivedAt, parser: Parser{Zone: zone}}
}

// Close drops what was not flushed.
func (d *Decoder) Close() { d.w.Close() }

// Flush publishes what was decoded.
func (d *Decoder) Flush(ctx context.Context) error { return d.w.Flush(ctx) }

// Message adds one message that came from an address; an empty one is nothing.
func (d *Decoder) Message(ctx context.Context, data []byte, from netip.Addr) error {
	m := d.parser.Parse(data, d.now)
	if len(m.Body) == 0 && len(m.Params) == 0 && m.App == nil {
		return nil
	}
	w := d.w
	w.Begin()
	if m.TimeNS != 0 {
		w.SetTime(m.TimeNS)
	}
	if m.Severity >= 0 {
		w.SetSeverity(event.SyslogSeverity(m.Severity))
		if m.Facility < len(facilities) {
			d.value = append(d.value[:0], facilities[m.Facility]...)
			w.SetAttribute("syslog.facility", d.value)
		}
	}
	w.SetBody(m.Body)
	w.SetResource(model.AttrServiceName, m.App)
	if len(m.Host) > 0 {
		w.SetResource(model.AttrHostName, m.Host)
	} else {
		d.value = from.AppendTo(d.value[:0])
		w.SetResource(model.AttrHostName, d.value)
	}
	if _, err := strconv.ParseUint(text(m.ProcID), 10, 32); err == nil {
		w.SetAttribute("process.pid", m.ProcID)
	} else {
		w.SetAttribute("syslog.procid", m.ProcID)
	}
	w.SetAttribute("syslog.msgid", m.MsgID)
	for i := range m.Params {
		p := &m.Params[i]
		d.name = append(append(append(d.name[:0], p.ID...), '.'), p.Name...)
		v := p.Value
		if p.Escaped {
			d.value = Unescape(d.value[:0], v)
			v = d.value
		}
		w.Set(d.name, v, false)
	}
	_, err := w.End(ctx, nil)
	return err
}
