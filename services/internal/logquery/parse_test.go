package logquery

import (
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestFields(t *testing.T) {
	r := &Record{
		Body: `time=10:00 msg="read Time Out" duration=750ms path=/health size=5KiB latency_ms=20 {"user":"Ann","n":5} SocketException:foo`, Service: "checkout", Host: "web-3", Severity: 13,
		Shape: 0x0a5, TraceID: strings.Repeat("\x0a", 16), SpanID: strings.Repeat("\x0b", 8),
		Attribute: func(n string) (string, bool) {
			v, ok := map[string]string{"http.route": "/Cart", "took": "1.5s"}[n]
			return v, ok
		},
		Resource: func(n string) (string, bool) { v, ok := map[string]string{"k8s.pod.name": "web-3-x"}[n]; return v, ok },
	}
	f := func(q string, want bool) {
		t.Helper()
		p, err := Parse(q)
		if err != nil {
			t.Errorf("%s: %v", q, err)
			return
		}
		if got := p.MatchRecord(r); got != want {
			t.Errorf("%s: %v", q, got)
		}
	}
	f(`service:checkout level>=warn "time out" -path:/cart duration>500ms host:web-*`, true)
	f(`-path:/health`, false)
	f(`service:Checkout`, false)
	f(`service:check* OR service:no`, true)
	f(`level:warning level<error level>info level<=warn`, true)
	f(`level:error`, false)
	f(`level:unset`, false)
	f(`trace:`+strings.Repeat("0a", 16)+` span:`+strings.Repeat("0b", 8)+` shape:00000000000000a5`, true)
	f(`trace:`+strings.Repeat("0c", 16), false)
	f(`duration>1s`, false)
	f(`duration:>=0.75s`, true)
	f(`duration<750000us`, false)
	f(`size>5000B size<=5KiB size>4`, true)
	f(`latency_ms<0.02s OR latency_ms>=0.02s`, true)
	f(`latency_ms>20ms`, false)
	f(`latency_ms:<1s`, true)
	f(`took>1s attr.took:1.5S`, true)
	f(`attr.duration>1ms`, false)
	f(`http.route:/cart`, true)
	f(`http.route:/c*`, true)
	f(`http.route:/c`, false)
	f(`user:ann n:5 n<6`, true)
	f(`user:*`, true)
	f(`nothing:*`, false)
	f(`msg:"read time out"`, true)
	f(`resource.k8s.pod.name:web-*`, true)
	f(`SocketException:foo`, true)
	f(`(nothing OR timeout) out`, false)
	f(`(nothing OR "time out") AND NOT (path:/cart OR nothing)`, true)
	f(`NOT out`, false)
	f(`10:00 -11:00`, true)
	f(`and or Out`, false)
}

func TestFieldsRefuse(t *testing.T) {
	f := func(q, want string) {
		t.Helper()
		_, err := Parse(q)
		if errs.KindOf(err) != errs.Invalid || !strings.Contains(err.Error(), want) || errs.HintOf(err) == "" {
			t.Errorf("%s: got %v, hint %q; want %q", q, err, errs.HintOf(err), want)
		}
	}
	f(`a level:loud`, "at position 9: \"loud\" is not one of")
	f(`trace:12`, "at position 7: trace takes 32")
	f(`(a OR b`, "at position 1: the parenthesis is not closed")
	f(`a )`, "at position 3: there is a closing parenthesis")
	f(`a OR`, "OR needs something on both sides")
	f(`OR a`, "OR needs something on both sides")
	f(`NOT `, "NOT needs something behind it")
	f(`d>5parsecs`, "not a unit")
	f(`d>5abcdefghijk`, "not a number with a unit")
	f(`service>=5`, "has no order")
	f(`resource.x>5`, "colon only")
	f(`attr.:x`, "has no name")
	f(`shape:zz`, "hexadecimal")
	f(`service:""`, "is empty")
	f(strings.Repeat("(", 40)+"a", "nest deeper")
	f(strings.Repeat("a:b ", 40), "more than 32 terms")
}
