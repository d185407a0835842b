package group

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// snapshotVersion is the first byte of a snapshot. It changes with every change of what is below, the types of package model included. A build
// reads its own version only: a state that cannot be read is worked out again from the findings that were stored.
const snapshotVersion = 1

// ErrSnapshot is the kind of every refusal of a snapshot.
var ErrSnapshot = errors.New("snapshot cannot be used")

// state is a Grouper as it is written down. Maps are written by key, so the same state gives the same bytes.
type state struct {
	AtMS, NowMS int64
	Pending     []model.Finding
	Findings    []*finding
	Incidents   []*incidentState
	Memory      *memory
	Rules       []rule
	Done        []string
	Stats       Stats
}

// incidentState is an incident with what its unexported fields hold.
type incidentState struct {
	I                       *incident
	Dirty, Told, Torn, Fall bool
}

// Snapshot returns the state as bytes: a version, JSON, and a checksum.
func (g *Grouper) Snapshot() []byte {
	s := state{AtMS: g.atMS, NowMS: g.nowMS, Pending: slices.Clone(g.pending), Memory: g.memory, Rules: g.rules, Done: g.done, Stats: g.stats}
	slices.SortFunc(s.Pending, compareFindings)
	for i := range s.Pending {
		s.Pending[i] = clean(&s.Pending[i])
	}
	for _, f := range g.findings {
		s.Findings = append(s.Findings, f)
	}
	sortFindings(s.Findings)
	for _, i := range g.sorted() {
		s.Incidents = append(s.Incidents, &incidentState{i, i.dirty, i.told, i.torn, i.fall})
	}
	b, err := json.Marshal(&s)
	if err != nil {
		panic("BUG: state of incidents cannot be written: " + err.Error()) // All numbers are finite, see clean.
	}
	b = append([]byte{snapshotVersion}, b...)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// Restore returns the Grouper of a snapshot. The bounds are those of now; what is beyond them stays until it is over. Errors are of the kind
// ErrSnapshot.
func Restore(data []byte, cfg Config) (*Grouper, error) {
	if len(data) < 5 {
		return nil, fmt.Errorf("%d bytes: %w", len(data), ErrSnapshot)
	}
	body := data[:len(data)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(data[len(body):]) {
		return nil, fmt.Errorf("checksum differs: %w", ErrSnapshot)
	}
	if body[0] != snapshotVersion {
		return nil, fmt.Errorf("version %d, this build reads %d: %w", body[0], snapshotVersion, ErrSnapshot)
	}
	var s state
	if err := json.Unmarshal(body[1:], &s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	g := New(cfg)
	if err := g.restore(&s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return g, nil
}

func (g *Grouper) restore(s *state) error {
	g.atMS, g.nowMS, g.pending, g.rules, g.stats = s.AtMS, s.NowMS, s.Pending, s.Rules, s.Stats
	for _, f := range s.Findings {
		if f == nil || g.findings[f.F.ID] != nil {
			return errors.New("a finding is there twice, or empty")
		}
		g.findings[f.F.ID] = f
	}
	for _, i := range s.Incidents {
		if i == nil || i.I == nil || i.I.M.ID == "" || g.incidents[i.I.M.ID] != nil {
			return errors.New("an incident is there twice, or empty")
		}
		i.I.dirty, i.I.told, i.I.torn, i.I.fall = i.Dirty, i.Told, i.Torn, i.Fall
		for _, p := range i.I.Parts {
			if len(p.IDs) == 0 {
				return errors.New("a member has no finding")
			}
		}
		g.incidents[i.I.M.ID] = i.I
	}
	if m := s.Memory; m != nil {
		g.memory = m
		m.max = g.cfg.MaxSignals
		fresh := newMemory(m.max)
		if m.Signals == nil {
			m.Signals = fresh.Signals
		}
		if m.Flaps == nil {
			m.Flaps = fresh.Flaps
		}
		if m.Judged == nil {
			m.Judged = fresh.Judged
		}
		for _, h := range m.Signals {
			if h == nil {
				return errors.New("a habit is empty")
			}
		}
	}
	for _, id := range s.Done {
		g.done = append(g.done, id)
		g.doneSet[id] = true
	}
	return nil
}
