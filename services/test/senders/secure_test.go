//go:build linux

package senders

import (
	"path/filepath"
	"testing"
)

// TestSendersOverTLS has those that can verify a certificate send to a server with TLS, trusting its own authority.
func TestSendersOverTLS(t *testing.T) {
	s := startServer(t, true)
	t.Run("rsyslog", func(t *testing.T) { testRsyslogTLS(t, s) })
	t.Run("syslog-ng", func(t *testing.T) { testSyslogNGTLS(t, s) })
	t.Run("prometheus", func(t *testing.T) { testPrometheusTLS(t, s) })
	t.Run("curl", func(t *testing.T) {
		curl := find(t, "curl")
		curl.run(t, `{"_msg":"tls: curl","service":"shop"}`, "--silent", "--show-error", "--fail-with-body", "--cacert", s.Authority(), "--data-binary", "@-", s.URL+"/insert/jsonline")
		if got := s.logs(t, "tls: curl", 1)[0]; got.Service != "shop" {
			t.Errorf("%+v", got)
		}
	})
}

func testRsyslogTLS(t *testing.T, s *server) {
	rsyslogd, logger := find(t, "rsyslogd"), find(t, "logger")
	dir := shortDir(t)
	conf := filepath.Join(dir, "rsyslog.conf")
	writeFile(t, conf, `
global(workDirectory="`+dir+`" localHostname="web1" DefaultNetstreamDriverCAFile="`+s.Authority()+`")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="`+dir+`/log" CreatePath="on")
action(type="omfwd" target="127.0.0.1" port="`+port(s.syslogTLS)+`" protocol="tcp" tcp_framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"
       StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/certvalid")
`)
	rsyslogd.start(t, "-n", "-f", conf, "-i", filepath.Join(dir, "pid"), "-M", rsyslogd.file("usr/lib/x86_64-linux-gnu/rsyslog"))
	waitFile(t, filepath.Join(dir, "log"))
	logger.run(t, "", "--socket", filepath.Join(dir, "log"), "--tag", "sshd", "--id=79", "--priority", "authpriv.notice", "tls: rsyslog says so")
	same(t, s.logs(t, "tls: rsyslog", 1)[0], line{
		Service: "sshd", Host: "web1", Severity: 10, Body: "tls: rsyslog says so", Resource: map[string]string{"service.name": "sshd", "host.name": "web1"},
		Attributes: map[string]string{"syslog.facility": "authpriv", "process.pid": "79"},
	})
}

func testSyslogNGTLS(t *testing.T, s *server) {
	ng, logger := find(t, "syslog-ng"), find(t, "logger")
	dir := shortDir(t)
	conf := filepath.Join(dir, "syslog-ng.conf")
	writeFile(t, conf, `@version: 3.38
options { keep-hostname(yes); use-dns(no); dns-cache(no); stats-freq(0); flush-lines(1); };
source s_local { unix-dgram("`+dir+`/log"); };
rewrite r_host { set("web2", value("HOST")); };
destination d_tls { syslog("127.0.0.1" port(`+port(s.syslogTLS)+`) transport("tls") tls(ca-file("`+s.Authority()+`") peer-verify(yes))); };
log { source(s_local); rewrite(r_host); destination(d_tls); };
`)
	ng.start(t, ng.syslogNG(dir, conf)...)
	waitFile(t, filepath.Join(dir, "log"))
	logger.run(t, "", "--socket", filepath.Join(dir, "log"), "--tag", "cron", "--id=80", "--priority", "cron.info", "tls: syslog-ng says so")
	same(t, s.logs(t, "tls: syslog-ng", 1)[0], line{
		Service: "cron", Host: "web2", Severity: 9, Body: "tls: syslog-ng says so", Resource: map[string]string{"service.name": "cron", "host.name": "web2"},
		Attributes: map[string]string{"syslog.facility": "cron", "process.pid": "80", "meta.sequenceId": "1"},
	})
}

func testPrometheusTLS(t *testing.T, s *server) {
	prometheus := find(t, "prometheus")
	dir, addr := t.TempDir(), address(t)
	writeFile(t, filepath.Join(dir, "prometheus.yml"), `
global: {scrape_interval: 1s}
scrape_configs:
- job_name: secure
  static_configs: [{targets: ['`+addr+`']}]
remote_write:
- url: `+s.URL+`/api/v1/write
  queue_config: {batch_send_deadline: 1s}
  authorization: {credentials_file: '`+filepath.Join(s.DataDir, "ingest-key")+`'}
  tls_config: {ca_file: '`+s.Authority()+`'}
`)
	prometheus.start(t, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=warn")
	s.query(t, `up{job="secure", instance="`+addr+`"} == 1`, 1)
}
