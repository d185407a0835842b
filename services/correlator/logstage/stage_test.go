package logstage

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/internal/logshape"
	"github.com/faultline-io/faultline/services/model"
)

// begin is a moment at the beginning of a window.
const begin = int64(1_795_000_000_000)

// line is a log line as tests write it.
type line struct {
	service  string
	at       float64 // Seconds after begin.
	severity uint8
	body     string
	trace    int
}

func batchOf(lines ...line) *model.Logs {
	b := &model.Logs{}
	known := map[string]uint32{}
	for _, l := range lines {
		at, ok := known[l.service]
		if !ok {
			at = uint32(len(b.Resources))
			known[l.service] = at
			attrs := []model.Label{{Name: "service.name", Value: l.service}}
			r := model.Resource{Service: l.service}
			if host, ok := strings.CutPrefix(l.service, "host:"); ok {
				attrs, r = []model.Label{{Name: "host.name", Value: host}}, model.Resource{Host: host}
			}
			r.ID, r.Attributes = model.ResourceHash(attrs), attrs
			b.Resources = append(b.Resources, r)
		}
		trace := ""
		if l.trace > 0 {
			trace = fmt.Sprintf("%016d", l.trace)
		}
		b.ResourceIdx = append(b.ResourceIdx, at)
		b.TimesNS = append(b.TimesNS, begin*1e6+int64(l.at*1e9))
		b.Severity = append(b.Severity, l.severity)
		b.ShapeHash = append(b.ShapeHash, logshape.Hash(l.body))
		b.Bodies = append(b.Bodies, l.body)
		b.TraceIDs = append(b.TraceIDs, trace)
	}
	return b
}

// driver is a stage with what it told.
type driver struct {
	*Stage
	seq    uint64
	told   map[string]float64 // Of the last mark, by name and labels.
	stale  map[string]bool
	events []model.Finding
	log    strings.Builder
}

func newDriver(cfg Config) *driver { return &driver{Stage: New(cfg)} }

func key(name string, labels []model.Label) string {
	var b strings.Builder
	b.WriteString(name)
	for _, l := range labels {
		fmt.Fprintf(&b, " %s=%s", l.Name, l.Value)
	}
	return b.String()
}

func (d *driver) to(seconds int64) {
	if d.seq == 0 {
		d.step(begin)
	}
	for d.mark.WatermarkMS < begin+seconds*1000 {
		d.step(min(d.mark.WatermarkMS+5000, begin+seconds*1000))
	}
}

func (d *driver) step(watermarkMS int64) {
	d.seq++
	d.told, d.stale = map[string]float64{}, map[string]bool{}
	seen := map[string]bool{}
	found := d.Mark(eventtime.Mark{Seq: d.seq, AtMS: watermarkMS + 26_000, WatermarkMS: watermarkMS}, func(s model.Derived) {
		k := key(s.Name, s.Labels)
		if at := fmt.Sprint(k, s.TimeMS); seen[at] {
			panic("told twice: " + at)
		} else {
			seen[at] = true
		}
		for i := 1; i < len(s.Labels); i++ {
			if s.Labels[i-1].Name >= s.Labels[i].Name {
				panic("labels are not sorted: " + k)
			}
		}
		d.told[k], d.stale[k] = s.Value, s.Stale
		fmt.Fprintln(&d.log, k, s.TimeMS, math.Float64bits(s.Value), s.Stale)
	})
	for _, f := range found {
		fmt.Fprintln(&d.log, f)
	}
	d.events = append(d.events, found...)
}

// finding returns the last word on the findings of a detector about lines that contain a text, and how many findings there were.
func (d *driver) finding(detector, text string) (last model.Finding, n int) {
	ids := map[uint64]bool{}
	for _, f := range d.events {
		if f.Detector == detector && strings.Contains(f.Text, text) {
			last = f
			ids[f.ID] = true
		}
	}
	return last, len(ids)
}

// template is the label of the template of a line.
func (d *driver) template(service, body string) string {
	id, _ := d.miner.Template("service:"+service, logshape.Hash(body))
	return TemplateLabel(id)
}

