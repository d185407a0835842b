package statsd

import (
	"bytes"
	"math"
	"strconv"

	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// kind is what a line says its metric is.
type kind uint8

const (
	counter kind = iota
	gauge
	timer // Milliseconds.
	histogram
	set
)

// line is one parsed line; its slices alias the datagram.
type line struct {
	name   []byte
	values []byte // One, or several separated by colons.
	kind   kind
	rate   float64 // 1 when the line has none.
	tags   []byte  // tag:value,tag, after the name (name,tag=value) or after |#.
	inName bool    // The tags stood in the name.
	// container is the id of the sender's container, as DogStatsD clients say it.
	container []byte
}

var errLine = errs.New(errs.Invalid, "not a line of statsd")

// parseLine reads name:value|type with what DogStatsD adds: |@rate, |#tags, |c:container, and several values. Parts nobody knows are
// skipped, so that newer clients are understood.
func parseLine(s []byte, l *line) error {
	*l = line{rate: 1}
	bar := bytes.IndexByte(s, '|')
	if bar <= 0 {
		return errLine
	}
	head, rest := s[:bar], s[bar+1:]
	colon := bytes.IndexByte(head, ':')
	if colon <= 0 || colon == len(head)-1 {
		return errLine
	}
	l.name, l.values = head[:colon], head[colon+1:]
	if comma := bytes.IndexByte(l.name, ','); comma > 0 {
		l.name, l.tags, l.inName = l.name[:comma], l.name[comma+1:], true
	}
	kind, rest, _ := bytes.Cut(rest, []byte{'|'})
	if !l.readKind(kind) {
		return errLine
	}
	for len(rest) > 0 {
		var part []byte
		part, rest, _ = bytes.Cut(rest, []byte{'|'})
		if !l.readPart(part) {
			return errLine
		}
	}
	return nil
}

func (l *line) readKind(s []byte) bool {
	switch string(s) {
	case "c", "m":
		l.kind = counter
	case "g":
		l.kind = gauge
	case "ms":
		l.kind = timer
	case "h", "d":
		l.kind = histogram
	case "s":
		l.kind = set
	default:
		return false
	}
	return true
}

func (l *line) readPart(p []byte) bool {
	if len(p) < 2 {
		return true
	}
	switch {
	case p[0] == '@':
		r, err := strconv.ParseFloat(wire.String(p[1:]), 64)
		if err != nil || !(r > 0 && r <= 1) {
			return false
		}
		l.rate = r
	case p[0] == '#':
		l.tags, l.inName = p[1:], false
	case p[0] == 'c' && p[1] == ':':
		l.container = bytes.TrimPrefix(p[2:], []byte("ci-"))
		if bytes.HasPrefix(l.container, []byte("in-")) { // An inode, which names a container on its own node only.
			l.container = nil
		}
	}
	return true
}

// number reads a value; infinities and NaN are none.
func number(s []byte) (float64, bool) {
	v, err := strconv.ParseFloat(wire.String(s), 64)
	return v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}
