package config

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// keys returns the table of a configuration by key.
func keys(c *Config) map[string]Option {
	m := map[string]Option{}
	for _, o := range c.Options() {
		m[o.Key] = o
	}
	return m
}

func TestDefaultIsValidAndOnLoopback(t *testing.T) {
	c, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTPAddr != "127.0.0.1:8080" || c.OTLPGRPCAddr != "127.0.0.1:4317" || c.OTLPHTTPAddr != "127.0.0.1:4318" || c.TLSEnabled() {
		t.Errorf("default listens on %s, %s, %s, TLS %v", c.HTTPAddr, c.OTLPGRPCAddr, c.OTLPHTTPAddr, c.TLSEnabled())
	}
}

func TestEveryKeyInTheFileIsRead(t *testing.T) {
	c, err := Load(Sources{File: "testdata/everything.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	def := Default()
	defaults := keys(&def)
	for key, o := range keys(&c) {
		if key == "nats_listen" {
			continue // It needs the embedded transport, and this file has another.
		}
		if o.Value() == defaults[key].Value() {
			t.Errorf("%s still has its default %q", key, o.Value())
		}
	}
	if want := 52 * 7 * day; c.Retention.Metrics1h != want {
		t.Errorf("retention.metrics_1h = %s, want %s", c.Retention.Metrics1h, want)
	}
	if diff := cmp.Diff([]string{"/var/log/nginx/*.log", "/var/log/app/*.log"}, c.Agent.LogGlobs); diff != "" {
		t.Error(diff)
	}
}

func TestEveryOptionIsWrittenAsItIsRead(t *testing.T) {
	full, err := Load(Sources{File: "testdata/everything.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	env, flags := []string{}, map[string]string{}
	for key, o := range keys(&full) {
		env = append(env, o.Env()+"="+o.Value())
		flags[key] = o.Value()
	}
	for name, s := range map[string]Sources{"env": {Env: env}, "flags": {Flags: flags}} {
		got, err := Load(s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(full, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestNamesAreUniqueAndDerived(t *testing.T) {
	c := Default()
	seen := map[string]bool{}
	for _, o := range c.Options() {
		for _, name := range []string{o.Key, o.Flag(), o.Env()} {
			if seen[name] && name != o.Key { // A key without dots or underscores is its own flag.
				t.Errorf("%s is used twice", name)
			}
			seen[name] = true
		}
		if o.Usage == "" {
			t.Errorf("%s has no usage line", o.Key)
		}
	}
	o := keys(&c)["retention.metrics_5m"]
	if o.Flag() != "retention-metrics-5m" || o.Env() != "FAULTLINE_RETENTION_METRICS_5M" {
		t.Errorf("flag %q, variable %q", o.Flag(), o.Env())
	}
}

func TestLaterSourcesWin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("http_addr: 127.0.0.1:1\notlp_grpc_addr: 127.0.0.1:1\notlp_http_addr: 127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Sources{
		File:  file,
		Env:   []string{"PATH=/bin", "FAULTLINE_OTLP_GRPC_ADDR=127.0.0.1:2", "FAULTLINE_OTLP_HTTP_ADDR=127.0.0.1:2", "FAULTLINE_CONFIG=x"},
		Flags: map[string]string{"otlp_http_addr": "127.0.0.1:3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := []string{c.HTTPAddr, c.OTLPGRPCAddr, c.OTLPHTTPAddr}; !slices.Equal(got, []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}) {
		t.Errorf("file, variable, flag gave %v", got)
	}
}

func TestExposeOpensAllAndTurnsTLSOn(t *testing.T) {
	f := func(flags map[string]string, addr string, tls bool) {
		t.Helper()
		c, err := Load(Sources{Flags: flags})
		if err != nil {
			t.Fatal(err)
		}
		if c.HTTPAddr != addr || c.TLSEnabled() != tls {
			t.Errorf("%v: listens on %s, TLS %v; want %s, %v", flags, c.HTTPAddr, c.TLSEnabled(), addr, tls)
		}
	}
	f(map[string]string{"expose": "true"}, "0.0.0.0:8080", true)
	f(map[string]string{"expose": "true", "tls": "off"}, "0.0.0.0:8080", false)
	f(map[string]string{"expose": "true", "http_addr": "10.0.0.1:80"}, "10.0.0.1:80", true)
	f(map[string]string{"tls": "on"}, "127.0.0.1:8080", true)
}

func TestMistakesNameTheKey(t *testing.T) {
	f := func(yaml, want string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "bad.yaml")
		if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(Sources{File: file})
		if errs.KindOf(err) != errs.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want one with %q", yaml, err, want)
		}
	}
	f("http_adr: x", "bad.yaml:1: unknown key http_adr; did you mean http_addr?")
	f("\nretention:\n  log: 3d", "bad.yaml:3: unknown key retention.log; did you mean retention.logs?")
	f("nothing_like_it: 1\nx: y", "bad.yaml:1: unknown key nothing_like_it\n")
	f("retention: 30d", "bad.yaml:1: expected settings as `key: value` under retention")
	f("shards: 1\nshards: 2", "bad.yaml:2: shards is already set in line 1")
	f("shards: many", `bad.yaml:1: shards: "many" is not a whole number`)
	f("clickhouse_cluster: a b", "clickhouse_cluster must be letters, digits and _")
	f("clickhouse_replicated: true", "clickhouse_replicated needs clickhouse_cluster")
	f("shards: [1]", "shards: expected one value of type int")
	f("expose: perhaps", `"perhaps" is not true or false`)
	f("nats_sync: never", `"never" is not one of interval, always`)
	f("retention: {logs: 3x}", `"3x" is not a duration`)
	f("retention: {logs: 1h}", "retention.logs must be 0 (for ever) or at least 1d, not 1h0m0s")
	f("engine_memory: lots", `"lots" is not a size`)
	f("engine_memory: 1MiB", "engine_memory must be 0 or at least 256MiB, not 1MiB")
	f("disk: {warn_ratio: 0.95}", "disk.warn_ratio and disk.drop_ratio must rise")
	f("http_addr: 8080", "http_addr must be host:port")
	f("http_addr: 0.0.0.0:8080", "that needs expose")
	f("http_addr: ''", "http_addr must be host:port")
	f("nats_url: http://x:1", "nats_url must be embedded: or nats://")
	f("clickhouse_url: 'clickhouse:9000'", "clickhouse_url must be")
	f("tls_cert: a.pem", "tls_cert and tls_key go together")
	f("tls: 'off'\ntls_cert: a\ntls_key: b", "tls_cert is given, but tls is off")
	f("agent: {interval: 1ms}", "agent.interval must be at least 1s")
	f("- a", "expected settings as `key: value`")
	f("a: [", "yaml")
}

func TestSecretsInAddressesAreNotPrinted(t *testing.T) {
	_, err := Load(Sources{Flags: map[string]string{"clickhouse_url": "http://u:hunter2@h:1"}})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v shows the password, or there is none", err)
	}
}

func TestUnknownVariableIsAnError(t *testing.T) {
	_, err := Load(Sources{Env: []string{"FAULTLINE_HTTP_ADRR=1"}})
	if err == nil || !strings.Contains(err.Error(), "did you mean FAULTLINE_HTTP_ADDR?") {
		t.Errorf("error %v", err)
	}
}

func TestDurationsAndSizes(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "30d": 30 * day, "2w": 14 * day, "0.5d": 12 * time.Hour} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("duration %q = %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "-1d", "NaNd", "Infd", "1e300d", "-3s", "3"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("duration %q = %s, want an error", text, got)
		}
	}
	for text, want := range map[string]int64{"0": 0, "17": 17, "1KiB": 1024, "1kb": 1000, "1.5 GiB": 3 << 29, "2GB": 2e9, "3B": 3} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("size %q = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "B", "-1", "NaN", "1e30", "1XB", "InfTiB"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("size %q = %d, want an error", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	full, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	for _, s := range []string{"", "a: &a [*a]", "? {a: b}\n: c", "retention: {retention: {logs: 1d}}", "shards: 0x10", "<<: {shards: 3}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := Default()
		if parse("f", text, keys(&c)) != nil {
			return
		}
		// What was accepted can be written and read again without a change.
		again := Default()
		for key, o := range keys(&again) {
			if err := o.Set(keys(&c)[key].Value()); err != nil {
				t.Fatalf("%s: %v", key, err)
			}
		}
		for key, o := range maps.All(keys(&again)) {
			if want := keys(&c)[key].Value(); o.Value() != want {
				t.Fatalf("%s: %q became %q", key, want, o.Value())
			}
		}
	})
}
