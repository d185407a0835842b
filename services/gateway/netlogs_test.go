package gateway

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zlib"
	"github.com/tinylib/msgp/msgp"

	"github.com/faultline-io/faultline/services/gateway/intake/intaketest"
	"github.com/faultline-io/faultline/services/internal/app"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// logRig is a gateway with the listeners for logs, each on a port of its own.
type logRig struct {
	g    *Gateway
	rec  *recorder
	addr map[string]string
}

func newLogRig(t *testing.T, change func(*Config)) *logRig {
	t.Helper()
	rec := &recorder{t: t}
	cfg := Default()
	cfg.Receivers = Receivers{Syslog: "127.0.0.1:0", GELF: "127.0.0.1:0", Fluent: "127.0.0.1:0", SyslogTimezone: "UTC"}
	if change != nil {
		change(&cfg)
	}
	g, err := New(cfg, Deps{Publisher: rec, Auth: keys{}})
	if err != nil {
		t.Fatal(err)
	}
	x := &logRig{g: g, rec: rec, addr: map[string]string{}}
	for _, p := range g.logParts() {
		startPart(t, p)
		x.addr[p.Name()] = p.(interface{ Addr() string }).Addr()
	}
	return x
}

func (x *logRig) dial(t *testing.T, network, part string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, x.addr[part])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(waitLimit)); err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, c io.Writer, parts ...[]byte) {
	t.Helper()
	for _, p := range parts {
		if _, err := c.Write(p); err != nil {
			t.Fatal(err)
		}
	}
}

// wait returns the rows once there are n.
func (r *recorder) wait(t *testing.T, n int) []intaketest.Row {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(waitLimit)
	for {
		if rows := r.rows(); len(rows) >= n {
			return rows
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%d rows, want %d", len(r.rows()), n)
		}
	}
}

func (x *logRig) batches() int {
	x.rec.mu.Lock()
	defer x.rec.mu.Unlock()
	return len(x.rec.logs)
}

func TestSyslogOverSockets(t *testing.T) {
	x := newLogRig(t, nil)
	stamp := time.Now().UTC().Format(time.RFC3339)
	udp := x.dial(t, "udp", "gateway-syslog-udp")
	for i := range 100 {
		write(t, udp, fmt.Appendf(nil, "<11>1 %s web1 app 7 - - udp %d", stamp, i))
	}
	rows := x.rec.wait(t, 100)
	if n := x.batches(); n > 20 {
		t.Errorf("%d batches for 100 datagrams", n)
	}
	if r := rows[0]; r.Body != "udp 0" || r.Service != "app" || r.Host != "web1" || r.Severity != 17 {
		t.Errorf("%+v", r)
	}
	tcp := x.dial(t, "tcp", "gateway-syslog-tcp")
	counted := "<14>" + time.Now().UTC().Format(time.Stamp) + " web2 su[3]: two\nlines"
	write(t, tcp, fmt.Appendf(nil, "%d %s", len(counted), counted), []byte("<14>line\n<14>an"))
	rows = x.rec.wait(t, 102)
	if r := rows[100]; r.Body != "two\nlines" || r.Service != "su" || r.Host != "web2" || r.Attrs["process.pid"] != "3" {
		t.Errorf("%+v", r)
	}
	write(t, tcp, []byte("other\n")) // The pause within a line lost nothing.
	if rows = x.rec.wait(t, 103); rows[102].Body != "another" || rows[102].Host != "127.0.0.1" {
		t.Errorf("%+v", rows[102])
	}
	write(t, tcp, []byte("<14>no end"))
	if err := tcp.Close(); err != nil {
		t.Fatal(err)
	}
	if rows = x.rec.wait(t, 104); rows[103].Body != "no end" {
		t.Errorf("%+v", rows[103])
	}
}

// certificate writes a certificate for 127.0.0.1 and returns its files and the pool that trusts it.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, b := range map[string][]byte{certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return certFile, keyFile, pool
}

func TestSyslogOverTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	x := newLogRig(t, func(c *Config) {
		c.Receivers.SyslogTLS, c.TLSCertFile, c.TLSKeyFile = "127.0.0.1:0", cert, key
	})
	plain := x.dial(t, "tcp", "gateway-syslog-tls")
	write(t, plain, []byte("<14>not encrypted\n"))
	c := tls.Client(x.dial(t, "tcp", "gateway-syslog-tls"), &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
	write(t, c, []byte("<14>app: encrypted\n"))
	if rows := x.rec.wait(t, 1); rows[0].Body != "encrypted" {
		t.Errorf("%+v", rows)
	}
	g, err := New(Config{Shards: 1, Limits: Default().Limits, Receivers: Receivers{SyslogTLS: "127.0.0.1:0"}}, Deps{Publisher: x.rec})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.logParts()[0].Run(context.Background()); errs.KindOf(err) != errs.Invalid {
		t.Errorf("TLS without a certificate: %v", err)
	}
}

