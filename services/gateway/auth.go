package gateway

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/faultline-io/faultline/services/gateway/changes"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Headers that our agent sends with every batch.
const (
	headerKey     = "X-Faultline-Key"
	headerAgent   = "X-Faultline-Agent"
	headerBatch   = "X-Faultline-Batch"
	headerSent    = "X-Faultline-Sent"
	headerDropped = "X-Faultline-Dropped"
)

// headerDatadogKey is where Datadog's agents and libraries send their key.
const headerDatadogKey = "Dd-Api-Key"

// keyHint is what a sender without a key is told.
const keyHint = "send the ingest key as 'Authorization: Bearer <key>', as the basic password, or as X-Faultline-Key; it is in the file ingest-key of the data directory"

// senderFacts are what a request says about its sender; header returns "" for what is absent.
type senderFacts struct {
	remoteAddr string
	header     func(name string) string
}

// tenant returns the tenant of a sender. A key decides; without one, a sender on loopback is the default tenant.
// Errors: errs.Unauthenticated, with a hint.
func (g *Gateway) tenant(c senderFacts) (model.TenantID, error) {
	if key := ingestKey(c.header); key != "" {
		if g.deps.Auth == nil {
			if g.trusted(c) {
				return model.DefaultTenant, nil
			}
			return 0, errs.WithHint(errs.Unauthenticated, "send from this machine, or configure ingest keys", "no ingest keys are configured")
		}
		t, err := g.deps.Auth.VerifyIngestKey(key)
		if err == nil {
			return t, nil
		}
		// A sender on loopback needs no key, so that a left-over Authorization header of it does no harm.
		if !g.trusted(c) || errs.KindOf(err) != errs.Unauthenticated {
			return 0, err
		}
		return model.DefaultTenant, nil
	}
	if g.trusted(c) {
		return model.DefaultTenant, nil
	}
	return 0, errs.WithHint(errs.Unauthenticated, keyHint, "an ingest key is needed")
}

// tenantOf is tenant for a request whose key may be where key finds it.
func (g *Gateway) tenantOf(r *http.Request, key func(*http.Request) string) (model.TenantID, error) {
	header := r.Header.Get
	if key != nil {
		if k := key(r); k != "" {
			header = func(name string) string {
				if name == headerKey {
					return k
				}
				return r.Header.Get(name)
			}
		}
	}
	return g.tenant(senderFacts{r.RemoteAddr, header})
}

// webhookSender is the tenant of a webhook where a secret is set: a signed one, whose signature is checked when its body is there, or one
// with an ingest key. Being on this machine is not enough, since webhooks come in through a proxy.
func (g *Gateway) webhookSender(s intake.Sender, r *http.Request) (intake.Sender, error) {
	if changes.Signed(r.Header.Get) {
		s.Tenant = model.DefaultTenant
		return s, nil
	}
	key := ingestKey(r.Header.Get)
	if key == "" || g.deps.Auth == nil {
		return s, errs.WithHint(errs.Unauthenticated, "set the secret of receivers.webhook_secret_file in the webhook, or send the ingest key", "the webhook is not signed")
	}
	var err error
	s.Tenant, err = g.deps.Auth.VerifyIngestKey(key)
	return s, err
}

// maxSecretBytes bounds a file that is read as a secret.
const maxSecretBytes = 4 << 10

// readSecret reads a secret from the file that a setting names; no file is no secret.
func readSecret(setting, file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", errs.WithHint(errs.Invalid, setting+" names a file with the secret", "%s: %v", setting, err)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" || len(secret) > maxSecretBytes {
		return "", errs.New(errs.Invalid, "%s: %s has no secret, or one of more than %d bytes", setting, file, maxSecretBytes)
	}
	return secret, nil
}

// trusted reports whether a sender needs no key: it is on this machine, and no proxy on this machine speaks for it.
func (g *Gateway) trusted(c senderFacts) bool {
	if g.cfg.RequireKey {
		return false
	}
	for _, h := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"} {
		if c.header(h) != "" {
			return false
		}
	}
	if origin := c.header("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !(u.Hostname() == "localhost" || isLoopback(u.Hostname())) {
			return false // a page whose name resolves to this machine, which its owner can arrange
		}
	}
	return isLoopback(c.remoteAddr)
}

// parseNetworks reads networks as CIDR, or single addresses.
func parseNetworks(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, t := range texts {
		if ip, err := netip.ParseAddr(t); err == nil {
			out = append(out, netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(t)
		if err != nil {
			return nil, errs.New(errs.Invalid, "%q is not a network such as 10.0.0.0/8 or an address", t)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// trustedAddr reports whether a sender whose protocol knows no keys is taken: it is on this machine or in a trusted network.
func (g *Gateway) trustedAddr(addr netip.Addr) bool {
	addr = addr.Unmap()
	if addr.IsLoopback() {
		return true
	}
	for _, n := range g.networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func ingestKey(header func(string) string) string {
	for _, name := range [...]string{headerKey, headerDatadogKey} {
		if k := header(name); k != "" {
			return k
		}
	}
	scheme, rest, ok := strings.Cut(header("Authorization"), " ")
	if !ok {
		return ""
	}
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(scheme) {
	case "bearer", "splunk":
		return rest
	case "apikey": // Elasticsearch: base64 of id:key; the id is not needed.
		plain, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return rest
		}
		_, key, ok := strings.Cut(string(plain), ":")
		if !ok {
			return rest
		}
		return key
	case "basic":
		plain, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return ""
		}
		_, password, _ := strings.Cut(string(plain), ":")
		return password
	}
	return ""
}

// crossOrigin reports whether a browser sends this on behalf of a page of another site. Such a page can post to this machine's
// loopback address, where no key is asked.
func crossOrigin(host string, header func(string) string) bool {
	if site := header("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return true
	}
	origin := header("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host == "" || !strings.EqualFold(u.Host, host)
}
