package syslog

import (
	"bytes"
	"time"

	"github.com/faultline-io/faultline/services/gateway/event"
)

// rfc3164 reads what follows the priority: [sequence:] [host:] [time] [host] [tag[pid]:] message, any of it missing.
func (p *Parser) rfc3164(b []byte, now time.Time) {
	m := &p.m
	b = bytes.TrimLeft(b, " :")
	b = sequence(b)
	rest, ok := p.timestamp(b, now)
	if !ok { // Cisco may put the host before the time: "router1: Mar  1 …", or a second sequence number.
		if i := bytes.Index(b, []byte(": ")); i > 0 && i < 64 && bytes.IndexByte(b[:i], ' ') < 0 {
			if after, found := p.timestamp(sequence(b[i+2:]), now); found {
				m.Host, rest, ok = b[:i], after, true
			}
		}
	}
	if !ok {
		m.tag(b)
		return
	}
	b = rest
	if m.Host == nil {
		b = m.host(b)
	}
	m.tag(b)
}

// sequence skips a number of messages that some devices count: "000123: ".
func sequence(b []byte) []byte {
	i := 0
	for i < len(b) && i < 12 && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == 0 || i+1 >= len(b) || b[i] != ':' || b[i+1] != ' ' {
		return b
	}
	return bytes.TrimLeft(b[i+1:], " ")
}

// host takes a host name off b when there is one: the word after the time, unless that is a tag.
func (m *Message) host(b []byte) []byte {
	if len(b) > 0 && b[0] == '%' {
		return b
	}
	w, rest := word(b)
	if len(w) == 0 || len(w) > 255 || rest == nil || w[len(w)-1] == ':' || bytes.ContainsAny(w, `[]="{<(`) {
		return b
	}
	m.Host = w
	rest = bytes.TrimLeft(rest, " ")
	return bytes.TrimPrefix(rest, []byte(": ")) // Cisco's firewalls: "host : %ASA-…".
}

// maxTag is the longest tag: RFC 3164 says 32, and programs have longer names.
const maxTag = 64

// tag reads "name: ", "name[pid]: " or a mnemonic of Cisco's, and leaves the message.
func (m *Message) tag(b []byte) {
	b = bytes.TrimLeft(b, " ")
	m.Body = b
	if len(b) > 1 && b[0] == '%' {
		m.mnemonic(b)
		return
	}
	i := 0
	for i < len(b) && i <= maxTag && b[i] > ' ' && b[i] < 0x7f && b[i] != ':' && b[i] != '[' && b[i] != '"' && b[i] != '{' && b[i] != '=' {
		i++
	}
	if i == 0 || i >= len(b) || i > maxTag {
		return
	}
	app, pid, after := b[:i], []byte(nil), i
	if b[i] == '[' {
		end := bytes.IndexByte(b[i:], ']')
		if end < 2 || end > maxTag {
			return
		}
		pid, after = b[i+1:i+end], i+end+1
		if after < len(b) && b[after] != ':' && b[after] != ' ' {
			return
		}
	} else if b[i] != ':' {
		return
	}
	if after < len(b) && b[after] == ':' {
		if after+1 < len(b) && b[after+1] != ' ' && pid == nil {
			return // A URL, a clock, C++.
		}
		after++
	}
	m.App, m.ProcID = app, pid
	m.Body = bytes.TrimLeft(b[after:], " ")
}

// mnemonic reads %FACILITY-SEVERITY-NAME, and leaves it in the message, where those who know it look for it.
func (m *Message) mnemonic(b []byte) {
	end := bytes.IndexAny(b, ": ")
	if end < 4 || end > maxTag || b[end] != ':' {
		return
	}
	if i := bytes.IndexByte(b[:end], '-'); i > 1 {
		m.App, m.MsgID = b[1:i], b[1:end]
	}
}

var months = [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}

// timestamp takes a time off b in any of the forms that are in use, and the colon or the zone after it.
func (p *Parser) timestamp(b []byte, now time.Time) ([]byte, bool) {
	if len(b) > 0 && (b[0] == '*' || b[0] == '.') { // Cisco's clock is not set, or not synchronized.
		b = b[1:]
	}
	if len(b) < 15 {
		return nil, false
	}
	if b[0] >= '0' && b[0] <= '9' {
		return p.numeric(b, now)
	}
	month := 0
	for i, name := range months {
		if string(b[:3]) == name {
			month = i + 1
		}
	}
	if month == 0 || b[3] != ' ' {
		return nil, false
	}
	s := scan{b: b[3:]}
	day := s.number(2)
	year := 0
	if at := s; at.skip(' ') && at.number(4) > 1900 && len(at.b) > 0 && at.b[0] == ' ' { // "Mar 01 2024 10:00:00"
		s.skip(' ')
		year = s.number(4)
	}
	s.skip(' ')
	hour, minute, sec, nanos := s.clock()
	if s.bad || day < 1 || day > 31 || hour > 23 || minute > 59 || sec > 60 {
		return nil, false
	}
	zone, zoned := p.Zone, false
	if zone == nil {
		zone = time.UTC
	}
	if offset, ok := s.zone(); ok {
		zone, zoned = time.UTC, true
		sec -= offset
	}
	if at := s; year == 0 && at.skip(' ') { // "Mar  1 10:00:00 2024"
		if y := at.number(4); !at.bad && y > 1970 && y < 2262 && (len(at.b) == 0 || at.b[0] == ' ' || at.b[0] == ':') {
			year, s = y, at
		}
	}
	p.set(year, month, day, hour, minute, sec, nanos, zone, zoned, now)
	return after(s.b), true
}

