package hostmetrics

import (
	"bytes"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/agent/telemetry"
)

// maxInterfaces bounds the interfaces that are reported, in the order of the kernel: physical ones come first.
const maxInterfaces = 64

// transient are the interfaces of containers: they come and go by the hundred, and each name would be a new series.
var transient = [...]string{"veth", "cali", "lxc", "vnet", "tap", "ifb"}

func (p *platform) collectNetwork(b *telemetry.Builder, _ time.Time) error {
	data, err := p.r.first(p.c.proc("1", "net", "dev"), p.c.proc("net", "dev"))
	if err != nil {
		return err
	}
	seen := 0
	for len(data) > 0 && seen < maxInterfaces {
		var line []byte
		line, data = nextLine(data)
		nameBytes, rest, ok := bytes.Cut(line, []byte(":"))
		var v [16]uint64
		if !ok || uints(rest, v[:]) < len(v) {
			continue
		}
		name := string(bytes.TrimSpace(nameBytes))
		if skipInterface(name) {
			continue
		}
		seen++
		p.addInterface(b, name, v)
	}
	return nil
}

func skipInterface(name string) bool {
	for _, prefix := range transient {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func (p *platform) addInterface(b *telemetry.Builder, name string, v [16]uint64) {
	start := p.c.bootNS()
	for _, d := range []struct {
		direction                       string
		bytes, packets, errors, dropped uint64
	}{{"receive", v[0], v[1], v[2], v[3]}, {"transmit", v[8], v[9], v[10], v[11]}} {
		attrs := p.attr.pair("network.interface.name", name, "network.io.direction", d.direction)
		b.CounterInt("system.network.io", "By", start, d.bytes, attrs)
		b.CounterInt("system.network.packet.count", "{packet}", start, d.packets, attrs)
		b.CounterInt("system.network.errors", "{error}", start, d.errors, attrs)
		b.CounterInt("system.network.packet.dropped", "{packet}", start, d.dropped, attrs)
	}
}

// tcpStates are the kernel's numbers of TCP states by OpenTelemetry's names; 12 (NEW_SYN_RECV) counts as syn_received.
var tcpStates = [...]string{1: "established", 2: "syn_sent", 3: "syn_received", 4: "fin_wait_1", 5: "fin_wait_2", 6: "time_wait",
	7: "closed", 8: "close_wait", 9: "last_ack", 10: "listen", 11: "closing"}

// connState slows the walk over all sockets down on hosts that have very many.
type connState struct {
	tcp    [len(tcpStates)]uint64
	udp    uint64
	next   time.Time
	walked bool
}

// A walk over the sockets may take 1 % of the time: after one that took 50 ms the next comes 5 s later at the earliest.
const walkShare = 100

func (p *platform) collectConnections(b *telemetry.Builder, now time.Time) error {
	if p.net.next.IsZero() || !now.Before(p.net.next) {
		began := time.Now()
		if err := p.walkSockets(); err != nil {
			return err
		}
		p.net.next = now.Add(time.Since(began) * walkShare)
		p.net.walked = true
	}
	for state, n := range p.net.tcp {
		if tcpStates[state] != "" {
			b.UpDown("system.network.connection.count", "{connection}", int64(n),
				p.attr.pair("network.transport", "tcp", "network.connection.state", tcpStates[state]))
		}
	}
	b.UpDown("system.network.connection.count", "{connection}", int64(p.net.udp), p.attr.pair("network.transport", "udp", "", ""))
	return nil
}

func (p *platform) walkSockets() error {
	p.net.tcp, p.net.udp = [len(tcpStates)]uint64{}, 0
	var firstErr error
	found := false
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6"} {
		tcp := strings.HasPrefix(name, "tcp")
		visit := func(line []byte) bool {
			_, rest := nextField(line) // slot
			_, rest = nextField(rest)  // local address
			_, rest = nextField(rest)  // remote address
			st, _ := nextField(rest)
			if len(st) != 2 || !isHex(st[0]) || !isHex(st[1]) {
				return true // the heading
			}
			if state := hexNibble(st[0])<<4 | hexNibble(st[1]); !tcp {
				p.net.udp++
			} else if state == 12 {
				p.net.tcp[3]++
			} else if state < len(p.net.tcp) {
				p.net.tcp[state]++
			}
			return true
		}
		err := p.r.lines(p.c.proc("1", "net", name), visit)
		if err != nil {
			err = p.r.lines(p.c.proc("net", name), visit)
		}
		if err != nil && firstErr == nil {
			firstErr = err
		}
		found = found || err == nil
	}
	if found {
		return nil // a host without IPv6 has no tcp6
	}
	return firstErr
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' }

func hexNibble(c byte) int {
	if c <= '9' {
		return int(c - '0')
	}
	return int(c-'A') + 10
}
