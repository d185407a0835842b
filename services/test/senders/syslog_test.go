//go:build linux

package senders

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faultline-io/faultline/services/test/rig"
)

// hostname is what senders call this machine.
func hostname(t *testing.T) string {
	t.Helper()
	h, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// same compares a record with what it should be, but for its time.
func same(t *testing.T, got, want line) {
	t.Helper()
	got.recent(t)
	want.Trace = strings.Repeat("0", 32)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(line{}, "Time")); diff != "" {
		t.Errorf("%s (-want +got): %s", got.Body, diff)
	}
}

// testLogger sends with util-linux' logger in each form that it has.
func testLogger(t *testing.T, s *server) {
	logger := find(t, "logger")
	host := hostname(t)
	short, _, _ := strings.Cut(host, ".")
	for name, f := range map[string]struct {
		args []string
		host string
		body string
	}{
		"rfc5424 over UDP":        {[]string{"--udp", "--rfc5424"}, host, "over udp 5424"},
		"rfc3164 over UDP":        {[]string{"--udp", "--rfc3164"}, short, "over udp 3164"},
		"rfc5424, octets counted": {[]string{"--tcp", "--rfc5424", "--octet-count"}, host, "octets 5424"},
		"rfc3164, lines over TCP": {[]string{"--tcp", "--rfc3164"}, short, "lines 3164"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"--server", "127.0.0.1", "--port", port(s.syslog), "--priority", "local3.err", "--tag", "shop", "--id=4711"}, f.args...)
			want := line{
				Service: "shop", Host: f.host, Severity: 17, Body: "logger: " + f.body, Resource: map[string]string{"service.name": "shop", "host.name": f.host},
				Attributes: map[string]string{"syslog.facility": "local3", "process.pid": "4711"},
			}
			if strings.HasPrefix(name, "rfc5424") {
				args = append(args, "--msgid", "ID47", "--sd-id", "order@32473", "--sd-param", `total="12.50"`, "--sd-param", `note="a \"quoted\" word"`)
				want.Attributes["syslog.msgid"], want.Attributes["order@32473.total"], want.Attributes["order@32473.note"] = "ID47", "12.50", `a "quoted" word`
			}
			logger.run(t, "", append(args, "logger: "+f.body)...)
			got := s.logs(t, "logger: "+f.body, 1)[0]
			for k := range got.Attributes { // What logger says of the clock's quality.
				if strings.HasPrefix(k, "timeQuality.") {
					delete(got.Attributes, k)
				}
			}
			same(t, got, want)
		})
	}
}

// testRsyslog forwards as rsyslog does, in the ways that the page of syslog has, and to Elasticsearch's API.
func testRsyslog(t *testing.T, s *server) {
	rsyslogd, logger := find(t, "rsyslogd"), find(t, "logger")
	dir := shortDir(t)
	conf := filepath.Join(dir, "rsyslog.conf")
	to := `target="127.0.0.1" port="` + port(s.syslog) + `"`
	writeFile(t, conf, `
global(workDirectory="`+dir+`" localHostname="web1.example.org" preserveFQDN="on")
module(load="imuxsock" SysSock.Use="off")
module(load="omelasticsearch")
input(type="imuxsock" Socket="`+dir+`/log" CreatePath="on")
template(name="faultline" type="list" option.jsonf="on") {
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
  property(outname="level" name="syslogseverity-text" format="jsonf")
  property(outname="service" name="programname" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
}
if $programname == "udp" then action(type="omfwd" `+to+` protocol="udp" template="RSYSLOG_SyslogProtocol23Format")
if $programname == "old" then action(type="omfwd" `+to+` protocol="tcp" template="RSYSLOG_TraditionalForwardFormat")
if $programname == "octets" then action(type="omfwd" `+to+` protocol="tcp" tcp_framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format")
if $programname == "elastic" then action(type="omelasticsearch" server="127.0.0.1" serverport="`+port(s.elastic)+`" searchIndex="app" searchType="" bulkmode="on" template="faultline")
`)
	rsyslogd.start(t, "-n", "-f", conf, "-i", filepath.Join(dir, "pid"), "-M", rsyslogd.file("usr/lib/x86_64-linux-gnu/rsyslog"))
	waitFile(t, filepath.Join(dir, "log"))
	for _, tag := range []string{"udp", "old", "octets", "elastic"} {
		logger.run(t, "", "--socket", filepath.Join(dir, "log"), "--tag", tag, "--id=77", "--priority", "daemon.warning", "rsyslog "+tag+": disk is almost full")
	}
	for _, tag := range []string{"udp", "old", "octets"} {
		same(t, s.logs(t, "rsyslog "+tag, 1)[0], line{
			Service: tag, Host: "web1.example.org", Severity: 13, Body: "rsyslog " + tag + ": disk is almost full",
			Resource:   map[string]string{"service.name": tag, "host.name": "web1.example.org"},
			Attributes: map[string]string{"syslog.facility": "daemon", "process.pid": "77"},
		})
	}
	same(t, s.logs(t, "rsyslog elastic", 1)[0], line{
		Service: "elastic", Host: "web1.example.org", Severity: 13, Body: " rsyslog elastic: disk is almost full",
		Resource:   map[string]string{"service.name": "elastic", "host.name": "web1.example.org"},
		Attributes: map[string]string{"elastic.index": "app"},
	})
}

