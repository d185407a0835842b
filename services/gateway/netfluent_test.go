package gateway

import (
	"bytes"
	"crypto/sha512"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/faultline-io/faultline/services/gateway/fluent"
	"github.com/faultline-io/faultline/services/internal/errs"
)

// fluentClient is the sender's side of the handshake, as the specification has it.
type fluentClient struct {
	net.Conn
	in *msgp.Reader
}

func (c *fluentClient) next(t *testing.T) []any {
	t.Helper()
	v, err := c.in.ReadIntf()
	if err != nil {
		t.Fatal(err)
	}
	list, ok := v.([]any)
	if !ok {
		t.Fatalf("%T", v)
	}
	return list
}

func sha(parts ...string) string {
	h := sha512.New()
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// shake does the handshake with a key and returns the PONG.
func (c *fluentClient) shake(t *testing.T, key string) []any {
	t.Helper()
	helo := c.next(t)
	options, _ := helo[1].(map[string]any)
	nonce, _ := options["nonce"].([]byte)
	if helo[0] != "HELO" || len(nonce) != 16 || options["keepalive"] != true {
		t.Fatalf("%v", helo)
	}
	b, err := msgp.AppendIntf(nil, []any{"PING", "sender", "salty", sha("salty", "sender", string(nonce), key), "", ""})
	if err != nil {
		t.Fatal(err)
	}
	write(t, c, b)
	pong := c.next(t)
	if len(pong) != 5 || pong[0] != "PONG" {
		t.Fatalf("%v", pong)
	}
	if host, _ := pong[3].(string); pong[1] == true && pong[4] != sha("salty", host, string(nonce), key) {
		t.Errorf("the server does not prove that it knows the key: %v", pong)
	}
	return pong
}

// ended reports whether the other side hung up.
func (c *fluentClient) ended(t *testing.T) {
	t.Helper()
	_, err := io.Copy(io.Discard, c.in)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is held")
	}
}

func TestFluentHandshake(t *testing.T) {
	cert, key, pool := certificate(t)
	secret := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(secret, []byte("the key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	x := newLogRig(t, func(c *Config) {
		c.Receivers.FluentSharedKeyFile, c.Receivers.FluentTLS, c.TLSCertFile, c.TLSKeyFile = secret, "127.0.0.1:0", cert, key
	})
	dial := func() *fluentClient {
		c := x.dial(t, "tcp", "gateway-fluent")
		return &fluentClient{c, msgp.NewReader(c)}
	}
	secure := tls.Client(x.dial(t, "tcp", "gateway-fluent-tls"), &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
	event := func(text string) []byte {
		b, err := msgp.AppendIntf(nil, []any{"app.web", time.Now().Unix(), map[string]any{"message": text}, map[string]any{"chunk": text}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for i, c := range []*fluentClient{dial(), {secure, msgp.NewReader(secure)}} {
		if pong := c.shake(t, "the key"); pong[1] != true {
			t.Fatalf("%v", pong)
		}
		for range 2 {
			write(t, c, event("taken"))
			if ack, err := c.in.ReadIntf(); err != nil || ack.(map[string]any)["ack"] != "taken" {
				t.Fatalf("%v %v", ack, err)
			}
		}
		if rows := x.rec.wait(t, 2*i+2); rows[0].Body != "taken" || rows[0].Service != "app.web" {
			t.Errorf("%+v", rows)
		}
	}
	wrong := dial()
	if pong := wrong.shake(t, "another key"); pong[1] != false || pong[2] != "shared_key mismatch" || pong[4] != "" {
		t.Errorf("%v", pong)
	}
	wrong.ended(t)
	for name, what := range map[string][]byte{
		"no handshake": event("not taken"), "an endless PING": append([]byte{0x96, 0xa4, 'P', 'I', 'N', 'G', 0xda, 0xff, 0xff}, bytes.Repeat([]byte("x"), fluent.MaxHandshakeBytes+64<<10)...),
		"a short PING": {0x91, 0xa4, 'P', 'I', 'N', 'G'}, "numbers": {0x94, 1, 2, 3, 4},
	} {
		c := dial()
		c.next(t)
		_, _ = c.Write(what) // It may hang up in the middle.
		c.ended(t)
		if n := len(x.rec.rows()); n != 4 {
			t.Errorf("%s: %d rows", name, n)
		}
	}
	var refused uint64
	for _, r := range x.g.Rejections() {
		if r.Reason == "unauthenticated" {
			refused += r.Count
		}
	}
	if refused != 4 { // The endless one was not read to its end, so nobody tried to prove anything.
		t.Errorf("%d refused", refused)
	}
	if _, err := New(Config{Shards: 1, Limits: Default().Limits, Receivers: Receivers{FluentSharedKeyFile: secret + "-"}}, Deps{Publisher: x.rec}); errs.KindOf(err) != errs.Invalid {
		t.Error(err)
	}
}

// On its own port Elasticsearch's API has no prefix, for senders that know only host and port.
func TestElasticOnItsOwnPort(t *testing.T) {
	x := newRig(t, func(c *Config, _ *Deps) { c.Receivers.Elastic = "127.0.0.1:0" })
	base := "http://" + x.addrs["gateway-elastic"]
	const bulk = "{\"create\":{}}\n{\"message\":\"hello\"}\n"
	for path, index := range map[string]string{"/_bulk": "", "/app-2026.11.25/_bulk": "app-2026.11.25"} {
		code, h, text := post(t, base+path, []byte(bulk), "Content-Type", "application/x-ndjson")
		if code != 200 || h.Get("X-Elastic-Product") == "" || !bytes.Contains([]byte(text), []byte(`"_index":"`+index+`"`)) {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if rows := x.rec.rows(); len(rows) != 2 || rows[0].Body != "hello" {
		t.Errorf("%+v", rows)
	}
	for _, c := range [][3]string{{"GET", "/", "You Know, for Search"}, {"GET", "/_license", "active"}, {"PUT", "/_index_template/x", "acknowledged"}} {
		if code, _, text := ask(t, c[0], base+c[1]); code != 200 || !bytes.Contains([]byte(text), []byte(c[2])) {
			t.Errorf("%v: %d %s", c, code, text)
		}
	}
	if code, _, _ := ask(t, "GET", base+"/a/b/_bulk"); code != 404 {
		t.Errorf("%d", code)
	}
}
