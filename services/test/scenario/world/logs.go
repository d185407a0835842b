package world

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/model"
)

// Texts of lines, with slots.
const (
	textBusy        = "request rejected: no free worker, {n} waiting"
	textDisk        = "write /var/lib/data/segment-{n}: no space left on device"
	textTimeout     = "call to {to} failed: deadline exceeded after {ms} ms"
	textRefused     = "call to {to} failed: dial tcp {ip}:8080: connect: connection refused"
	textAnswered    = "call to {to} failed: unexpected status 503"
	textCertificate = "call to {to} failed: tls: certificate has expired or is not yet valid"
	lineOOM         = "kernel: [{n}.{ms}] Out of memory: Killed process {n} ({name}) total-vm:{n}kB, anon-rss:{n}kB"
)

// background lines come from every process now and then.
var background = []string{
	"pool statistics: active={n} idle={n} waiting=0", "flushed {n} metrics in {ms} ms", "health check from {ip} ok", "configuration unchanged since {n} seconds",
}

// serverLines are those of databases, caches and queues.
var serverLines = map[Kind][]string{
	Database: {"checkpoint complete: wrote {n} buffers in {ms} ms", "automatic vacuum of table data.public.t{n}: removed {n} rows", "connection received: host={ip} port={n}"},
	Cache:    {"DB saved on disk, {n} keys in {ms} ms", "{n} clients connected, {n} bytes in use"},
	Queue:    {"accepting connection from {ip}:{n}", "segment {n} written, {n} messages"},
}

// hostLines are those of the system of a machine.
var hostLines = []string{
	"systemd[1]: Started session-{n}.scope - Session {n} of User ops.", "CRON[{n}]: (root) CMD (run-parts /etc/cron.hourly)", "sshd[{n}]: Accepted publickey for ops from {ip} port {n} ssh2",
	"systemd[1]: Finished man-db.service - Daily man-db regeneration.",
}

// Lines a second that a process and a machine write of themselves.
const (
	processLines = 0.05
	systemLines  = 0.01
	// errorShare is how many of the failures outside of drawn requests are logged, errorMost bounds those of a step.
	errorShare = 0.3
	errorMost  = 8
)

// line is a log line that waits for its time.
type line struct {
	host    *host
	from    *instance
	timeNS  int64
	sev     uint8
	body    string
	traceID string
	spanID  string
}

// fill replaces one slot by a value.
func fill(text, slot, value string) string { return strings.ReplaceAll(text, "{"+slot+"}", value) }

// write fills the slots of a text with what varies.
func write(rng *rand.Rand, text string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	var b strings.Builder
	for {
		open := strings.IndexByte(text, '{')
		end := strings.IndexByte(text, '}')
		if open < 0 || end < open {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:open])
		switch slot := text[open+1 : end]; slot {
		case "ms":
			b.WriteString(strconv.Itoa(1 + rng.IntN(900)))
		case "ip":
			fmt.Fprintf(&b, "10.%d.%d.%d", rng.IntN(4), rng.IntN(250), rng.IntN(250))
		case "hex":
			fmt.Fprintf(&b, "%016x", rng.Uint64())
		case "id":
			fmt.Fprintf(&b, "%08d", rng.IntN(100_000_000))
		default:
			b.WriteString(strconv.Itoa(100 + rng.IntN(90_000)))
		}
		text = text[end+1:]
	}
}

func (w *World) add(l line) {
	if !w.spec.Sends.NoLogs {
		l.body = write(w.look, l.body)
		w.senders.lines = append(w.senders.lines, &l)
	}
}

// requestLine is a line of a drawn request.
func (w *World) requestLine(r *drawn, sev uint8, text string) {
	if r.i.part.Kind != Service || r.i.part.Blind {
		return
	}
	l := line{host: r.i.host, from: r.i, timeNS: r.nowNS, sev: sev, body: text}
	if r.t.sampled && r.span != "" {
		l.traceID, l.spanID = r.t.trace, r.span
	}
	w.add(l)
}

// processLine is a line of a process now.
func (w *World) processLine(i *instance, sev uint8, text string) {
	if !i.part.Blind && i.part.Kind != Outside {
		w.add(line{host: i.host, from: i, timeNS: w.moment(), sev: sev, body: text})
	}
}

// moment draws a moment of the step.
func (w *World) moment() int64 { return w.nowMS*1e6 - w.look.Int64N(StepMS*1e6) }

func (w *World) hostLine(h *host, text string, i *instance) {
	w.add(line{host: h, timeNS: w.moment(), sev: 13, body: fill(text, "name", i.part.name)})
}

func (w *World) startLine(i *instance) {
	w.processLine(i, 9, "starting version "+i.version+" on port 8080")
	w.processLine(i, 9, "ready after {ms} ms")
}

