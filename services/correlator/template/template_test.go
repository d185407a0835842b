package template_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/snapshot"
	"github.com/faultline-io/faultline/services/correlator/template"
	"github.com/faultline-io/faultline/services/internal/logshape"
)

// learn mines lines of one service and returns the text of each line's template, as it is at the end.
func learn(m *template.Miner, lines ...string) []string {
	for _, l := range lines {
		m.Learn("s", logshape.Hash(l), l)
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = m.Find("s", logshape.Hash(l)).String()
	}
	return out
}

func TestTokenize(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		var b strings.Builder
		for _, k := range template.Tokenize(nil, line) {
			if k.Kind > template.Punct {
				fmt.Fprintf(&b, "<%s>", k.Kind)
			} else {
				b.WriteString(k.Text)
			}
			b.WriteByte('|')
		}
		if got := strings.TrimSuffix(b.String(), "|"); got != want {
			t.Errorf("%q\n got %s\nwant %s", line, got, want)
		}
	}
	f("", "")
	f("took 12 ms", "took|<duration>")
	f("took 12ms, read 3.5 KB (1,024 bytes)", "took|<duration>|,|read|<size>|(|<num>|,|<size>|)")
	f("sent 12.0 KB (12288 bytes) ok", "sent|<size>|ok")
	f("from 10.0.0.1:443 to /10.1.2.3:80", "from|<ip>|:|<num>|to|<ip>|:|<num>")
	f("id 550e8400-e29b-41d4-a716-446655440000 at 2026-11-20T10:00:00.123Z", "id|<uuid>|at|<time>")
	f("Nov 20 10:00:00 host", "<time>|host")
	f("user= uid=0", "user|=|<>|uid|=|<num>")
	f("call () and call (a)", "call|(|<>|)|and|call|(|a|)")
	f(`"GET /x/1 HTTP/1.1" 200`, `"|GET|<path>|HTTP|/|<num>|"|<num>`)
	f(`open "file name": it's`, `open|"|file|name|"|:|it's`)
	f(`name="file name" msg="job done"`, `name|=|"|<quoted>|"|msg|=|"|job|done|"`)
	f("blk_1 blk_2 blk_3 gone", "<*>|gone")
	f("a=true b=null", "a|=|<bool>|b|=|<bool>")
	f("worker-7 of pool/3", "<*>|of|pool|/|<num>")
	f("GET https://example.com/7", "GET|<url>")
	f("mail bob@example.com", "mail|<email>")
	f("wrote core.862", "wrote|core|.|<num>")
	f("memory space........3 of 4", "memory|space|........|<num>|of|<num>")
	f("bounds=Rect(1, 2) at=12", "bounds|=|Rect|(|<num>|,|<num>|)|at|=|<num>")
	f("in org.example.Main:12", "in|org.example.Main|:|<num>")
	f("job failed: oops\n\tat a.B.c(B.java:7)\n\tat a.B.d(B.java:9)", "job|failed|:|oops|<more>")
	f("job failed: x\n\tat a.B.c(B.java:7)\nCaused by: a.E: no file 7\n\tat a.F.g(F.java:1)", "job|failed|:|x|<more>|Caused|by|:|a.E|:|no|file|<num>|at|a.F.g|(|F.java|:|<num>|)")
	f("Traceback (most recent call last):\n  File \"x.py\", line 3, in f\n    g()\nValueError: bad 7", "Traceback|(|most|recent|call|last|)|:|<more>|ValueError|:|bad|<num>")
	f("{\n  \"a\": 1\n}", "{|\"|<quoted>|\"|:|<num>|}")
}

