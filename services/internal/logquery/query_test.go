package logquery

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestParse(t *testing.T) {
	f := func(in string, want ...Term) {
		t.Helper()
		got, err := Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(Query(want), got); d != "" {
			t.Errorf("%q (-want +got):\n%s", in, d)
		}
	}
	f("")
	f("  * ** \t")
	f("Error", Term{Text: "error"})
	f(`-debug "Read Timed out"`, Term{Text: "debug", Negated: true}, Term{Text: "read timed out"})
	f(`-"a b"`, Term{Text: "a b", Negated: true})
	f(`ord_C95`, Term{Text: "ord_c95", Words: []string{"c95"}})
	f(`10.0.0.1:80`, Term{Text: "10.0.0.1:80", Words: []string{"10", "0", "0", "1", "80"}})
	f(`ord_c95*`, Term{Text: "ord_c95"})
	f(`"say \"hi\" 5*"`, Term{Text: `say "hi" 5*`, Words: []string{"5"}})
	f(`"open`, Term{Text: "open"})
	f(`a - b`, Term{Text: "a"}, Term{Text: "-"}, Term{Text: "b"})
	f(`größe5`, Term{Text: "größe5", Words: []string{"größe5"}})
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
	f.Fuzz(func(t *testing.T, query, body string) {
		q, err := Parse(query)
		if err != nil {
			return
		}
		q.Match(body)
		for i := range q {
			if q[i].Text == "" || !q[i].match(" "+q[i].Text+" ") {
				t.Fatalf("term %q does not find itself", q[i].Text)
			}
		}
	})
}
