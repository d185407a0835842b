package logquery

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestParse(t *testing.T) {
	f := func(in string, want ...wantTerm) {
		t.Helper()
		got, err := Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, terms(got), cmp.AllowUnexported(wantTerm{})); d != "" {
			t.Errorf("%q (-want +got):\n%s", in, d)
		}
	}
	f("")
	f("  * ** \t")
	f("Error", wantTerm{Text: "error"})
	f(`-debug "Read Timed out"`, wantTerm{Text: "debug", negated: true}, wantTerm{Text: "read timed out"})
	f(`-"a b"`, wantTerm{Text: "a b", negated: true})
	f(`ord_C95`, wantTerm{Text: "ord_c95", Words: []string{"c95"}})
	f(`10.0.0.1:80`, wantTerm{Text: "10.0.0.1:80", Words: []string{"10", "0", "0", "1", "80"}})
	f(`ord_c95*`, wantTerm{Text: "ord_c95"})
	f(`"say \"hi\" 5*"`, wantTerm{Text: `say "hi" 5*`, Words: []string{"5"}})
	f(`"open`, wantTerm{Text: "open"})
	f(`a - b`, wantTerm{Text: "a"}, wantTerm{Text: "-"}, wantTerm{Text: "b"})
	f(`größe5`, wantTerm{Text: "größe5", Words: []string{"größe5"}})
}

// wantTerm is a term with its sign.
type wantTerm struct {
	Text    string
	Words   []string
	negated bool
}

// terms returns the terms of a query that is nothing but terms that must all hold.
func terms(q Query) []wantTerm {
	var out []wantTerm
	var add func(c *Cond, negated bool)
	add = func(c *Cond, negated bool) {
		switch {
		case c == nil:
		case c.Kind == IsTerm:
			out = append(out, wantTerm{c.Term.Text, c.Term.Words, negated})
		default:
			for _, s := range c.Subs {
				add(s, c.Kind == Not)
			}
		}
	}
	add(q.Root, false)
	return out
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{strings.Repeat("a ", MaxTerms+1), strings.Repeat("a", MaxTermBytes+1)} {
		if _, err := Parse(in); errs.KindOf(err) != errs.Invalid {
			t.Errorf("got %v, want invalid", err)
		}
	}
}

func TestMatch(t *testing.T) {
	f := func(query, body string, want bool) {
		t.Helper()
		q, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.Match(body); got != want {
			t.Errorf("%q on %q = %v", query, body, got)
		}
	}
	f("", "anything", true)
	f("timeout", "java.net.SocketTimeoutException: x", true)
	f("TIMEOUT -java", "java.net.SocketTimeoutException", false)
	f("500", "took 15003 ms", false)
	f("500", "status=500,", true)
	f("500*", "took 15003 ms", true)
	f("500", "15003 500x 500", true)
	f(`"status 500"`, "status 500", true)
	f(`"status 500"`, "status 5001", false)
	f("-500", "5001", true)
	f("ord_c95", `"order_id":"ord_c95"`, true)
	f("GRÖSSE", "größe", false)
}

func FuzzParse(f *testing.F) {
	f.Add(`-a "b \" c" d* 10.0.0.1`, "b 10.0.0.1")
	f.Add(`(service:a* OR level>=warn) -x:y duration>5ms NOT attr.b:"c d"`, "duration=7ms x:y")
	f.Fuzz(func(t *testing.T, query, body string) {
		q, err := Parse(query)
		if err != nil {
			return
		}
		q.Match(body)
		q.Root.Walk(func(c *Cond) {
			if c.Kind == IsTerm && (c.Term.Text == "" || !c.Term.match(" "+c.Term.Text+" ")) {
				t.Fatalf("term %q does not find itself", c.Term.Text)
			}
		})
	})
}