func TestText(t *testing.T) {
	f := func(want string, lines ...string) {
		t.Helper()
		if got := learn(template.New(template.Default()), lines...)[0]; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f("mode: done. Took <num> ms", "mode: done. Took 12 ms")
	f("Took <duration> for it", "Took 12 ms for it", "Took 3 s for it")
	f("init() for user= of <*>", "init() for user= of blk_1")
	f("init(<*>) done", "init() done", "init(7) done")
}

func TestMerge(t *testing.T) {
	f := func(name string, want string, lines ...string) {
		t.Helper()
		got := learn(template.New(template.Default()), lines...)
		for i := range got {
			if got[i] != want {
				t.Errorf("%s: line %d is %q, want %q", name, i, got[i], want)
			}
		}
	}
	apart := func(name string, lines ...string) {
		t.Helper()
		got := learn(template.New(template.Default()), lines...)
		slices.Sort(got)
		if n := len(slices.Compact(got)); n != len(lines) {
			t.Errorf("%s: %d templates of %d lines: %q", name, n, len(lines), got)
		}
	}
	f("names", "session opened for user <*>", "session opened for user root", "session opened for user bob", "session opened for user eve", "session opened for user kim")
	f("hosts and addresses", "open <*> through proxy <*> failed", "open a.example.com through proxy p.example.com failed", "open b.example.com through proxy p.example.com failed",
		"open a.example.com through proxy q.example.com failed")
	f("values", "state=<*> of worker", "state=idle of worker", "state=busy of worker")
	f("lists", "deleted <*> from store", "deleted blk_1 from store", "deleted blk_1 blk_2 from store", "deleted blk_1 blk_22 blk_3 blk_4 from store")
	apart("what happened", "instance VM Started (lifecycle)", "instance VM Stopped (lifecycle)", "instance VM Paused (lifecycle)", "instance VM Resumed (lifecycle)")
	apart("other messages", "cannot open file", "cannot close file", "cannot open socket", "disk is full")
	apart("first words", "getMode called 5", "setMode called 5", "putMode called 5", "delMode called 5")
}

// An id is the name of a template for ever: of the shape that it began with, also after merges, in other scopes too.
func TestIDsStay(t *testing.T) {
	m := template.New(template.Default())
	first := "session opened for user root"
	id := m.Learn("s", logshape.Hash(first), first).ID
	if id != logshape.Hash(first) {
		t.Errorf("%x", id)
	}
	for _, u := range []string{"bob", "eve", "kim", "sue", "tom"} {
		l := "session opened for user " + u
		m.Learn("s", logshape.Hash(l), l)
	}
	for _, u := range []string{"root", "bob", "tom"} {
		if got, ok := m.Template("s", logshape.Hash("session opened for user "+u)); !ok || got != id {
			t.Errorf("%s: %x, want %x", u, got, id)
		}
	}
	if _, ok := m.Template("other", id); ok {
		t.Error("another service knows it")
	}
}

// A miner that is fed again in the order of first sight, with the ids of before, has the same templates under the same ids.
func TestAdopt(t *testing.T) {
	var lines []string
	for i := range 200 {
		lines = append(lines, fmt.Sprintf("request of tenant%c%c for page %d took %d ms", 'a'+i%7, 'a'+i%11, i, i*3), fmt.Sprintf("cache of %s has %d entries", strings.Repeat("x", 1+i%5), i))
	}
	m := template.New(template.Default())
	want := learn(m, lines...)
	again := template.New(template.Default())
	for _, l := range lines {
		id, _ := m.Template("s", logshape.Hash(l))
		again.Adopt("s", logshape.Hash(l), id, l)
	}
	for i, l := range lines {
		a, _ := m.Template("s", logshape.Hash(l))
		b, _ := again.Template("s", logshape.Hash(l))
		if got := again.Find("s", logshape.Hash(l)).String(); got != want[i] || a != b {
			t.Fatalf("%q: %x %q, want %x %q", l, b, got, a, want[i])
		}
	}
}

func TestBounds(t *testing.T) {
	m := template.New(template.Config{MaxShapes: 10, MaxTemplates: 3})
	words := []string{"alpha", "beta", "gamma", "delta", "epsilon"}
	for i, w := range words {
		l := strings.Repeat(w+" ", i+1)
		if got := m.Learn("s", logshape.Hash(l), l); (got != nil) != (i < 3) {
			t.Errorf("template %d: %v", i, got)
		}
	}
	if m.Overflow != 2 {
		t.Errorf("%d lines overflowed", m.Overflow)
	}
}

func TestForget(t *testing.T) {
	m := template.New(template.Config{MaxShapes: 7, MaxTemplates: 6})
	users := []string{"root", "bob", "eve", "kim", "sue"}
	line := func(u string) string { return "session opened for user " + u }
	var ids []uint64
	for _, u := range users {
		ids = append(ids, m.Learn("s", logshape.Hash(line(u)), line(u)).ID)
	}
	m.Learn("s", 1, "a b")
	m.Learn("s", 2, "c d e")
	if m.Learn("s", 3, "f g h i") != nil {
		t.Fatal("more shapes than there is room for")
	}
	for _, u := range users[1:] {
		m.Forget("s", logshape.Hash(line(u)))
	}
	if got := m.Find("s", logshape.Hash(line("root"))); got == nil || got.ID != ids[0] || got.Shapes != 1 {
		t.Errorf("%+v", got)
	}
	m.Forget("s", logshape.Hash(line("root")))
	m.Forget("s", logshape.Hash(line("root")))
	m.Forget("s", 99)
	m.Forget("other", 1)
	if m.Find("s", logshape.Hash(line("root"))) != nil {
		t.Error("not forgotten")
	}
	if got := m.Learn("s", 3, "f g h i"); got == nil {
		t.Error("no room was made")
	}
	w := snapshot.NewWriter('m', 1)
	m.Append(w)
	data := w.Bytes()
	r, err := snapshot.Open(data, 'm', 1)
	if err != nil {
		t.Fatal(err)
	}
	again := template.ReadMiner(r, template.Config{MaxShapes: 7, MaxTemplates: 6})
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	w = snapshot.NewWriter('m', 1)
	again.Append(w)
	if !bytes.Equal(w.Bytes(), data) {
		t.Error("a snapshot does not come back")
	}
	for _, m := range []*template.Miner{m, again} {
		if got := m.Learn("s", 4, line("zoe")); got == nil || got.ID != 4 {
			t.Errorf("%+v", got)
		}
	}
}

func FuzzTokenize(f *testing.F) {
	for _, s := range []string{"", `a="b c" (d) [1,2]`, "12 KB (3 bytes", "x=(", `"'"'`, "\x00\xff", "<1 sec", "a:b:c:1:2", "( ) =", "1 B ( 2 B )", "a..1..b..2", "x\n\tat y\nCaused by: z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		m := template.New(template.Default())
		first := m.Learn("s", 1, line)
		if n := len(first.Tokens); n > 400 {
			t.Fatalf("%d tokens", n)
		}
		if second := m.Learn("s", 2, line); second != first {
			t.Fatalf("one line, two templates: %q and %q", first, second)
		}
	})
}