// talk has a service say what it always says, once a second from second to second, with errors now and then.
func talk(d *driver, service string, from, to int) {
	for at := from; at < to; at++ {
		b := []line{{service, float64(at), 9, fmt.Sprintf("request %d served in %d ms", at, at%50), 0}, {service, float64(at) + 0.3, 9, fmt.Sprintf("cache has %d entries", at), 0}}
		if at%7 == 0 {
			b = append(b, line{service, float64(at) + 0.5, 17, fmt.Sprintf("cannot reach 10.0.0.%d", at%200), 0})
		}
		d.Logs(batchOf(b...))
		if at%5 == 4 {
			d.to(int64(at) - 9)
		}
	}
}

func TestCounts(t *testing.T) {
	d := newDriver(Default())
	d.Logs(batchOf(line{"a", 1, 9, "request 1 served in 2 ms", 0}, line{"host:h1", 2, 0, "link is up", 0})) // Before the first mark.
	talk(d, "a", 2, 40)
	f := func(k string, want float64) {
		t.Helper()
		if got, ok := d.told[k]; !ok || math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v (%v), want %v", k, got, ok, want)
		}
	}
	d.to(10)
	d.to(30)
	f("log_template_lines_per_second service=a severity=info template="+d.template("a", "request 1 served in 2 ms"), 1)
	f("log_template_lines_per_second service=a severity=error template="+d.template("a", "cannot reach 10.0.0.1"), 0.2) // At 21 and 28.
	f("log_lines_per_second service=a severity=info", 2)
	f("log_lines_per_second service=a severity=error", 0.2)
	f("log_lines_per_second host=h1 severity=info", 0)
	if _, ok := d.told["log_lines_per_second host=h1 severity=error"]; ok {
		t.Error("a class without a line")
	}
	if c := d.Counts(); c != (Counts{}) {
		t.Errorf("%+v", c)
	}
	d.Logs(batchOf(line{"a", 5, 9, "request 1 served in 2 ms", 0}, line{"a", 500, 9, "request 1 served in 2 ms", 0}))
	if c := d.Counts(); c.Late != 1 || c.Ahead != 1 {
		t.Errorf("%+v", c)
	}
}

func TestNewTemplates(t *testing.T) {
	d := newDriver(Default())
	talk(d, "a", 0, 300)
	d.Logs(batchOf(line{"a", 300.5, 17, "out of memory in pool main", 0})) // It has only just begun to talk.
	talk(d, "a", 301, 3000)
	if len(d.events) > 0 {
		t.Fatalf("found: %+v", d.events)
	}
	for i := range 20 {
		d.Logs(batchOf(line{"a", 3000.5 + float64(i), 17, fmt.Sprintf("panic in worker %d: no such map", i), 0}))
		talk(d, "a", 3001+i, 3002+i)
	}
	d.Logs(batchOf(line{"a", 3022, 9, "new configuration loaded", 0}))
	talk(d, "a", 3022, 4000)
	bad, n := d.finding(detectorNew, "panic")
	if n != 1 || bad.Entity.Name != "a" || bad.OnsetMS != begin+3_000_500 || bad.EndMS != begin+3_020_000 && bad.EndMS != begin+3_030_000 || bad.Value != 20 {
		t.Errorf("%d: %+v", n, bad)
	}
	if first := d.events[0]; first.SeenMS < bad.OnsetMS || first.SeenMS > bad.OnsetMS+5000 {
		t.Errorf("seen %d ms after it began", first.SeenMS-first.OnsetMS)
	}
	if bad.Confidence < 0.85 || bad.PValue > 0.01 || bad.Score < 2 || bad.ID == 0 || !strings.Contains(bad.Text, "panic in worker <num>: no such map") {
		t.Errorf("%+v", bad)
	}
	talked, n := d.finding(detectorNew, "configuration")
	if n != 1 || talked.Confidence > 0.3 {
		t.Errorf("%d: %+v", n, talked)
	}
	// One that always says something new is believed less.
	before := talked.PValue
	for i := range 30 {
		d.Logs(batchOf(line{"a", float64(4000 + i*60), 9, strings.Repeat("word"+string(rune('a'+i))+" ", i%5+2) + "done", 0}))
		talk(d, "a", 4000+i*60, 4060+i*60)
	}
	d.Logs(batchOf(line{"a", 5800, 9, "something else entirely", 0}))
	talk(d, "a", 5800, 5900)
	if last, n := d.finding(detectorNew, "something else"); n != 0 {
		t.Errorf("p is %v, after %v before: %+v", last.PValue, before, last)
	}
}

