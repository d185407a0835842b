package scenario

import (
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/test/scenario/world"
)

// small is a world for tests of the language.
const small = `
host a b cores 2 memory 2G
service web on a b threads 8 timeout 1s retries 1 certificate
  op get cpu 2ms calls store.read cache.get/optional store.read*0.5/miss:cache
    step "got {id}"
  pool store 4
database store on b
  op read cpu 1ms io 1
cache cache on a hit 90%
  op get cpu 100us
load web.get 10/s daily 20% peak 14
`

func smallWorld(string) (world.Spec, error) { return ParseWorld("small.world", small) }

func parse(t *testing.T, text string) *Scenario {
	t.Helper()
	s, err := Parse("x.scenario", text, smallWorld)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParse(t *testing.T) {
	s := parse(t, `# A title
# on two lines.
load small history 1d start sat 09:30 seed 9
tag code
sends traces 10% no mesh
at 5m slow web.get x3 for 10m ramp 90s
at 6m deploy web 2.0.0 rolling 30s only 1 with fail 20%
at -1h job b "dump all" cpu 1.5 io 40% for 5m every 1h
run 40m
expect incident by 9m entity web|b kind code|deploy within top 2
known "not yet" expect no page from -2h to 5m
expect at most 2 incidents
`)
	if s.Title != "A title on two lines." || s.History != 24*time.Hour || s.Seed != 9 || s.Zero.Weekday() != time.Saturday || s.Zero.Hour() != 9 || !s.Has("code") || s.Quiet {
		t.Errorf("%+v", s)
	}
	if s.Fault != 5*time.Minute || s.Spec.Sends.Traces != 0.1 || len(s.Plan) != 4 {
		t.Errorf("fault %v, %d actions", s.Fault, len(s.Plan))
	}
	slow, ok := s.Plan[0].Do.(world.Slow)
	if !ok || slow.Factor != 3 || slow.Op != "get" || s.Plan[0].For != 10*time.Minute || s.Plan[0].Ramp != 90*time.Second {
		t.Errorf("%+v", s.Plan[0])
	}
	if fail, ok := s.Plan[2].Do.(world.Fail); !ok || fail.Version != "2.0.0" || fail.Share != 0.2 {
		t.Errorf("%+v", s.Plan[2])
	}
	if e := s.Expects[0]; e.By != 9*time.Minute || e.Top != 2 || len(e.Entities) != 2 || len(e.Kinds) != 2 || e.Kinds[1] != model.CauseDeploy {
		t.Errorf("%+v", e)
	}
	if e := s.Expects[1]; e.Known != "not yet" || e.Noun != "page" || e.From != -2*time.Hour {
		t.Errorf("%+v", e)
	}
}

// TestMistakes has a mistake in each text, with the line that must be named and a part of the message.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		text, want string
	}{
		{"at 5m slow web x2", "1: a scenario begins with load"},
		{"load small\nexpect no page\nat soon slow web x2", "3: the time"},
		{"load small\nexpect no page\nat 5m burn web", `3: "burn" is nothing that can happen`},
		{"load small\nexpect no page\n\nat 5m slow wep x2", "4: at 5m0s: there is no part \"wep\""},
		{"load small\nexpect no page\nat 5m slow web.put x2", "3: at 5m0s: web has no operation"},
		{"load small\nexpect no page\nat 5m slow web x2 quickly", `3: "quickly" is not understood here`},
		{"load small\nexpect no page\nat 5m delay store -> web 5ms", "3: at 5m0s: \"store\" does not call \"web\""},
		{"load small\nexpect no page\nat 5m fill a lots", "3: the rate"},
		{"load small\nexpect incident entity web", "2: an incident is expected by a time"},
		{"load small\nexpect incident by 5m entity nobody", `2: the world has no "nobody"`},
		{"load small\nexpect incident by 5m kind weather", `2: "weather" is no kind of cause`},
		{"load small\nexpect no fun", `2: "fun" is none of page`},
		{"load small\nexpect finding odd entity web", `2: "odd" is no kind of finding`},
		{"load small\nknown \"x\" at 5m", "2: known \"reason\" is followed by expect"},
		{"load small start someday 10:00\nexpect no page", "1: \"someday\""},
		{"load small\nexpect no page\nsay \"hello", "3: a quote that is not closed"},
		{"load small", "1: nothing is expected"},
		{"load small history 90d\nexpect no page", "1: history and run"},
	} {
		_, err := Parse("x.scenario", c.text, smallWorld)
		if err == nil || !strings.HasPrefix(err.Error(), "x.scenario:"+c.want) {
			t.Errorf("%q: %v, want x.scenario:%s", c.text, err, c.want)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"op get cpu 1ms", "1: this line belongs below a part"},
		{"host a\nservice web on a red", `2: "red" says nothing of a part`},
		{"host a\nservice web on a\nop get calls store.read/never", `3: "never" says nothing of a call`},
		{"planet a", `1: "planet" is none of`},
	} {
		_, err := ParseWorld("x.world", c.text)
		if err == nil || !strings.HasPrefix(err.Error(), "x.world:"+c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for s, want := range map[string]float64{"3": 3, "20%": 0.2, "300M": 300 << 20, "x1.5": 1.5, "60/m": 1, "3600M/h": 1 << 20, "-2": -2, "1.5G": 1.5 * (1 << 30)} {
		if got, err := parseNumber(s); err != nil || got != want {
			t.Errorf("%s = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "x", "%", "5/year", "NaN", "Inf", "1e300", "--1"} {
		if got, err := parseNumber(s); err == nil {
			t.Errorf("%q = %v", s, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("load small\nat 5m slow web x2 for 1m\nexpect incident by 9m entity web kind code top 1\n")
	f.Add("load small history 1h\nat 1m deploy web 2 with leak memory 3M/s\nknown \"why\" expect no page to 5m\n")
	f.Add("load small\nsends no logs noise 3\nat 0m delay host a 50ms every 10m\nexpect at most 1 page\nrun 5m")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("f.scenario", text, smallWorld)
		if err == nil && (len(s.Expects) == 0 || s.Run <= 0) {
			t.Errorf("%+v", s)
		}
	})
}

func FuzzParseWorld(f *testing.F) {
	f.Add(small)
	f.Add("host a\nqueue q on a\nop publish cpu 1ms\nservice w on a\nconsumes q\nop take cpu 1ms calls q.publish\nload w.take 3/s\n")
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := ParseWorld("f.world", text)
		if err != nil || len(spec.Parts) > 20 || len(spec.Hosts) > 20 {
			return
		}
		w, err := world.New(spec, nil, firstMonday, time.Minute, 1)
		if err != nil {
			return
		}
		for range 3 {
			w.Step()
		}
	})
}
