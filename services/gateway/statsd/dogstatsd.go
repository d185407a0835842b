package statsd

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/datadog"
	"github.com/faultline-io/faultline/services/gateway/intake"
)

// parseEvent reads _e{title length,text length}:title|text and its parts.
func parseEvent(s []byte) (datadog.Event, bool) {
	var e datadog.Event
	head, rest, ok := bytes.Cut(bytes.TrimPrefix(s, eventPrefix), []byte("}:"))
	if !ok {
		return e, false
	}
	a, b, ok := strings.Cut(string(head), ",")
	n, err1 := strconv.Atoi(a)
	m, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || n <= 0 || m < 0 || n > len(rest) || m > len(rest) || n+1+m > len(rest) || rest[n] != '|' {
		return e, false
	}
	e.Title, e.Text = unescape(rest[:n]), unescape(rest[n+1:n+1+m])
	for _, p := range bytes.Split(rest[n+1+m:], []byte{'|'}) {
		k, v, ok := cutPart(p)
		if !ok {
			continue
		}
		switch k {
		case "d":
			e.TimeNS = seconds(v)
		case "h":
			e.Host = v
		case "p":
			e.Priority = v
		case "t":
			e.AlertType = v
		case "k":
			e.AggregationKey = v
		case "s":
			e.SourceType = v
		case "#":
			e.Tags = strings.Split(v, ",")
		}
	}
	return e, true
}

// check is a service check.
type check struct {
	name, host string
	status     float64
	tags       []byte
}

// parseCheck reads _sc|name|status and its parts.
func parseCheck(s []byte) (check, bool) {
	var c check
	parts := bytes.Split(bytes.TrimPrefix(s, checkPrefix), []byte{'|'})
	if len(parts) < 2 || len(parts[0]) == 0 || len(parts[1]) != 1 || parts[1][0] < '0' || parts[1][0] > '3' {
		return c, false
	}
	c.name, c.status = intake.Valid(string(parts[0])), float64(parts[1][0]-'0')
	for _, p := range parts[2:] {
		switch k, v, _ := cutPart(p); k {
		case "h":
			c.host = v
		case "#":
			c.tags = p[1:]
		}
	}
	return c, true
}

var (
	eventPrefix = []byte("_e{")
	checkPrefix = []byte("_sc|")
)

// cutPart returns key and value of h:host and #tags; text is copied and valid.
func cutPart(p []byte) (string, string, bool) {
	switch {
	case len(p) > 1 && p[0] == '#':
		return "#", intake.Valid(string(p[1:])), true
	case len(p) > 2 && p[1] == ':':
		return string(p[:1]), intake.Valid(string(p[2:])), true
	}
	return "", "", false
}

func unescape(b []byte) string { return intake.Valid(strings.ReplaceAll(string(b), `\n`, "\n")) }

// maxSeconds is the last second that nanoseconds hold.
const maxSeconds = 9_000_000_000

func seconds(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > maxSeconds {
		return 0
	}
	return n * 1e9
}
