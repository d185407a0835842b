package config

import (
	"slices"
	"strings"
)

// EnvPrefix begins every variable.
const EnvPrefix = "FAULTLINE_"

// Option is one setting: how it is called in the three places, and how its value is read and written.
type Option struct {
	Key   string // In the file, with a dot for each level: "retention.logs".
	Usage string // One line for --help; names the accepted values.
	value value  // Bound to a field of one Config.
}

// Flag returns the name of the flag, without dashes: "retention-logs".
func (o Option) Flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(o.Key) }

// Env returns the name of the variable: "FAULTLINE_RETENTION_LOGS".
func (o Option) Env() string { return EnvPrefix + strings.ToUpper(strings.ReplaceAll(o.Key, ".", "_")) }

// Value returns the value as text in the form that Set takes.
func (o Option) Value() string { return o.value.String() }

// Type names the kind of value for --help: string, bool, int, duration, size, ratio or list.
func (o Option) Type() string { return o.value.Type() }

// Set parses text into the field. The error names the accepted form, not the key.
func (o Option) Set(text string) error { return o.value.Set(text) }

// Options returns the table of all settings, bound to c.
func (c *Config) Options() []Option {
	return slices.Concat(c.baseOptions(), c.backendOptions(), c.dataOptions(), c.receiverOptions(), c.alertingOptions(), c.agentOptions())
}

// baseOptions are where things are and who may reach them.
func (c *Config) baseOptions() []Option {
	return []Option{
		{"data_dir", "folder for all data, keys and passwords", str(&c.DataDir)},
		{"http_addr", "host:port of console, query API and ingest over HTTP", str(&c.HTTPAddr)},
		{"otlp_grpc_addr", "host:port for OTLP over gRPC; empty is off", str(&c.OTLPGRPCAddr)},
		{"otlp_http_addr", "host:port for OTLP over HTTP; empty is off", str(&c.OTLPHTTPAddr)},
		{"expose", "listen on all addresses: asks senders for the ingest key and people for a password, and turns TLS on", boolean(&c.Expose)},
		{"tls", "TLS on the listeners: auto (on with expose), on, or off", enum(&c.TLS, TLSAuto, TLSOn, TLSOff)},
		{"tls_cert", "PEM file with the certificate chain; empty makes a self-signed one in the data folder", str(&c.TLSCert)},
		{"tls_key", "PEM file with the certificate's key", str(&c.TLSKey)},
		{"admin_password_file", "file with the first password of the user admin; empty is admin-password in the data folder", str(&c.AdminPasswordFile)},
		{"ingest_key_file", "file with the key of senders from other machines; empty is ingest-key in the data folder", str(&c.IngestKeyFile)},
		{"stop_timeout", "time for an orderly stop", duration(&c.StopTimeout)},
		{"log.level", "least level of our own log: debug, info, warn or error", enum(&c.Log.Level, "debug", "info", "warn", "error")},
		{"log.format", "form of our own log: text or json", enum(&c.Log.Format, "text", "json")},
	}
}

// backendOptions are the transport and the store.
func (c *Config) backendOptions() []Option {
	return []Option{
		{"nats_url", "transport: embedded: or nats://host:port", str(&c.NATS.URL)},
		{"nats_sync", "when an accepted batch is on the disk: interval (survives kill -9) or always (survives power loss)", enum(&c.NATS.Sync, SyncInterval, SyncAlways)},
		{"nats_max_bytes", "bound of the embedded transport's store; 0 is a fifth of the free disk, at most 20GiB", size(&c.NATS.MaxBytes)},
		{"nats_listen", "host:port on which the embedded transport takes role binaries; empty is off", str(&c.NATS.Listen)},
		{"clickhouse_url", "store: embedded: or clickhouse://user:password@host:9000/faultline", str(&c.ClickHouse.URL)},
		{"clickhouse_sql_url", "address for people's SQL where ClickHouse is elsewhere: http://user:password@host:8123/faultline, with the user of docs/api/sql.md; empty is no SQL", str(&c.ClickHouse.SQLURL)},
		{"clickhouse_cluster", "name of the ClickHouse cluster over whose servers the tables are spread; empty is a single server", str(&c.ClickHouse.Cluster)},
		{"clickhouse_replicated", "use replicated tables, with the macros {shard} and {replica} of each server", boolean(&c.ClickHouse.Replicated)},
		{"engine_path", "the engine library libchdb.so; empty looks beside the binary, in the data folder and in the checkout", str(&c.Engine.Path)},
		{"engine_memory", "most memory of the embedded engine; 0 is 40 % of the machine's, at most 2GiB", size(&c.Engine.MemoryBytes)},
		{"shards", "number of shards of the telemetry streams; fixed once data is there", integer(&c.Shards)},
	}
}