func (w *World) panicLine(i *instance) {
	w.processLine(i, 21, "fatal error: unexpected state {n} in worker {n}, exiting\ngoroutine {n} [running]:\nmain.run()\n\t/src/main.go:118 +0x1d")
}

func (w *World) jobLine(h *host, job, what string) {
	w.add(line{host: h, timeNS: w.moment(), sev: 9, body: "CRON[{n}]: (root) CMD (" + job + ") " + what})
}

// failText is the exception of an operation that fails by itself.
func (p *part) failText(o *operation) string {
	return "unhandled exception in " + o.Name + ": illegal state: value {n} for key {hex}"
}

// background writes what is logged without a drawn request.
func (w *World) background() {
	for _, h := range w.hosts {
		if h.up && !h.hidden {
			for range int(poisson(w.look, systemLines*stepSec)) {
				w.add(line{host: h, timeNS: w.moment(), sev: 9, body: hostLines[w.look.IntN(len(hostLines))]})
			}
		}
	}
	for _, p := range w.parts {
		texts := serverLines[p.Kind]
		if p.Kind == Service {
			texts = background
		}
		for _, i := range p.instances {
			if !i.up || i.gone || len(texts) == 0 {
				continue
			}
			for range int(poisson(w.look, processLines*stepSec)) {
				w.processLine(i, 9, texts[w.look.IntN(len(texts))])
			}
			w.failures(i)
		}
	}
}

// failures logs a part of the requests that failed beside the drawn ones.
func (w *World) failures(i *instance) {
	for k, o := range i.part.ops {
		f := i.flow[k].fail
		n := min(errorMost, int(poisson(w.look, f*o.lambda*i.weight*stepSec*errorShare)))
		for range n {
			w.processLine(i, 17, w.why(i, o))
		}
	}
}

// why draws the reason of a failure in proportion to what fails.
func (w *World) why(i *instance, o *operation) string {
	own, busy := i.errs[o.index], i.rejected
	disk := 0.0
	if o.IO > 0 && i.host.full() {
		disk = 0.9
	}
	total := own + busy + disk
	for _, c := range o.calls {
		total += c.final * min(1, c.times())
	}
	x := w.look.Float64() * total
	for _, s := range []struct {
		p    float64
		text string
	}{{own, i.part.failText(o)}, {busy, textBusy}, {disk, textDisk}} {
		if x -= s.p; x < 0 {
			return s.text
		}
	}
	for _, c := range o.calls {
		if x -= c.final * min(1, c.times()); x < 0 {
			return fill(c.reason(), "to", c.to.part.name)
		}
	}
	return textBusy
}

// reason is what a caller sees of a call that fails.
func (c *call) reason() string {
	switch {
	case c.to.part.expired:
		return textCertificate
	case !anyUp(c.to.part) && c.one < 0.1:
		return textRefused
	case c.edge.cut || c.to.fail < c.fail/2:
		return textTimeout
	}
	return textAnswered
}

// flushLines sends the lines whose time has come, from the agent of each machine.
func (w *World) flushLines() {
	all := w.senders.lines
	slices.SortStableFunc(all, func(a, b *line) int { return cmp.Compare(a.timeNS, b.timeNS) })
	n := 0
	for n < len(all) && all[n].timeNS <= w.nowMS*1e6 {
		n++
	}
	for _, h := range w.hosts {
		if !h.up || h.hidden {
			continue
		}
		m := &model.Logs{Header: w.header(agentPrefix+h.name, "otlp_http")}
		at := map[*instance]uint32{}
		for _, l := range all[:n] {
			if l.host == h {
				l.appendTo(m, at)
			}
		}
		if len(m.TimesNS) > 0 {
			w.deliver(m.Source, Message{Logs: m})
		}
	}
	w.senders.lines = slices.Delete(all, 0, n)
}

func (l *line) appendTo(m *model.Logs, at map[*instance]uint32) {
	k, ok := at[l.from]
	if !ok {
		k = uint32(len(m.Resources))
		at[l.from] = k
		m.Resources = append(m.Resources, l.resource())
	}
	m.ResourceIdx = append(m.ResourceIdx, k)
	m.TimesNS = append(m.TimesNS, l.timeNS+l.host.skewMS*1e6)
	m.ObservedNS = append(m.ObservedNS, l.timeNS+l.host.skewMS*1e6)
	m.Severity = append(m.Severity, l.sev)
	m.ShapeHash = append(m.ShapeHash, logshape.Hash(l.body))
	m.Bodies = append(m.Bodies, l.body)
	m.TraceIDs = append(m.TraceIDs, l.traceID)
	m.SpanIDs = append(m.SpanIDs, l.spanID)
}

func (l *line) resource() model.Resource {
	if l.from != nil {
		return l.from.resource()
	}
	a := []model.Label{{Name: model.AttrHostID, Value: l.host.name}, {Name: model.AttrHostName, Value: l.host.name}}
	return model.Resource{ID: model.ResourceHash(a), Attributes: a, Host: l.host.name}
}