func TestGone(t *testing.T) {
	d := newDriver(Default())
	talk(d, "a", 0, 1500)
	f, n := d.finding(detectorGone, "")
	if n != 0 {
		t.Fatalf("%+v", f)
	}
	for at := 1500; at < 1900; at++ { // The cache is not heard of any more.
		d.Logs(batchOf(line{"a", float64(at), 9, fmt.Sprintf("request %d served in %d ms", at, at%50), 0}))
	}
	d.to(1890)
	f, n = d.finding(detectorGone, "cache has <num> entries")
	if n != 1 || f.OnsetMS != begin+1_500_000 || f.SeenMS > begin+1_640_000 || f.EndMS != 0 || f.Direction != -1 || math.Abs(f.Expected-1) > 0.1 {
		t.Errorf("%d: %+v", n, f)
	}
	if _, n = d.finding(detectorGone, "cannot reach"); n != 1 {
		t.Errorf("%d for the errors", n)
	}
	talk(d, "a", 1900, 1950)
	if f, _ = d.finding(detectorGone, "cache has"); f.EndMS == 0 {
		t.Errorf("did not end: %+v", f)
	}
	// A service that does nothing at all misses nothing: that is silence, which the series shows.
	d = newDriver(Default())
	talk(d, "a", 0, 1500)
	d.to(3000)
	if f, n := d.finding(detectorGone, ""); n > 0 {
		t.Errorf("%+v", f)
	}
}

// job writes the lines of requests with a trace each; done says whether the last line comes.
func job(d *driver, from, to int, done func(int) bool) {
	for at := from; at < to; at++ {
		b := []line{
			{"b", float64(at) + 0.30, 9, "charge prepared", at + 1}, {"b", float64(at) + 0.35, 9, "charge sent", at + 1},
			{"b", float64(at) + 0.10, 9, fmt.Sprintf("order %d received", at), at + 1}, // Not in their order.
			{"other", float64(at) + 0.2, 9, "something between", at + 1},
		}
		if done(at) {
			b = append(b, line{"b", float64(at) + 0.5, 9, fmt.Sprintf("order %d confirmed", at), at + 1})
		}
		d.Logs(batchOf(b...))
		if at%5 == 4 {
			d.to(int64(at) - 9)
		}
	}
}

func TestFollowers(t *testing.T) {
	d := newDriver(Default())
	job(d, 0, 1000, func(int) bool { return true })
	if len(d.events) > 0 {
		t.Fatalf("found: %+v", d.events)
	}
	job(d, 1000, 1200, func(at int) bool { return at%2 == 0 })
	f, n := d.finding(detectorFollower, "order <num> confirmed")
	if n == 0 {
		t.Fatalf("nothing found: %+v", d.events)
	}
	first := d.events[0]
	if first.Detector != detectorFollower || first.Kind != model.FindingGone || first.Entity.Name != "b" || first.OnsetMS < begin+1_001_000 || first.OnsetMS > begin+1_003_000 {
		t.Errorf("%+v", first)
	}
	if first.SeenMS > begin+1_060_000 || first.PValue > followP || !strings.Contains(first.Text, "charge sent") {
		t.Errorf("found at %d s: %+v", (first.SeenMS-begin)/1000, first)
	}
	_ = f
	job(d, 1200, 1500, func(int) bool { return true })
	for _, f := range d.events {
		if last, _ := d.finding(f.Detector, f.Text); last.EndMS == 0 {
			t.Errorf("did not end: %+v", last)
		}
	}
}

func TestFollowersOfAStream(t *testing.T) {
	d := newDriver(Default())
	cron := func(from, to int, done bool) {
		for at := from; at < to; at += 15 {
			b := []line{{"host:h1", float64(at), 9, "backup began", 0}}
			if done {
				b = append(b, line{"host:h1", float64(at) + 4, 9, fmt.Sprintf("backup of %d files done", at), 0})
			}
			d.Logs(batchOf(b...))
			d.to(int64(at) - 10)
		}
	}
	cron(0, 3000, true)
	if len(d.events) > 0 {
		t.Fatalf("found: %+v", d.events)
	}
	cron(3000, 3200, false)
	f, n := d.finding(detectorFollower, "backup began")
	if n == 0 || f.Entity != (model.Entity{Kind: model.KindHost, Name: "h1"}) {
		t.Errorf("%d: %+v", n, d.events)
	}
}

