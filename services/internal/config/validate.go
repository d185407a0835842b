package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate reports every setting that makes no sense, by its key and with what is accepted.
func (c *Config) Validate() error {
	v := validator{}
	v.check(c.DataDir != "", "data_dir", "must not be empty")
	for _, a := range []struct {
		key, addr string
		mayBeOff  bool
	}{{"http_addr", c.HTTPAddr, false}, {"otlp_grpc_addr", c.OTLPGRPCAddr, true}, {"otlp_http_addr", c.OTLPHTTPAddr, true}} {
		if a.addr == "" && a.mayBeOff {
			continue
		}
		v.address(a.key, a.addr)
		host, _, err := net.SplitHostPort(a.addr)
		v.check(err != nil || c.Expose || IsLoopback(host), a.key,
			"%s can be reached from other machines; that needs expose (--expose), which asks for a password and turns TLS on", a.addr)
	}
	for _, a := range c.Receivers.addresses() {
		if *a.addr == "" {
			continue
		}
		v.address(a.key, *a.addr)
		host, _, err := net.SplitHostPort(*a.addr)
		v.check(err != nil || c.Expose || IsLoopback(host), a.key, "%s can be reached from other machines; that needs expose (--expose)", *a.addr)
	}
	_, zoneErr := time.LoadLocation(c.Receivers.SyslogTimezone)
	v.check(zoneErr == nil, "receivers.syslog_timezone", "must be the name of a zone such as Europe/Berlin, not %q", c.Receivers.SyslogTimezone)
	for _, n := range c.Receivers.TrustedNetworks {
		_, netErr := netip.ParsePrefix(n)
		_, addrErr := netip.ParseAddr(n)
		v.check(netErr == nil || addrErr == nil, "receivers.trusted_networks", "must be networks such as 10.0.0.0/8 or addresses, not %q", n)
	}
	v.check((c.TLSCert == "") == (c.TLSKey == ""), "tls_cert", "and tls_key go together: set both or none")
	v.check(c.TLSCert == "" || c.TLS != TLSOff, "tls_cert", "is given, but tls is off")
	v.backends(c)
	v.limits(c)
	v.alerting(c)
	v.check(c.Agent.Interval >= time.Second, "agent.interval", "must be at least 1s, not %s", c.Agent.Interval)
	v.endpoint("agent.endpoint", c.Agent.Endpoint)
	v.check(c.StopTimeout > 0, "stop_timeout", "must be longer than 0")
	slices.SortFunc(v.errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	if err := errors.Join(v.errs...); err != nil {
		return invalid(err)
	}
	return nil
}

// validator gathers mistakes.
type validator struct{ errs []error }

// check notes a mistake with key unless ok.
func (v *validator) check(ok bool, key, format string, args ...any) {
	if !ok {
		v.errs = append(v.errs, fmt.Errorf("%s %s", key, fmt.Sprintf(format, args...)))
	}
}

// backends checks the addresses of transport and store.
func (v *validator) backends(c *Config) {
	v.url("nats_url", c.NATS.URL, "nats", "tls")
	v.url("clickhouse_url", c.ClickHouse.URL, "clickhouse")
	if c.ClickHouse.SQLURL != "" {
		v.url("clickhouse_sql_url", c.ClickHouse.SQLURL, "http", "https")
	}
	v.check(isName(c.ClickHouse.Cluster), "clickhouse_cluster", "must be letters, digits and _, not %q", c.ClickHouse.Cluster)
	v.check(c.ClickHouse.Cluster == "" || !c.ClickHouseEmbedded(), "clickhouse_cluster", "is for servers elsewhere, but clickhouse_url is %s", Embedded)
	v.check(!c.ClickHouse.Replicated || c.ClickHouse.Cluster != "", "clickhouse_replicated", "needs clickhouse_cluster")
	if c.NATS.Listen != "" {
		v.address("nats_listen", c.NATS.Listen)
		v.check(c.NATSEmbedded(), "nats_listen", "is for the embedded transport, but nats_url is %s", redact(c.NATS.URL))
	}
	const leastMemory = 256 << 20 // Below this the engine cannot merge a part.
	v.check(c.Engine.MemoryBytes == 0 || c.Engine.MemoryBytes >= leastMemory, "engine_memory", "must be 0 or at least 256MiB, not %s", formatSize(c.Engine.MemoryBytes))
	const leastStore = 64 << 20 // Below this the streams have no room for a second of ingest.
	v.check(c.NATS.MaxBytes == 0 || c.NATS.MaxBytes >= leastStore, "nats_max_bytes", "must be 0 or at least 64MiB, not %s", formatSize(c.NATS.MaxBytes))
	v.check(c.Shards >= 1 && c.Shards <= 256, "shards", "must be from 1 to 256, not %d", c.Shards)
}

// isName reports whether text can stand in a statement as a name; the cluster's goes there as it is.
func isName(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// limits checks what is taken in and how long it stays.
func (v *validator) limits(c *Config) {
	for key, d := range map[string]time.Duration{
		"retention.metrics": c.Retention.Metrics, "retention.metrics_5m": c.Retention.Metrics5m, "retention.metrics_1h": c.Retention.Metrics1h,
		"retention.logs": c.Retention.Logs, "retention.spans": c.Retention.Spans, "retention.changes": c.Retention.Changes,
		"retention.findings": c.Retention.Findings, "retention.incidents": c.Retention.Incidents,
	} {
		v.check(d == 0 || d >= day, key, "must be 0 (for ever) or at least 1d, not %s", d)
	}
	v.check(c.Disk.WarnRatio > 0 && c.Disk.WarnRatio < c.Disk.DropRatio && c.Disk.DropRatio < 1, "disk.warn_ratio",
		"and disk.drop_ratio must rise between 0 and 1, not %g and %g", c.Disk.WarnRatio, c.Disk.DropRatio)
	v.check(c.Limits.MaxBodyBytes >= 1<<20 && c.Limits.MaxBodyBytes <= 1<<30, "limits.max_body_bytes", "must be from 1MiB to 1GiB, not %s", formatSize(c.Limits.MaxBodyBytes))
	for key, n := range map[string]int{
		"limits.max_labels": c.Limits.MaxLabels, "limits.max_label_name_bytes": c.Limits.MaxLabelNameBytes,
		"limits.max_label_value_bytes": c.Limits.MaxLabelValueBytes, "limits.max_series": c.Limits.MaxSeries,
		"query.max_concurrent": c.Query.MaxConcurrent, "query.max_queued": c.Query.MaxQueued, "query.max_samples": c.Query.MaxSamples, "query.max_series": c.Query.MaxSeries,
	} {
		v.check(n > 0, key, "must be more than 0, not %d", n)
	}
	v.check(c.Query.Timeout >= time.Second, "query.timeout", "must be at least 1s, not %s", c.Query.Timeout)
	v.check(c.Query.QueueTimeout > 0, "query.queue_timeout", "must be more than 0, not %s", c.Query.QueueTimeout)
	v.check(c.Query.MaxMemory == 0 || c.Query.MaxMemory >= 256<<20, "query.max_memory", "must be 0 or at least 256MiB, not %s", formatSize(c.Query.MaxMemory))
	v.check(c.Limits.MaxFuture >= time.Second, "limits.max_future", "must be at least 1s, not %s", c.Limits.MaxFuture)
}

// address checks host:port.
func (v *validator) address(key, addr string) {
	_, port, err := net.SplitHostPort(addr)
	n, numErr := strconv.Atoi(port)
	v.check(err == nil && numErr == nil && n >= 0 && n <= 65535, key, "must be host:port such as 127.0.0.1:8080, not %q", addr)
}

// url checks the address of a backend.
func (v *validator) url(key, text string, schemes ...string) {
	if text == Embedded {
		return
	}
	u, err := url.Parse(text)
	ok := err == nil && u.Host != ""
	if ok {
		ok = false
		for _, s := range schemes {
			ok = ok || u.Scheme == s
		}
	}
	v.check(ok, key, "must be %s or %s://host:port, not %q", Embedded, strings.Join(schemes, "://… or "), redact(text))
}

// endpoint checks an HTTP address.
func (v *validator) endpoint(key, text string) {
	u, err := url.Parse(text)
	v.check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), key, "must be http://host:port or https://host:port, not %q", redact(text))
}

// redact hides the password in an address; what cannot be parsed may hold one anywhere.
func redact(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(unreadable)"
	}
	return u.Redacted()
}
