package logql

import (
	"fmt"
	"net/netip"
	"strings"
)

// IPMatcher is an address, a range a-b, or a network.
type IPMatcher struct {
	text     string
	from, to netip.Addr
}

func newIPMatcher(text string) (*IPMatcher, error) {
	m := &IPMatcher{text: text}
	if from, to, ok := strings.Cut(text, "-"); ok {
		a, err := netip.ParseAddr(strings.TrimSpace(from))
		b, err2 := netip.ParseAddr(strings.TrimSpace(to))
		if err != nil || err2 != nil || a.Is4() != b.Is4() || b.Less(a) {
			return nil, fmt.Errorf("ip: %q is not a range of addresses", text)
		}
		m.from, m.to = a, b
		return m, nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		m.from, m.to = a, a
		return m, nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, fmt.Errorf("ip: %q is not an address, a range or a network", text)
	}
	p = p.Masked()
	m.from = p.Addr()
	b := m.from.AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	m.to, _ = netip.AddrFromSlice(b)
	return m, nil
}

func (m *IPMatcher) is(text string) bool {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return false
	}
	a = a.Unmap()
	return a.Is4() == m.from.Is4() && !a.Less(m.from) && !m.to.Less(a)
}

// isIPByte holds for what an address is made of.
func isIPByte(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == '.' || c == ':'
}

// in reports whether line contains such an address. Each run of an address's characters is tried as it is and, since a port or a
// sentence may follow it, cut at its last dot or colon.
func (m *IPMatcher) in(line string) bool {
	for i := 0; i < len(line); {
		if !isIPByte(line[i]) {
			i++
			continue
		}
		j := i
		for j < len(line) && isIPByte(line[j]) {
			j++
		}
		run := line[i:j]
		if len(run) >= 2 && len(run) <= 64 && m.run(run) {
			return true
		}
		i = j
	}
	return false
}

func (m *IPMatcher) run(run string) bool {
	if m.is(run) {
		return true
	}
	run = strings.TrimRight(run, ".:")
	run = strings.TrimLeft(run, ".")
	if m.is(run) {
		return true
	}
	host, _, ok := strings.Cut(run, ":")
	return ok && strings.Count(host, ".") == 3 && m.is(host)
}
