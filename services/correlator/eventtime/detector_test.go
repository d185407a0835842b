package eventtime

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math"

	"github.com/faultline-io/faultline/services/model"
)

// trivial is the detector of the trial: running mean and deviation of each series, and a finding when a sample and the next two
// are far off. A finding prints the bits of what it was judged on, so one sample more, less or elsewhere changes its bytes.
type trivial struct {
	state map[uint64]*baseline
	found []Finding // At the current mark.
	aside map[asideKey]Reason
	marks func(Mark, []Finding)
}

type asideKey struct {
	id     uint64
	timeMS int64
	bits   uint64
}

type baseline struct {
	N         int
	Mean, Dev float64
	Off       int   // Consecutive samples that were off.
	Onset     int64 // Time of the first of them.
}

func newTrivial(marks func(Mark, []Finding)) *trivial {
	return &trivial{state: map[uint64]*baseline{}, aside: map[asideKey]Reason{}, marks: marks}
}

func (d *trivial) Sample(s *model.Series, p Point) {
	b := d.state[s.ID]
	if b == nil {
		b = &baseline{}
		d.state[s.ID] = b
	}
	if p.Stale {
		b.Off = 0
		return
	}
	b.N++
	off := math.Abs(p.Value - b.Mean)
	if b.N > 40 && off > 8*b.Dev+1e-9 {
		if b.Off++; b.Off == 1 {
			b.Onset = p.TimeMS
		}
		if b.Off == 3 {
			d.found = append(d.found, Finding{
				OnsetMS: b.Onset, ID: model.FindingID(s.ShardHash, s.Name, b.Onset),
				Data: fmt.Appendf(nil, "%s %d n=%d mean=%x dev=%x value=%x", s.Name, s.ID, b.N, math.Float64bits(b.Mean), math.Float64bits(b.Dev), math.Float64bits(p.Value)),
			})
		}
		if b.Off < 20 {
			return
		}
	} else {
		b.Off = 0
	}
	b.Mean += (p.Value - b.Mean) / 40
	b.Dev += (math.Abs(p.Value-b.Mean) - b.Dev) / 40
}

func (d *trivial) Aside(id uint64, p Point, why Reason) {
	d.aside[asideKey{id, p.TimeMS, math.Float64bits(p.Value)}] = why
}

func (d *trivial) Gone(s *model.Series) { delete(d.state, s.ID) }

func (d *trivial) Advance(k Mark) {
	d.marks(k, d.found)
	d.found = nil
}

// save and load are the detector's part of a snapshot.
func (d *trivial) save() []byte {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(d.state); err != nil {
		panic("BUG: " + err.Error())
	}
	return b.Bytes()
}

func (d *trivial) load(data []byte) error {
	d.state, d.found = map[uint64]*baseline{}, nil
	return gob.NewDecoder(bytes.NewReader(data)).Decode(&d.state)
}
