package spanstage

import "strings"

// hostPair is a way from one host to another.
type hostPair struct{ from, to string }

// lag is the least difference of two clocks and the way between them that was seen lately, in two halves, so that a clock that is set right is
// followed.
type lag struct {
	now, before int64
	n           uint32
	sinceMS     int64
	lastMS      int64
}

// Bounds of what is known of hosts and addresses.
const (
	halfMS       = 300_000 // Five minutes of one half: clocks drift by milliseconds in that time.
	fewest       = 10      // Differences after which the least one is taken for the way itself.
	maxPairs     = 20_000
	maxAddresses = 20_000
	addressMS    = 24 * 3_600_000
)

// lag returns how much longer something was under way between two hosts than the fastest lately, in nanoseconds: clocks of two hosts
// differ, and the least difference of their times has that in it. -1 while too little is known.
func (s *Stage) lag(from, to string, diffNS, atMS int64) int64 {
	if from == to && from != "" {
		return max(diffNS, 0)
	}
	pair := hostPair{from, to}
	l := s.lags[pair]
	if l == nil {
		if len(s.lags) >= maxPairs {
			return -1
		}
		l = &lag{now: diffNS, before: diffNS, sinceMS: atMS}
		s.lags[pair] = l
	}
	if atMS-l.sinceMS >= halfMS {
		l.before, l.now, l.sinceMS = l.now, diffNS, atMS
	}
	l.now = min(l.now, diffNS)
	l.lastMS = max(l.lastMS, atMS)
	if l.n < fewest {
		l.n++
		return -1
	}
	return diffNS - min(l.now, l.before)
}

// place is which service answers at an address.
type place struct {
	service string // "" when several do, as behind a gateway.
	lastMS  int64
}

// learn notes that a service answered at an address.
func (s *Stage) learn(address, service string) {
	if address == "" {
		return
	}
	p := s.addresses[address]
	switch {
	case p == nil && len(s.addresses) >= maxAddresses:
		return
	case p == nil:
		p = &place{service: service}
		s.addresses[strings.Clone(address)] = p
	case p.service != service:
		p.service = ""
	}
	p.lastMS = s.mark.WatermarkMS
}

// serviceAt returns the service behind an address: the one that answered there, or the one that is called so, as Kubernetes' names are.
func (s *Stage) serviceAt(address string) string {
	if p := s.addresses[address]; p != nil {
		return p.service
	}
	first, _, _ := strings.Cut(address, ".")
	for _, name := range []string{address, first} {
		if s.services.byKey[name] != nil {
			return name
		}
	}
	return ""
}
