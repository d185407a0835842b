package spanstage

import (
	"net/url"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// OpenTelemetry's kinds of spans.
const (
	kindServer   = 2
	kindClient   = 3
	kindProducer = 4
	kindConsumer = 5
)

// statusError is OpenTelemetry's status of a span that failed.
const statusError = 2

// peer is what the attributes of a span say of the other side.
type peer struct {
	// service is the name that the sender gave the other side by configuration.
	service string
	// address is where it was reached, without a port.
	address string
	// system and name are of a database or a messaging system.
	system, name string
	kind         model.EntityKind
}

// facts that attributes give. OpenTelemetry's names of today come first, then those of before, which most libraries still send.
func attributes(attrs []model.Label) (p peer, status string) {
	var host, full string
	for i := range attrs {
		a := &attrs[i]
		switch a.Name {
		case "http.response.status_code", "http.status_code":
			status = a.Value
		case "peer.service":
			p.service = a.Value
		case "server.address", "net.peer.name", "network.peer.address", "net.peer.ip", "net.sock.peer.addr", "peer.address", "peer.hostname", "rpc.server.address":
			if p.address == "" || a.Name == "server.address" {
				p.address = a.Value
			}
		case "db.system.name", "db.system":
			p.system, p.kind = a.Value, model.KindDatabase
		case "db.namespace", "db.name":
			if p.name == "" {
				p.name = a.Value
			}
		case "messaging.system":
			p.system, p.kind = a.Value, model.KindQueue
		case "messaging.destination.name", "messaging.destination":
			p.name = a.Value
		case "http.host":
			host = a.Value
		case "url.full", "http.url":
			full = a.Value
		}
	}
	if p.address == "" {
		p.address = host
	}
	if p.address == "" && full != "" {
		if u, err := url.Parse(full); err == nil {
			p.address = u.Host
		}
	}
	p.address = withoutPort(p.address)
	return p, status
}

// withoutPort cuts the port off an address.
func withoutPort(s string) string {
	s = strings.TrimSuffix(strings.ToLower(s), ".")
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "[") {
		return s
	}
	return strings.Trim(s[:i], "[]")
}

// known reports whether the attributes name anything.
func (p *peer) known() bool { return p.service != "" || p.address != "" || p.system != "" }

// queue returns the entity of a messaging system's destination; false when it is none.
func (p *peer) queue() (model.Entity, bool) {
	if p.kind != model.KindQueue {
		return model.Entity{}, false
	}
	name := p.system
	if p.name != "" {
		name += ":" + operation(p.name)
	}
	return model.Entity{Kind: model.KindQueue, Name: clip(name)}, true
}

// entity returns what a service called, as far as the attributes say. A database is named by the server that it is on, since that is what fails,
// and that is what several services share; one without an address belongs to its client.
func (p *peer) entity(client string, services func(address string) string) (model.Entity, bool) {
	if q, ok := p.queue(); ok {
		return q, true
	}
	if p.kind == model.KindDatabase {
		name := p.service
		switch {
		case name != "":
		case p.address != "":
			name = p.system + ":" + p.address
		case p.name != "":
			name = p.system + ":" + p.name
		default:
			name = p.system + ":of " + client
		}
		return model.Entity{Kind: model.KindDatabase, Name: clip(name)}, true
	}
	if p.service != "" {
		return model.Entity{Kind: model.KindService, Name: clip(p.service)}, true
	}
	if p.address == "" {
		return model.Entity{}, false
	}
	if s := services(p.address); s != "" {
		return model.Entity{Kind: model.KindService, Name: s}, true
	}
	return model.Entity{Kind: model.KindExternal, Name: clip(p.address)}, true
}

// maxName bounds names that come from attributes.
const maxName = 200

func clip(s string) string {
	if len(s) > maxName {
		s = strings.ToValidUTF8(s[:maxName], "")
	}
	return s
}
