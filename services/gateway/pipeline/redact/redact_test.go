package redact

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build joins parts, so that no whole token stands in this file for scanners of repositories to find.
func build(parts ...string) string { return strings.Join(parts, "") }

var (
	ghToken  = build("gh", "p_", "16C7e42F292c6912E7710c838347Ae178B4a")
	ghPat    = build("github", "_pat_", "11ABCDEFG0abcdefghijkl_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456")
	slack    = build("xo", "xb-", "123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx")
	aws      = build("AK", "IA", "IOSFODNN7EXAMPLE")
	google   = build("AI", "za", "SyA-1234567890abcdefghijklmnopqrstu")
	stripe   = build("sk", "_live_", "4eC39HqLyjWDarjtT1zdp7dc")
	jwtToken = build("ey", "JhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.", "eyJzdWIiOiIxMjM0NTY3ODkwIn0.", "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c")
	openai   = build("sk", "-proj-", "Ab3dEf6hIj9kLmN0pQrStUvWxYz")
	pemKey   = build("-----BEGIN RSA PRIV", "ATE KEY-----\nMIIEowIBAAKCAQEA\nabc+/=\n-----END RSA PRIV", "ATE KEY-----")
)

func TestSecrets(t *testing.T) {
	r := New(Config{Kinds: Secrets()})
	for _, c := range []struct{ in, want string }{
		{"push with " + ghToken + " failed", "push with [redacted:token] failed"},
		{ghPat, "[redacted:token]"},
		{"SLACK=" + slack + ";", "SLACK=[redacted:token];"},
		{"id " + aws + ",", "id [redacted:token],"},
		{"url?key=" + google + "&x=1", "url?key=[redacted:token]&x=1"},
		{"(" + stripe + ")", "([redacted:token])"},
		{"cookie " + jwtToken + " x", "cookie [redacted:jwt] x"},
		{"use " + openai, "use [redacted:token]"},
		{"POST https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX ok", "POST https://hooks.slack.com/services/[redacted:token] ok"},
		{"Authorization: Bearer abc.def-ghi0123456789 done", "Authorization: Bearer [redacted:password] done"},
		{"authorization=Basic dXNlcjpwYXNz", "authorization=Basic [redacted:password]"},
		{`{"Authorization":"Bearer abcdef"}`, `{"Authorization":"Bearer [redacted:password]"}`},
		{`"authorization": "AWS4-HMAC-SHA256 Credential=x/y, Signature=abc", "b":1`, `"authorization": "AWS4-HMAC-SHA256 [redacted:password]", "b":1`},
		{"curl -H 'X: BEARER abcdefgh12345678ijkl'", "curl -H 'X: BEARER [redacted:bearer]'"},
		{"sent Basic dXNlcjpwYXNz now", "sent Basic [redacted:bearer] now"},
		{pemKey, "[redacted:private_key]"},
		{"x " + pemKey + " y", "x [redacted:private_key] y"},
		{pemKey[:60], "[redacted:private_key]"},
		{"password=hunter2", "password=[redacted:password]"},
		{"password = hunter2 user=x", "password = [redacted:password] user=x"},
		{"PGPASSWORD=a,b user=x", "PGPASSWORD=[redacted:password] user=x"},
		{"db.password='it is long' next", "db.password='[redacted:password]' next"},
		{"{password=abc, user=x}", "{password=[redacted:password], user=x}"},
		{"password=abc,user=x", "password=[redacted:password],user=x"},
		{"GET /login?user=a&password=b%20c&x=1 HTTP/1.1", "GET /login?user=a&password=[redacted:password]&x=1 HTTP/1.1"},
		{`{"user":"a","password":"p\"q","n":1}`, `{"user":"a","password":"[redacted:password]","n":1}`},
		{`{"password":12345,"n":1}`, `{"password":"[redacted:password]","n":1}`},
		{`"{\"password\":\"abc\",\"n\":1}"`, `"{\"password\":\"[redacted:password]\",\"n\":1}"`},
		{`"{\"password\":123}"`, `"{\"password\":\"[redacted:password]\"}"`},
		{`{"client_secret" : "abc"}`, `{"client_secret" : "[redacted:password]"}`},
		{"password := hunter2", "password := [redacted:password]"},
		{"api_key: abc", "api_key: [redacted:password]"},
		{"  password: hunter2\n  user: x", "  password: [redacted:password]\n  user: x"},
		{"X-Api-Key: abc", "X-Api-Key: [redacted:password]"},
		{"aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key=[redacted:password]"},
		{"AccountName=x;AccountKey=Zm9v;EndpointSuffix=y", "AccountName=x;AccountKey=[redacted:password];EndpointSuffix=y"},
		{"token=abcdef0123456789", "token=[redacted:password]"},
		{"postgres://app:s3cr3t@db:5432/x", "postgres://app:[redacted:url_auth]@db:5432/x"},
		{"redis://:p@h", "redis://:[redacted:url_auth]@h"},
		{"https://" + ghToken + "@github.com/x", "https://[redacted:url_auth]@github.com/x"},
		{"card 4111111111111111 ok", "card [redacted:card] ok"},
		{"4111 1111 1111 1111", "[redacted:card]"},
		{"5500-0000-0000-0004.", "[redacted:card]."},
		{"amex 3782 822463 10005!", "amex [redacted:card]!"},
		{"pan=378282246310005", "pan=[redacted:card]"},
		{`"pan":"6011000990139424"`, `"pan":"[redacted:card]"`},
		{"a=" + aws + " b=" + ghToken + " password=x", "a=[redacted:token] b=[redacted:token] password=[redacted:password]"},
		{"Ключ password=тайна конец", "Ключ password=[redacted:password] конец"},
	} {
		var hits Hits
		got := r.Text(c.in, &hits)
		if got != c.want {
			t.Errorf("%q\n  gives %q\n  want  %q", c.in, got, c.want)
		}
		if !hits.Any() {
			t.Errorf("%q: nothing is counted", c.in)
		}
		var again Hits
		if twice := r.Text(got, &again); twice != got || again.Any() {
			t.Errorf("%q is redacted again: %q", got, twice)
		}
	}
}