func TestGELFOverSockets(t *testing.T) {
	x := newLogRig(t, nil)
	udp := x.dial(t, "udp", "gateway-gelf-udp")
	msg := func(text string) []byte {
		return fmt.Appendf(nil, `{"version":"1.1","host":"web1","short_message":%q,"level":3}`, text)
	}
	long := msg(strings.Repeat("long ", 2000))
	var zipped bytes.Buffer
	w := zlib.NewWriter(&zipped)
	write(t, w, msg("zlib"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, udp, msg("plain"), zipped.Bytes(), pack(t, "gzip", msg("gzip")), []byte("garbage"))
	parts := (len(long) + 999) / 1000
	for i := range parts { // the last first
		seq := parts - 1 - i
		head := []byte{0x1e, 0x0f, 1, 2, 3, 4, 5, 6, 7, 8, byte(seq), byte(parts)}
		write(t, udp, append(head, long[seq*1000:min((seq+1)*1000, len(long))]...))
	}
	rows := x.rec.wait(t, 4)
	for i, want := range []string{"plain", "zlib", "gzip", "long long"} {
		if !strings.HasPrefix(rows[i].Body, want) || rows[i].Severity != 17 || rows[i].Host != "web1" {
			t.Errorf("%d: %.100v", i, rows[i])
		}
	}
	tcp := x.dial(t, "tcp", "gateway-gelf-tcp")
	write(t, tcp, append(msg("one"), 0), append(append([]byte("\n"), msg("two")...), 0), []byte("x\x00"), append(msg("three"), 0))
	if rows = x.rec.wait(t, 7); rows[6].Body != "three" {
		t.Errorf("%+v", rows[6])
	}
}

func TestFluentOverSockets(t *testing.T) {
	x := newLogRig(t, nil)
	c := x.dial(t, "tcp", "gateway-fluent")
	message := func(text, chunk string) []byte {
		b := msgp.AppendArrayHeader(nil, 4)
		b = msgp.AppendInt64(msgp.AppendString(b, "app.web"), time.Now().Unix())
		b, err := msgp.AppendIntf(b, map[string]any{"message": text, "level": "warn"})
		if err != nil {
			t.Fatal(err)
		}
		option := map[string]any{}
		if chunk != "" {
			option["chunk"] = chunk
		}
		if b, err = msgp.AppendIntf(b, option); err != nil {
			t.Fatal(err)
		}
		return b
	}
	m := message("one", "Y2h1bms=")
	write(t, c, m[:10], m[10:])
	want := "\x81\xa3ack\xa8Y2h1bms="
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("%q %v", got, err)
	}
	rows := x.rec.rows() // What is acknowledged is published.
	if len(rows) != 1 || rows[0].Body != "one" || rows[0].Service != "app.web" || rows[0].Severity != 13 {
		t.Errorf("%+v", rows)
	}
	for range 50 {
		write(t, c, message("two", ""))
	}
	x.rec.wait(t, 51)
	if n := x.batches(); n > 20 {
		t.Errorf("%d batches for 51 messages", n)
	}
	other := x.dial(t, "tcp", "gateway-fluent") // Another protocol is hung up on.
	write(t, other, []byte("GET / HTTP/1.1\r\n\r\n"))
	if _, err := io.ReadAll(other); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error(err)
	}
}

// While the bus is full nothing is lost over TCP: the sender is slowed down, and goes on when there is room.
func TestStreamsWaitForTheBus(t *testing.T) {
	x := newLogRig(t, nil)
	refused := make(chan struct{}, 1000)
	x.rec.setFail(func(*bus.Message) error {
		select {
		case refused <- struct{}{}:
		default:
		}
		return errs.New(errs.Exhausted, "stream is full")
	})
	tcp := x.dial(t, "tcp", "gateway-syslog-tcp")
	for i := range 200 {
		write(t, tcp, fmt.Appendf(nil, "<14>app: %d\n", i))
	}
	receive(t, refused)
	receive(t, refused)
	x.rec.setFail(nil)
	rows := x.rec.wait(t, 200)
	for i, r := range rows {
		if r.Body != fmt.Sprint(i) {
			t.Fatalf("%d: %s", i, r.Body)
		}
	}
}

// A stop publishes what was received before it, over datagrams and streams.
func TestStopPublishes(t *testing.T) {
	rec := &recorder{t: t}
	g, err := New(Default(), Deps{Publisher: rec})
	if err != nil {
		t.Fatal(err)
	}
	g.cfg.Receivers.Syslog = "127.0.0.1:0"
	parts := g.logParts()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, len(parts))
	var conns []net.Conn
	for i, p := range parts {
		go func() { done <- p.Run(ctx) }()
		<-p.(app.Readier).Ready()
		c, err := net.Dial([]string{"tcp", "udp"}[i], p.(interface{ Addr() string }).Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	for i, c := range conns {
		for n := range 20 {
			write(t, c, fmt.Appendf(nil, "<14>app: %d %d\n", i, n))
		}
	}
	rec.wait(t, 1) // Some are there, so that the connection is accepted; the others are on their way.
	cancel()
	for range parts {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	n := map[string]int{}
	for _, r := range rec.rows() {
		n[r.Body[:1]]++
	}
	if n["0"] == 0 && n["1"] == 0 {
		t.Errorf("%v", n)
	}
}

func TestTimezoneSetting(t *testing.T) {
	c := Default()
	c.Receivers.SyslogTimezone = "Mars/Olympus"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "syslog_timezone") {
		t.Error(err)
	}
}
