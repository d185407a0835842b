package logshape

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"
)

// same lists lines that must share one shape; the groups must differ from each other.
var same = [][]string{
	{
		`10.1.2.3 - - [20/Nov/2026:10:00:00 +0000] "GET /api/v1/orders/12 HTTP/1.1" 200 512 "-" "curl/8.5.0" rt=0.080 uct=0.002 urt=0.070`,
		`190.77.2.213 - - [03/May/2027:23:59:59 -0730] "GET /login HTTP/1.1" 503 5 "https://shop.example.net/" "Mozilla/5.0 (X11; Linux)" rt=12.1 uct=0.1 urt=1`,
	},
	{`10.1.2.3 - - [20/Nov/2026:10:00:00 +0000] "POST /api/v1/orders/12 HTTP/1.1" 200 512 "-" "curl/8.5.0" rt=0.080 uct=0.002 urt=0.070`},
	{
		`{"ts":"2026-11-20T00:00:00.123456789Z","level":"info","msg":"order placed","trace_id":"af","user_id":7,"http":{"method":"POST","status":200}}`,
		`{"ts":"2026-11-20T00:00:01Z", "level":"info", "msg":"order placed", "trace_id":"0123456789abcdef", "user_id":123456, "http":{"method":"GET","status":503}}`,
	},
	{`{"ts":"2026-11-20T00:00:01Z","level":"info","msg":"payment authorised","trace_id":"af","user_id":7,"http":{"method":"POST","status":200}}`},
	{`{"ts":"2026-11-20T00:00:01Z","level":"error","msg":"payment authorised","trace_id":"af","user_id":7,"http":{"method":"POST","status":200}}`},
	{`{"msg":"read 5 rows","ids":[1,2,3]}`, `{"msg":"read 6000 rows","ids":[]}`, `{"msg":"read 6000 rows","ids":[{"a":"]"},2]}`},
	{
		`time=2026-11-20T00:00:00.1Z level=info component=worker queue=payments msg="job finished" job_id=00ff12ab attempt=1 took=0.123s rows=17`,
		`time=2026-12-01T10:20:30Z level=info component=worker queue=search msg="job finished" job_id=a attempt=3 took=12s rows=4999`,
	},
	{`time=2026-11-20T00:00:00.1Z level=info component=worker queue=payments msg="job failed" job_id=00ff12ab attempt=1 took=0.123s rows=17`},
	{
		`2026-11-20 00:00:00.000 INFO  [http-nio-8080-exec-12] c.e.b.InvoiceController : invoice 12 rendered in 40 ms for tenant root`,
		`2026-11-21 10:00:00,999 INFO  [http-nio-8080-exec-199] c.e.b.InvoiceController : invoice 99999 rendered in 3 ms for tenant root`,
	},
	{
		`Nov 20 00:00:00 web sshd[2000]: Failed password for invalid user admin from 10.0.0.1 port 1024 ssh2`,
		`Dec  1 11:22:33 web sshd[31999]: Failed password for invalid user admin from 2001:db8::dead:1 port 60000 ssh2`,
	},
	{
		`Nov 20 00:00:00 web sshd[2]: Accepted publickey for git from 10.0.0.1 port 1024 ssh2: ED25519 SHA256:abcdef0123456789abcdef0123456789abcdef01234`,
		`Nov 20 00:00:00 web sshd[2]: Accepted publickey for git from 10.0.0.1 port 1024 ssh2: ED25519 SHA256:kQx/Zb1+kQxZb1kQxZb1kQxZb1kQxZb1kQxZb1kQxZb`,
	},
	{
		`kernel: [100000.000001] [UFW BLOCK] IN=eth0 OUT= MAC=52:54:00:12:34:56 SRC=10.0.0.1 LEN=40 SYN URGP=0`,
		`kernel: [4.5] [UFW BLOCK] IN=wlan1 OUT=eth0 MAC=aa:bb:cc:dd:ee:ff SRC=1.1.1.1 LEN=4 SYN URGP=0`,
	},
	{`request 550e8400-e29b-41d4-a716-446655440000 done in -5 ms`, `request 00000000-abcd-efab-cdef-aaaaaaaaaaaa done in 17 ms`},
	{`values 1, 2, 3 read`, `values 4 read`, `values 10,20 read`},
	{`open "/var/lib/a b": denied`, `open '/c': denied`, "open `x`: denied"},
	{`GET https://example.com/users/12 took 3ms`, `GET https://example.com/users/7 took 9000ms`},
	{`=====`, `==========`},
	{``, `   `},
	{`checkpoint complete`, ` checkpoint   complete `},
	{`commit deadbeefcafe pushed`, `commit 0123456789ab pushed`},
	{`it's the user's fault`},
}