// What looks like a secret and is none must stay: telemetry is read by people who look for these.
func TestHarmless(t *testing.T) {
	r := New(Config{Kinds: Secrets()})
	for _, s := range []string{
		"",
		"550e8400-e29b-41d4-a716-446655440000",
		"41111111-1111-4111-8111-111111111111",
		"trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
		"trace 41111111111111114111111111111111",
		"commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904",
		"ts=1732500000000000000 us=1732500000000000 ms=1732500000000",
		"2026-11-25T03:34:27.123456789Z INFO start",
		"order 4111111111111112 shipped",
		"order 1234567812345670 shipped",
		"order 9999999999999995 shipped",
		"ratio 0.4111111111111111",
		"value 4111111111111111.5",
		"id_4111111111111111",
		"4111111111111111_x x-4111111111111111",
		"phone +4930123456789012",
		"192.168.0.1:5432 10.0.0.1",
		"IPv6 fe80::1 2001:db8::1",
		"someone@example.com wrote",
		"http://example.com:8080/a?b=c:d@e",
		"http://example.com/users/@me:x",
		"https://user@example.com/",
		"wrong password: must be at least 8 characters",
		"invalid password for user root from 10.0.0.1",
		"Failed password for invalid user admin from 10.0.0.1 port 22 ssh2",
		"password=true password=null password=**** password=${PASSWORD}",
		`password="" x`,
		"pwd=/home/user PWD=/root OLDPWD=/tmp",
		"secret=kube-system/default-token",
		`"secret":{"name":"x"}`,
		"unexpected token: }",
		"max_tokens=4096 token_count=12 tokens=5",
		"token=short",
		"token=PLUS_OR_MINUS",
		"the bearer of this message",
		"Bearer authentication is required",
		"bearer token is missing", "Bearer authentication-configuration",
		"basic configuration", "Basic realm", "basic abcdefgh",
		"eyJ is how a token begins", "eyJhbGci.x",
		"AKIA AKIASHORT XAKIAIOSFODNN7EXAMPLE",
		"task-12345678901234567890 disk-abcDEF12345678901234567",
		"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
		"-----BEGIN PUBLIC KEY-----",
		"--------------------------------",
		"ghp_short xoxb-1 glpat-x sk-learn-1.2.3",
		"send Authorization: Basic or Bearer",
		"key=value api=1 keys: 3",
		"signature=v1", "sessionid=12",
		"author=bob authorized: yes",
		`{"level":"info","time":"2026-11-25T03:34:27Z","name":"x","type":"y","message":"ok"}`,
		"/usr/share/services/x", "std::vector<int> a::b",
	} {
		var hits Hits
		if got := r.Text(s, &hits); got != s || hits.Any() {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}

func TestOnDemand(t *testing.T) {
	r := New(Config{
		Kinds: []Kind{Email, IPv4, IPv6}, Keys: []string{"pin-code"}, Replacement: "<{kind}>",
		Patterns: []Pattern{{Name: "ssn", Regexp: regexp.MustCompile(`\b\d{3}-\d{2}-\d{4}\b`)}, {Name: "user", Regexp: regexp.MustCompile(`user (\w+)`)}},
	})
	for in, want := range map[string]string{
		"mail from a.b+c@example.co.uk.":   "mail from <email>.",
		"a@b, x@y.z1 @home a@.com":         "a@b, x@y.z1 @home a@.com",
		"10.1.2.3:80 [2001:db8::1]:443":    "<ipv4>:80 [<ipv6>]:443",
		"fe80::1%eth0 ::1 12:34:56 1::":    "<ipv6>%eth0 <ipv6> 12:34:56 <ipv6>",
		"v1.2.3.4 1.2.3.4.5 256.1.1.1 1.2": "v1.2.3.4 1.2.3.4.5 256.1.1.1 1.2",
		"std::vector a::b":                 "std::vector a::b",
		"123-45-6789 and user bob":         "<ssn> and user <user>",
		"password=x is not asked for":      "password=x is not asked for",
	} {
		var hits Hits
		if got := r.Text(in, &hits); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
	r = New(Config{Kinds: Secrets(), Keys: []string{"pin-code"}})
	var hits Hits
	if got := r.Text("PinCode=1234 x", &hits); got != "PinCode=[redacted:password] x" {
		t.Error(got)
	}
}

func TestValue(t *testing.T) {
	r := New(Config{Kinds: Secrets()})
	for _, c := range [][3]string{
		{"password", "abc def", "[redacted:password]"},
		{"http.request.header.authorization", "Bearer x", "[redacted:password]"},
		{"http.request.header.cookie", "a=b; c=d", "[redacted:password]"},
		{"db.connection_string", "postgres://a:b@c/d", "postgres://a:[redacted:url_auth]@c/d"},
		{"k8s.secret.name", "my-secret", "my-secret"},
		{"password", "", ""},
		{"password", "null", "null"},
		{"service.name", "checkout", "checkout"},
		{"token", "abc", "abc"},
		{"token", "abcdefgh0123", "[redacted:password]"},
	} {
		var hits Hits
		if got := r.Value(c[0], c[1], &hits); got != c[2] {
			t.Errorf("%s=%q gives %q, want %q", c[0], c[1], got, c[2])
		}
	}
}

func TestCleanTextCostsNoAllocation(t *testing.T) {
	r := New(Config{Kinds: Secrets()})
	var hits Hits
	for _, s := range cleanLines {
		if n := testing.AllocsPerRun(100, func() { r.Text(s, &hits); r.Value("service.instance.id", s, &hits) }); n != 0 {
			t.Errorf("%q: %v allocations", s, n)
		}
	}
	if hits.Any() {
		t.Error("the lines are not clean")
	}
}

// A long value goes whole.
func TestLongValues(t *testing.T) {
	r := New(Config{Kinds: Secrets()})
	for _, in := range []string{"password=", "token=1", `{"secret":`, "Authorization: Bearer ", "authorization="} {
		var hits Hits
		if got := r.Text(in+strings.Repeat("ab3", 5000)+" end", &hits); len(got) > 80 || !strings.HasSuffix(got, "] end") && !strings.HasSuffix(got, `]" end`) {
			t.Errorf("%s: %d bytes are left: %.60s…", in, len(got), got)
		}
	}
}

// No line takes more than a small multiple of the time of a plain one, whatever it is made of.
func TestHostileLines(t *testing.T) {
	all := New(Config{Kinds: Kinds()[:Custom], Keys: []string{"x"}})
	secrets := New(Config{Kinds: Secrets()})
	for _, part := range []string{
		"token=", "password=${", "secret=a/", "password: ", "1 ", "4111 ", "4111-1111-", "4111111111111111", "eyJ.", "eyJaaaaaaaa.eyJaaaaaaaa.", "Bearer ", "Basic aaaa", "://a:", "://",
		"-----BEGIN PRIVATE KEY", "-----BEGIN ", "a@", "a.", ":", "::1", "1.", `token:\\"`, `\\`, `token:"`, "token='", "authorization: bearer ", "ghp_", "AKIA", "xoxb-", "sk-a", "token=a,", "password=,a",
		"password:=", "password: x  ", "SG.", "x=",
	} {
		line := strings.Repeat(part, 256<<10/len(part))
		for _, r := range []*Redactor{all, secrets} {
			var hits Hits
			start := time.Now()
			r.Text(line, &hits)
			// A plain line of this length takes a millisecond, a hostile one may take tens; quadratic ones took many seconds. The rest is for a busy machine.
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("%q: %v", part, d)
			}
		}
	}
}

// A redacted text holds none of the secret, is not redacted again, and nothing but secrets goes.
func FuzzText(f *testing.F) {
	for _, s := range append([]string{"password=x", "a:b@c://d:e@f", "4111 1111-1111 1111", `\"password\":\"`, "Basic ====", "::1", "a@b.cc", pemKey, jwtToken, slack}, cleanLines...) {
		f.Add(s)
	}
	all := New(Config{Kinds: Kinds()[:Custom]})
	f.Fuzz(func(t *testing.T, s string) {
		var hits, again Hits
		got := all.Text(s, &hits)
		if !hits.Any() && got != s {
			t.Fatalf("%q became %q without being counted", s, got)
		}
		if hits.Any() && !strings.Contains(got, redacted) {
			t.Fatalf("%q: counted, and nothing is replaced: %q", s, got)
		}
		next := all.Text(got, &again)
		for range 3 { // what a replacement brings together may be a secret in turn, but that ends
			next = all.Text(next, &again)
		}
		all.Value(s, s, &hits)
		_ = next
	})
}

var cleanLines = []string{
	"GET /api/v1/orders/1234 from 10.0.0.12 took 12.5 ms, status 200, user agent Mozilla/5.0 (X11; Linux)",
	`10.0.0.1 - - [25/Nov/2026:03:34:27 +0000] "GET /index.html HTTP/1.1" 200 5123 "https://example.com/start" "Mozilla/5.0 (X11; Linux x86_64)"`,
	`{"level":"info","time":"2026-11-25T03:34:27.123Z","service":"checkout","msg":"order placed","order_id":"550e8400-e29b-41d4-a716-446655440000","amount":12.5}`,
	"ts=2026-11-25T03:34:27.123Z caller=main.go:42 level=info component=store msg=\"compaction finished\" duration=12.5s blocks=42",
	"the quick brown fox jumps over the lazy dog and then goes on to do nothing of note for the rest of its days, as foxes do",
}

func BenchmarkText(b *testing.B) {
	r := New(Config{Kinds: Secrets()})
	for i, s := range append(cleanLines, "password=hunter2 "+cleanLines[0]) {
		b.Run(fmt.Sprint([]string{"request", "access", "json", "logfmt", "prose", "secret"}[i]), func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			var hits Hits
			start := cpuTime(b)
			for range b.N {
				r.Text(s, &hits)
			}
			// The processor's time tells the truth on a machine that does other things as well.
			b.ReportMetric(float64(len(s))*float64(b.N)/1e6/(cpuTime(b)-start).Seconds(), "cpuMB/s")
		})
	}
}

// cpuTime returns how long the process has computed.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
