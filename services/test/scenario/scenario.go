// Package scenario is the language in which Faultline's own end-to-end scenarios are written, and what runs them: a world is loaded, things
// happen at times, and what the brain must say of them is expected (docs/formats/scenario.md). It knows the brain by its inputs and outputs
// only. A scenario costs from a tenth of a second to some seconds, most of them the brain's.
package scenario

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/faultline-io/faultline/services/test/scenario/world"
)

//go:embed testdata/*.world testdata/*.scenario
var files embed.FS

// Scenario is one file.
type Scenario struct {
	// Name is the file's name without its ending, Title the first comment.
	Name, Title string
	Spec        world.Spec
	Plan        []world.Action
	// Zero is the moment that times count from; History comes before it, Run after it.
	Zero         time.Time
	History, Run time.Duration
	Seed         uint64
	Expects      []Expect
	// Tags are words by which scenarios are chosen and added up: the kind of the cause, or quiet.
	Tags []string
	// Fault is when the first fault begins; nothing before it may page.
	Fault time.Duration
	// Quiet says that no incident is expected.
	Quiet bool
}

// Has says whether the scenario has a tag or that name.
func (s *Scenario) Has(tag string) bool { return s.Name == tag || slices.Contains(s.Tags, tag) }

// All returns the scenarios of the suite by name.
func All() ([]*Scenario, error) {
	names, err := fs.Glob(files, "testdata/*.scenario")
	if err != nil {
		return nil, err
	}
	var out []*Scenario
	for _, n := range names {
		text, err := files.ReadFile(n)
		if err != nil {
			return nil, err
		}
		s, err := Parse(strings.TrimPrefix(n, "testdata/"), string(text), embedded)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// embedded loads a world of the suite.
func embedded(name string) (world.Spec, error) {
	if strings.ContainsAny(name, "/\\") {
		return world.Spec{}, fmt.Errorf("%q is no name of a world", name)
	}
	text, err := files.ReadFile("testdata/" + name + ".world")
	if err != nil {
		return world.Spec{}, fmt.Errorf("there is no world %q", name)
	}
	return ParseWorld(name+".world", string(text))
}

// Parse reads a scenario; load finds worlds by name.
func Parse(file, text string, load func(string) (world.Spec, error)) (*Scenario, error) {
	all, err := lines(file, text)
	if err != nil {
		return nil, err
	}
	s := &Scenario{Name: strings.TrimSuffix(file, ".scenario"), Title: title(text), Run: time.Hour, Seed: 1}
	p := &parser{s: s, load: load}
	for _, w := range all {
		p.line(w)
		if err := w.end(); err != nil {
			return nil, err
		}
	}
	if err := p.finish(file); err != nil {
		return nil, err
	}
	return s, nil
}

// title is the first comment of a text, to its first empty line.
func title(text string) string {
	var out []string
	for _, l := range strings.Split(text, "\n") {
		c, ok := strings.CutPrefix(l, "#")
		if !ok {
			break
		}
		out = append(out, strings.TrimSpace(c))
	}
	return strings.Join(out, " ")
}

// parser keeps what is known while a file is read.
type parser struct {
	s      *Scenario
	load   func(string) (world.Spec, error)
	loaded bool
	lines  []int  // Of the plan.
	harms  []bool // Likewise.
}

func (p *parser) line(w *words) {
	word := w.next("a word")
	if word != "load" && word != "tag" && !p.loaded {
		w.fail("a scenario begins with load")
		return
	}
	switch word {
	case "load":
		p.loadLine(w)
	case "tag":
		for w.more() {
			p.s.Tags = append(p.s.Tags, w.next("a tag"))
		}
	case "sends":
		sends(w, &p.s.Spec.Sends)
	case "run":
		p.s.Run = w.duration("the time")
	case "at":
		p.at(w)
	case "expect":
		p.expect(w, "")
	case "known":
		reason := w.next("the reason")
		if !w.opt("expect") {
			w.fail(`known "reason" is followed by expect`)
			return
		}
		p.expect(w, reason)
	default:
		w.fail("%q is none of load, tag, sends, run, at, expect, known", word)
	}
}

// loadLine reads: load WORLD [history 6h] [start tue 10:00] [seed 3].
func (p *parser) loadLine(w *words) {
	name := w.next("a world")
	spec, err := p.load(name)
	if err != nil {
		w.fail("%v", err)
		return
	}
	p.s.Spec, p.loaded = spec, true
	p.s.History = 2 * time.Hour
	day, clock := "tue", "10:00"
	for w.more() {
		switch word := w.next("a word"); word {
		case "history":
			p.s.History = w.duration(word)
		case "seed":
			p.s.Seed = uint64(w.count(word))
		case "start":
			day, clock = w.next("a day"), w.next("a time")
		default:
			w.fail("%q is none of history, start, seed", word)
		}
	}
	zero, err := moment(day, clock)
	if err != nil {
		w.fail("%v", err)
	}
	p.s.Zero = zero
}

// firstMonday is the Monday that scenarios count their days from; any would do.
var firstMonday = time.Date(2026, 9, 7, 0, 0, 0, 0, time.UTC)

func moment(day, clock string) (time.Time, error) {
	d := slices.Index([]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}, day)
	t, err := time.Parse("15:04", clock)
	if d < 0 || err != nil {
		return time.Time{}, fmt.Errorf("%q %q is no moment such as tue 10:00", day, clock)
	}
	return firstMonday.AddDate(0, 0, d).Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute), nil
}

// firstFault works out when the first fault begins: the first action that harms from zero on, else the first one that harms, else the first
// one of all, since a job may be the fault. A quiet scenario has none until its end.
func (p *parser) firstFault() {
	s := p.s
	if s.Fault = s.Run; s.Quiet {
		return
	}
	rank := 3
	for i, a := range s.Plan {
		r := 2
		if p.harms[i] {
			if r = 1; a.At >= 0 {
				r = 0
			}
		}
		if r < rank || r == rank && a.At < s.Fault {
			rank, s.Fault = r, a.At
		}
	}
}

// finish checks what only the whole file shows.
func (p *parser) finish(file string) error {
	s := p.s
	last := 1
	if !p.loaded {
		return &Error{file, last, "a scenario begins with load"}
	}
	if len(s.Expects) == 0 {
		return &Error{file, last, "nothing is expected"}
	}
	if s.Run <= 0 || s.Run > 31*24*time.Hour || s.History < 0 || s.History > 31*24*time.Hour {
		return &Error{file, last, "history and run are between nothing and a month"}
	}
	s.Quiet = !slices.ContainsFunc(s.Expects, func(e Expect) bool { return e.What == ExpectIncident })
	p.firstFault()
	for i, a := range s.Plan {
		if _, err := world.New(s.Spec, []world.Action{a}, s.Zero, s.History, s.Seed); err != nil {
			return &Error{file, p.lines[i], err.Error()}
		}
	}
	if _, err := world.New(s.Spec, nil, s.Zero, s.History, s.Seed); err != nil {
		return &Error{file, last, err.Error()}
	}
	return nil
}