func TestSameShape(t *testing.T) {
	seen := map[uint64]string{}
	for _, group := range same {
		want := Hash(group[0])
		for _, line := range group[1:] {
			if got := Hash(line); got != want {
				t.Errorf("shapes differ:\n%s\n%s", group[0], line)
			}
		}
		if other, ok := seen[want]; ok {
			t.Errorf("shapes are the same:\n%s\n%s", other, group[0])
		}
		seen[want] = group[0]
	}
}

// Stored rows keep these hashes: the rules of a version never change.
func TestGolden(t *testing.T) {
	f := func(line string, want uint64) {
		t.Helper()
		if got := Hash(line); got != want {
			t.Errorf("Hash(%q) = %#x, want %#x: stored shapes would be orphaned", line, got, want)
		}
	}
	goldens(f)
}

func TestNumbersDoNotMatterWordsDo(t *testing.T) {
	r := rand.New(rand.NewSource(7))
	words := strings.Fields("the connection of worker queue was closed after retry because peer sent reset while reading body timeout")
	for range 3000 {
		n := 3 + r.Intn(20)
		var tokens []string
		var numbers, plain []int
		for i := range n {
			if r.Intn(3) == 0 {
				numbers = append(numbers, i)
				tokens = append(tokens, number(r))
			} else {
				plain = append(plain, i)
				tokens = append(tokens, words[r.Intn(len(words))])
			}
		}
		line := strings.Join(tokens, " ")
		h := Hash(line)
		if len(numbers) > 0 {
			changed := append([]string(nil), tokens...)
			for _, i := range numbers {
				changed[i] = number(r)
			}
			if other := strings.Join(changed, " "); Hash(other) != h {
				t.Fatalf("a number changed the shape:\n%s\n%s", line, other)
			}
		}
		if len(plain) > 0 {
			changed := append([]string(nil), tokens...)
			changed[plain[r.Intn(len(plain))]] = "somethingelse"
			if other := strings.Join(changed, " "); Hash(other) == h {
				t.Fatalf("a word did not change the shape:\n%s\n%s", line, other)
			}
		}
	}
}

func number(r *rand.Rand) string {
	switch r.Intn(7) {
	case 0:
		return fmt.Sprint(r.Intn(1000000) - 500000)
	case 1:
		return fmt.Sprintf("%.3f", r.NormFloat64()*100)
	case 2:
		return fmt.Sprintf("%d.%d.%d.%d:%d", r.Intn(256), r.Intn(256), r.Intn(256), r.Intn(256), r.Intn(65536))
	case 3:
		return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", r.Uint32(), r.Intn(1<<16), r.Intn(1<<16), r.Intn(1<<16), r.Int63n(1<<48))
	case 4:
		return fmt.Sprintf("0x%x", r.Uint64())
	case 5:
		return time.Unix(r.Int63n(2e9), r.Int63n(1e9)).UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("%dms", r.Intn(100000))
}

func TestLongLinesDependOnTokensNotBytes(t *testing.T) {
	line := func(n int) string {
		var b strings.Builder
		for i := range 200 {
			fmt.Fprintf(&b, "word %s ", strings.Repeat("7", 1+(i*n)%9))
		}
		return b.String()
	}
	if Hash(line(1)) != Hash(line(5)) {
		t.Error("the length of numbers changed the shape of a long line")
	}
}

func TestNoAllocation(t *testing.T) {
	for _, group := range same {
		if n := testing.AllocsPerRun(10, func() { Hash(group[0]) }); n != 0 {
			t.Fatalf("%v allocations for %q", n, group[0])
		}
	}
}

func FuzzHash(f *testing.F) {
	for _, group := range same {
		f.Add(group[0])
	}
	f.Add(`{"a":{"b":{"c":{"d":{"e":[[[[{"x":"\"}]`)
	f.Add(strings.Repeat(`{"`, 3000))
	f.Add(strings.Repeat(`"'`, 3000))
	f.Fuzz(func(t *testing.T, line string) {
		h := Hash(line)
		if h == 0 || h != Hash(line) {
			t.Fatal("not a stable hash")
		}
	})
}

func BenchmarkHash(b *testing.B) {
	var lines []string
	n := 0
	for _, group := range same[:11] {
		lines = append(lines, group...)
	}
	for _, l := range lines {
		n += len(l)
	}
	b.SetBytes(int64(n / len(lines)))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		Hash(lines[i%len(lines)])
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkHashWorst is a line of quotes without end.
func BenchmarkHashWorst(b *testing.B) {
	line := strings.Repeat(`"a '`, 1024)
	for b.Loop() {
		Hash(line)
	}
}