// dataOptions are how much is taken in and how long it is kept.
func (c *Config) dataOptions() []Option {
	return []Option{
		{"retention.metrics", "how long raw samples are kept, for example 400d; 0 is for ever", duration(&c.Retention.Metrics)},
		{"retention.metrics_5m", "how long five-minute rollups are kept", duration(&c.Retention.Metrics5m)},
		{"retention.metrics_1h", "how long hourly rollups are kept", duration(&c.Retention.Metrics1h)},
		{"retention.logs", "how long logs are kept", duration(&c.Retention.Logs)},
		{"retention.spans", "how long traces are kept", duration(&c.Retention.Spans)},
		{"retention.changes", "how long changes (deployments and the like) are kept", duration(&c.Retention.Changes)},
		{"retention.findings", "how long findings are kept", duration(&c.Retention.Findings)},
		{"retention.incidents", "how long incidents and what people did with them are kept", duration(&c.Retention.Incidents)},
		{"disk.warn_ratio", "fill level of the data disk from which every page says so", ratio(&c.Disk.WarnRatio)},
		{"disk.drop_ratio", "fill level from which the oldest partitions are dropped", ratio(&c.Disk.DropRatio)},
		{"limits.max_body_bytes", "largest request after decompression", size(&c.Limits.MaxBodyBytes)},
		{"limits.max_labels", "most labels of a series", integer(&c.Limits.MaxLabels)},
		{"limits.max_label_name_bytes", "longest label name", integer(&c.Limits.MaxLabelNameBytes)},
		{"limits.max_label_value_bytes", "longest label value", integer(&c.Limits.MaxLabelValueBytes)},
		{"limits.max_series", "most active series of a tenant", integer(&c.Limits.MaxSeries)},
		{"limits.max_future", "how far ahead of our clock a time stamp may be", duration(&c.Limits.MaxFuture)},
		{"pipeline", "file with what is done to telemetry on its way (docs/pipeline.md); empty redacts secrets and nothing else", str(&c.Pipeline)},
		{"query.max_concurrent", "most queries that run at once", integer(&c.Query.MaxConcurrent)},
		{"query.max_queued", "most queries that wait for their turn; more are refused at once", integer(&c.Query.MaxQueued)},
		{"query.queue_timeout", "how long a query waits for its turn", duration(&c.Query.QueueTimeout)},
		{"query.timeout", "how long a query may run", duration(&c.Query.Timeout)},
		{"query.max_samples", "most samples that a PromQL query holds at once, and that a selector reads", integer(&c.Query.MaxSamples)},
		{"query.max_series", "most series that a selector matches", integer(&c.Query.MaxSeries)},
		{"query.max_memory", "memory of the process from which on PromQL queries are ended, the longest running first; 0 is half of the machine's, at most 4GiB", size(&c.Query.MaxMemory)},
		{"query.pushdown", "let the planner evaluate the shapes of PromQL that it knows: on, or off for Prometheus' engine alone", enum(&c.Query.Pushdown, PushdownOn, PushdownOff)},
		{"query.cache_bytes", "most memory for packed samples that queries have read; 0 keeps none", size(&c.Query.CacheBytes)},
		{"scrape_config", "Prometheus configuration file with scrape_configs; empty is no scraping", str(&c.ScrapeConfig)},
	}
}

// receiverOptions are the protocols with a port of their own.
func (c *Config) receiverOptions() []Option {
	r := &c.Receivers
	return []Option{
		{"receivers.syslog_addr", "host:port for syslog over UDP and TCP, as 127.0.0.1:5514; empty is off", str(&r.Syslog)},
		{"receivers.syslog_tls_addr", "host:port for syslog over TLS, as 0.0.0.0:6514; empty is off", str(&r.SyslogTLS)},
		{"receivers.gelf_addr", "host:port for GELF over UDP and TCP, as 127.0.0.1:12201; empty is off", str(&r.GELF)},
		{"receivers.fluent_addr", "host:port for Fluent forward, as 127.0.0.1:24224; empty is off", str(&r.Fluent)},
		{"receivers.fluent_tls_addr", "host:port for Fluent forward over TLS, as 0.0.0.0:24284; empty is off", str(&r.FluentTLS)},
		{"receivers.elastic_addr", "host:port for Elasticsearch bulk over HTTP, for senders that cannot be given a path, as 127.0.0.1:9200; empty is off", str(&r.Elastic)},
		{"receivers.statsd_addr", "host:port for statsd and DogStatsD over UDP and TCP, as 127.0.0.1:8125; empty is off", str(&r.Statsd)},
		{"receivers.graphite_addr", "host:port for Graphite plaintext over UDP and TCP, as 127.0.0.1:2003; empty is off", str(&r.Graphite)},
		{"receivers.zipkin_addr", "host:port for Zipkin over HTTP, as 127.0.0.1:9411; empty is off", str(&r.Zipkin)},
		{"receivers.jaeger_http_addr", "host:port for Jaeger Thrift over HTTP, as 127.0.0.1:14268; empty is off", str(&r.JaegerHTTP)},
		{"receivers.jaeger_grpc_addr", "host:port for Jaeger over gRPC, as 127.0.0.1:14250; empty is off", str(&r.JaegerGRPC)},
		{"receivers.trusted_networks", "networks whose senders are taken without a key where the protocol knows none, as 10.0.0.0/8,192.0.2.7", list(&r.TrustedNetworks)},
		{"receivers.webhook_secret_file", "file with the secret that GitHub, GitLab and Flux sign their webhooks with; empty asks for the ingest key instead", str(&r.WebhookSecretFile)},
		{"receivers.fluent_shared_key_file", "file with the shared key of Fluent forward: senders must prove that they know it, and then are taken from everywhere; empty asks for nothing", str(&r.FluentSharedKeyFile)},
		{"receivers.syslog_timezone", "zone of syslog times that name none, as Europe/Berlin; empty is the zone of this machine", str(&r.SyslogTimezone)},
	}
}

// agentOptions are the collector for this host.
func (c *Config) agentOptions() []Option {
	return []Option{
		{"agent.enabled", "collect this host's metrics and logs in the all-in-one", boolean(&c.Agent.Enabled)},
		{"agent.interval", "time between two readings of the host's metrics", duration(&c.Agent.Interval)},
		{"agent.log_globs", "files to follow, separated by commas: /var/log/nginx/*.log", list(&c.Agent.LogGlobs)},
		{"agent.journal", "follow the systemd journal where there is one", boolean(&c.Agent.Journal)},
		{"agent.endpoint", "URL of the gateway's OTLP/HTTP for `faultline agent`", str(&c.Agent.Endpoint)},
		{"agent.key_file", "file with the ingest key for `faultline agent`", str(&c.Agent.KeyFile)},
	}
}