// syslogNG returns the arguments of a syslog-ng that keeps its state in dir.
func (x tool) syslogNG(dir, conf string) []string {
	args := []string{"--foreground", "--no-caps", "--cfgfile", conf, "--persist-file", filepath.Join(dir, "persist"), "--pidfile", filepath.Join(dir, "pid"), "--control", filepath.Join(dir, "ctl")}
	if x.root != "/" {
		args = append(args, "--module-path", x.file("usr/lib/syslog-ng/3.38"))
	}
	return args
}

// testSyslogNG forwards as syslog-ng does.
func testSyslogNG(t *testing.T, s *server) {
	ng, logger := find(t, "syslog-ng"), find(t, "logger")
	dir := shortDir(t)
	conf := filepath.Join(dir, "syslog-ng.conf")
	writeFile(t, conf, `@version: 3.38
options { keep-hostname(yes); use-dns(no); dns-cache(no); stats-freq(0); flush-lines(1); };
source s_local { unix-dgram("`+dir+`/log"); };
rewrite r_host { set("web2", value("HOST")); };
destination d_new { syslog("127.0.0.1" port(`+port(s.syslog)+`) transport("tcp") persist-name("new")); };
destination d_udp { syslog("127.0.0.1" port(`+port(s.syslog)+`) transport("udp") persist-name("udp")); };
destination d_old { network("127.0.0.1" port(`+port(s.syslog)+`) transport("tcp") persist-name("old")); };
log { source(s_local); rewrite(r_host); filter { program("ngnew") }; destination(d_new); };
log { source(s_local); rewrite(r_host); filter { program("ngudp") }; destination(d_udp); };
log { source(s_local); rewrite(r_host); filter { program("ngold") }; destination(d_old); };
`)
	ng.start(t, ng.syslogNG(dir, conf)...)
	waitFile(t, filepath.Join(dir, "log"))
	for _, tag := range []string{"ngnew", "ngudp", "ngold"} {
		logger.run(t, "", "--socket", filepath.Join(dir, "log"), "--tag", tag, "--id=78", "--priority", "mail.crit", "syslog-ng "+tag+": mailbox gone")
		want := line{
			Service: tag, Host: "web2", Severity: 21, Body: "syslog-ng " + tag + ": mailbox gone",
			Resource:   map[string]string{"service.name": tag, "host.name": "web2"},
			Attributes: map[string]string{"syslog.facility": "mail", "process.pid": "78"},
		}
		if tag != "ngold" { // RFC 5424 has room for what syslog-ng adds.
			want.Attributes["meta.sequenceId"] = "1"
		}
		same(t, s.logs(t, "syslog-ng "+tag, 1)[0], want)
	}
}

// testJournalUpload makes a journal without systemd, and uploads it as a host does.
func testJournalUpload(t *testing.T, s *server) {
	remote, upload := find(t, "systemd-journal-remote"), find(t, "systemd-journal-upload")
	dir := t.TempDir()
	journal := filepath.Join(dir, "host.journal")
	remote.run(t, `__REALTIME_TIMESTAMP=`+micros()+`
__MONOTONIC_TIMESTAMP=1000
_BOOT_ID=4a9ef60b1f304b1d8c1c0b7a0a0a0a0a
MESSAGE=journal: worker started
PRIORITY=5
SYSLOG_IDENTIFIER=nginx
SYSLOG_FACILITY=3
_PID=99
_COMM=nginx
_EXE=/usr/sbin/nginx
_HOSTNAME=web3
_MACHINE_ID=0123456789abcdef0123456789abcdef
_SYSTEMD_UNIT=nginx.service
_TRANSPORT=stdout
CODE_LINE=12

__REALTIME_TIMESTAMP=`+micros()+`
__MONOTONIC_TIMESTAMP=2000
_BOOT_ID=4a9ef60b1f304b1d8c1c0b7a0a0a0a0a
MESSAGE=journal: worker died
PRIORITY=2
_HOSTNAME=web3
_MACHINE_ID=0123456789abcdef0123456789abcdef
_SYSTEMD_UNIT=nginx.service

`, "--output", journal, "-")
	upload.start(t, "--url", s.URL+"/journald", "--file", journal, "--save-state="+filepath.Join(dir, "state"))
	resource := map[string]string{"service.name": "nginx", "host.name": "web3", "host.id": "0123456789abcdef0123456789abcdef", "systemd.unit": "nginx.service"}
	got := s.logs(t, "journal: worker started", 1)[0]
	if got.Attributes["process.pid"] != "99" || got.Attributes["syslog.identifier"] != "nginx" || got.Attributes["code.line.number"] != "12" || got.Attributes["process.executable.path"] != "/usr/sbin/nginx" {
		t.Errorf("%v", got.Attributes)
	}
	got.Attributes = nil
	same(t, got, line{Service: "nginx", Host: "0123456789abcdef0123456789abcdef", Severity: 10, Body: "journal: worker started", Resource: resource})
	got = s.logs(t, "journal: worker died", 1)[0]
	got.Attributes = nil
	same(t, got, line{Service: "nginx", Host: "0123456789abcdef0123456789abcdef", Severity: 21, Body: "journal: worker died", Resource: resource})
	var page struct{ Items []struct{ Body string } }
	if err := s.JSON(t, "/api/v1/logs?query="+escape(`service:nginx worker died`), &page); err != nil || len(page.Items) != 1 {
		b, _ := json.Marshal(page)
		t.Errorf("%v %s", err, b)
	}
}

// waitFile waits until a file is there.
func waitFile(t *testing.T, path string) {
	t.Helper()
	rig.Eventually(t, path+" is there", func() (bool, string) {
		_, err := os.Stat(path)
		return err == nil, "not yet"
	})
}