// Names that vary make a shape each; once they are seen to vary, one template is left, its series goes on and those of the others end.
func TestTemplatesThatMerge(t *testing.T) {
	d := newDriver(Default())
	talk(d, "a", 0, 50)
	users := []string{"root", "bob", "eve", "kim", "sue", "tom", "ann", "max"}
	for i, u := range users {
		d.Logs(batchOf(line{"a", 50 + float64(i)*10, 9, "session opened for user " + u, 0}))
		talk(d, "a", 50+i*10, 60+i*10)
	}
	talk(d, "a", 130, 200)
	first := "log_template_lines_per_second service=a severity=info template=" + TemplateLabel(logshape.Hash("session opened for user root"))
	if v, ok := d.told[first]; !ok || v != 0 {
		t.Errorf("%v", d.told)
	}
	ended := strings.Count(d.log.String(), " true\n")
	if ended == 0 || len(d.told) > 7 {
		t.Errorf("%d ended; %v", ended, d.told)
	}
	if templates, shapes := d.Templates(); templates != 4 || shapes != 3+len(users) {
		t.Errorf("%d templates of %d shapes", templates, shapes)
	}
}

func TestAdopt(t *testing.T) {
	d := newDriver(Default())
	who := model.Entity{Kind: model.KindService, Name: "a"}
	d.Adopt(who, logshape.Hash("disk 7 is full"), 42, "disk 7 is full", begin-86_400_000, begin-3_600_000, 17)
	d.Logs(batchOf(line{"a", 1, 17, "disk 3 is full", 0}, line{"a", 1, 17, "disk 3 is empty", 0}))
	d.to(10)
	if _, n := d.finding(detectorNew, "full"); n != 0 || d.told["log_template_lines_per_second service=a severity=error template=2a"] != 0.1 {
		t.Errorf("%v %v", d.events, d.told)
	}
	if _, n := d.finding(detectorNew, "empty"); n != 1 { // The entity is known for a day.
		t.Errorf("%v", d.events)
	}
}

func TestBounds(t *testing.T) {
	cfg := Default()
	cfg.MaxShapes, cfg.MaxSeries, cfg.MaxUrgent, cfg.MaxEntities, cfg.IdleMS = 10, 3, 1, 2, 60_000
	d := newDriver(cfg)
	d.to(0)
	for i := range 15 {
		severity := uint8(9)
		if i == 9 {
			severity = 17
		}
		d.Logs(batchOf(line{"a", 1, severity, strings.Repeat(string(rune('a'+i))+"x ", i+1), 0}, line{fmt.Sprint("s", i), 1, 9, "hello", 0}))
	}
	d.to(10)
	if c := d.Counts(); c.Overflow != 5 || c.Unattributed != 14 {
		t.Errorf("%+v", c)
	}
	if d.told["log_template_lines_per_second service=a template=other"] != 0.6 {
		t.Errorf("%v", d.told)
	}
	d.to(70)
	if len(d.told) == 0 {
		t.Error("ended too early")
	}
	d.to(80)
	for k := range d.told {
		if !d.stale[k] {
			t.Errorf("%s goes on", k)
		}
	}
	d.to(90)
	if len(d.told) != 0 {
		t.Errorf("%v", d.told)
	}
}

// What is not heard of any more leaves nothing behind, and makes room.
func TestForgetting(t *testing.T) {
	cfg := Default()
	cfg.ForgetMS, cfg.IdleMS, cfg.MaxEntities, cfg.MaxShapes = 1_200_000, 300_000, 2, 5
	d := newDriver(cfg)
	d.to(0)
	for i := range 8 {
		d.Logs(batchOf(line{"a", 1, 9, strings.Repeat(string(rune('a'+i))+"x ", i+1), 0}, line{"b", 1, 9, "hello", i + 1}))
	}
	d.to(60)
	if c := d.Counts(); c.Overflow != 3 {
		t.Errorf("%+v", c)
	}
	before := len(d.Snapshot())
	d.to(3000)
	d.Logs(batchOf(line{"c", 3001, 9, "hello", 0}))
	if c := d.Counts(); c.Unattributed != 0 {
		t.Errorf("no room for another one: %+v", c)
	}
	if templates, shapes := d.Templates(); templates != 0 || shapes != 1 {
		t.Errorf("%d templates of %d shapes are left", templates, shapes)
	}
	if after := len(d.Snapshot()); after > before {
		t.Errorf("%d bytes of state, %d before", after, before)
	}
	again, err := Restore(d.Snapshot(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.Stage = again
	d.to(3100)
}