// after skips the colon and the space that follow a time.
func after(b []byte) []byte {
	if len(b) > 0 && b[0] == ':' {
		b = b[1:]
	}
	return bytes.TrimLeft(b, " ")
}

// set sets the time; without a year it is the one that brings it closest to now.
func (p *Parser) set(year, month, day, hour, minute, sec, nanos int, zone *time.Location, zoned bool, now time.Time) {
	at := func(y int) time.Time { return time.Date(y, time.Month(month), day, hour, minute, sec, nanos, zone) }
	if year == 0 {
		year = now.In(zone).Year()
		switch d := at(year).Sub(now); {
		case d > 183*24*time.Hour:
			year--
		case d < -183*24*time.Hour:
			year++
		}
	}
	t := at(year)
	if !zoned && t.Sub(now) > ahead || year < 1970 || year > 2261 {
		return
	}
	p.m.TimeNS = t.UnixNano()
}

// numeric reads an ISO time, or seconds since 1970.
func (p *Parser) numeric(b []byte, now time.Time) ([]byte, bool) {
	w, rest := word(b)
	if len(w) == 10 && w[4] == '-' && len(rest) > 8 { // A space between date and time.
		i := bytes.IndexByte(rest, ' ')
		if i < 0 {
			return nil, false
		}
		w, rest = b[:11+i], rest[i+1:]
	}
	if len(w) < 10 || len(w) == 10 && w[4] == '-' {
		return nil, false
	}
	w = bytes.TrimSuffix(w, []byte{':'})
	ns, ok := event.ParseTime(text(w))
	if !ok || ns < 946_684_800_000_000_000 {
		return nil, false
	}
	if last := w[len(w)-1]; w[4] == '-' && last != 'Z' && last != 'z' && !bytes.ContainsAny(w[19:], "+-") { // No zone in it.
		if p.Zone != nil {
			_, offset := time.Unix(0, ns).In(p.Zone).Zone()
			ns -= int64(offset) * int64(time.Second)
		}
		if ns > now.Add(ahead).UnixNano() {
			ns = 0
		}
	}
	p.m.TimeNS = ns
	return bytes.TrimLeft(rest, " "), true
}

// scan reads numbers off a text.
type scan struct {
	b   []byte
	bad bool
}

func (s *scan) skip(c byte) bool {
	found := false
	for len(s.b) > 0 && s.b[0] == c {
		s.b, found = s.b[1:], true
	}
	return found
}

// number reads up to digits digits, after spaces.
func (s *scan) number(digits int) int {
	s.skip(' ')
	n, i := 0, 0
	for ; i < digits && i < len(s.b) && s.b[i] >= '0' && s.b[i] <= '9'; i++ {
		n = n*10 + int(s.b[i]-'0')
	}
	if i == 0 {
		s.bad = true
	}
	s.b = s.b[i:]
	return n
}

func (s *scan) clock() (hour, minute, sec, nanos int) {
	hour = s.number(2)
	if !s.one(':') {
		return
	}
	minute = s.number(2)
	if !s.one(':') {
		return
	}
	sec = s.number(2)
	if len(s.b) > 1 && (s.b[0] == '.' || s.b[0] == ',') && s.b[1] >= '0' && s.b[1] <= '9' {
		i, scale := 1, 100_000_000
		for ; i < len(s.b) && s.b[i] >= '0' && s.b[i] <= '9'; i++ {
			nanos += int(s.b[i]-'0') * scale
			scale /= 10
		}
		s.b = s.b[i:]
	}
	return hour, minute, sec, nanos
}

func (s *scan) one(c byte) bool {
	if len(s.b) == 0 || s.b[0] != c {
		s.bad = true
		return false
	}
	s.b = s.b[1:]
	return true
}

// zones are the abbreviations that devices write; others are taken for a word of the message.
var zones = map[string]int{
	"UTC": 0, "GMT": 0, "Z": 0, "CET": 3600, "CEST": 7200, "EET": 7200, "EEST": 10800, "BST": 3600, "EST": -18000, "EDT": -14400,
	"CST": -21600, "CDT": -18000, "MST": -25200, "MDT": -21600, "PST": -28800, "PDT": -25200, "JST": 32400,
}

// zone reads " CET", " +0200" or nothing; the result is in seconds.
func (s *scan) zone() (int, bool) {
	if len(s.b) < 2 || s.b[0] != ' ' {
		return 0, false
	}
	i := bytes.IndexAny(s.b[1:], " :")
	if i < 0 {
		return 0, false
	}
	w := s.b[1 : 1+i]
	if len(w) >= 5 && (w[0] == '+' || w[0] == '-') {
		at := scan{b: w[1:]}
		h := at.number(2)
		m := at.number(2)
		if at.bad || len(at.b) > 0 || h > 14 {
			return 0, false
		}
		n := h*3600 + m*60
		if w[0] == '-' {
			n = -n
		}
		s.b = s.b[1+i:]
		return n, true
	}
	offset, ok := zones[text(w)]
	if ok {
		s.b = s.b[1+i:]
	}
	return offset, ok
}