func lines(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]string, n)
	for i := range out {
		switch i % 4 {
		case 0:
			out[i] = fmt.Sprintf("GET /api/v1/orders/%d finished with status %d in %d ms for client 10.0.%d.%d", r.IntN(1e6), 200+i%3, r.IntN(500), r.IntN(255), r.IntN(255))
		case 1:
			out[i] = fmt.Sprintf("session %08x of user u%d refreshed, expires in %d s", r.Uint32(), r.IntN(1000), r.IntN(3600))
		case 2:
			out[i] = fmt.Sprintf("pool has %d of 50 connections in use, %d waiting", r.IntN(50), r.IntN(9))
		default:
			out[i] = fmt.Sprintf("retry %d of 5 after timeout of %d ms", r.IntN(5), r.IntN(1e4))
		}
	}
	return out
}

// BenchmarkKnown is a line whose shape is known, its hash included: what nearly every line costs.
func BenchmarkKnown(b *testing.B) {
	in := lines(1024)
	m := template.New(template.Default())
	for _, l := range in {
		m.Learn("s", logshape.Hash(l), l)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l := in[i%len(in)]
		m.Learn("s", logshape.Hash(l), l)
	}
}

// BenchmarkNew is a line with a shape of its own, into templates that are there.
func BenchmarkNew(b *testing.B) {
	in := lines(1024)
	m := template.New(template.Config{MaxShapes: 1 << 30, MaxTemplates: 1 << 20})
	shape := uint64(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		shape++
		m.Learn("s", shape, in[i%len(in)])
	}
}
