package spool

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// segment is one file of records.
type segment struct {
	path        string
	first, last uint64
	// firstCum is the cumulative count before the first record, lastCum that of the last one.
	firstCum, lastCum uint64
	size              int64
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d.seg", first) }

// earlyRoll is the size from which a delivered segment is removed although it would still take records: it keeps an idle spool small
// without a new file for every batch.
const earlyRoll = 256 << 10

// write appends r to the active segment and flushes it. The caller holds mu.
func (s *Spool) write(r *Record) error {
	s.writeBuf = appendRecord(s.writeBuf[:0], r)
	defer func() {
		if cap(s.writeBuf) > 1<<20 {
			s.writeBuf = nil // one large batch must not keep its memory for ever
		}
	}()
	need := int64(len(s.writeBuf))
	if s.active != nil && s.segs[len(s.segs)-1].size+need > s.opts.SegmentBytes {
		if err := s.closeActive(); err != nil {
			return err
		}
	}
	if err := s.makeRoom(need + int64(len(segmentMagic))); err != nil {
		return err
	}
	if s.active == nil {
		if err := s.newSegment(r); err != nil {
			return err
		}
	}
	seg := s.segs[len(s.segs)-1]
	_, err := s.active.WriteAt(s.writeBuf, seg.size)
	if err == nil {
		err = s.active.Sync()
	}
	if err != nil {
		// Half a record may be there. If even cutting it off fails, this file takes no more: Open cuts it.
		if terr := s.active.Truncate(seg.size); terr != nil {
			err = errors.Join(err, terr, s.closeActive())
		}
		return err
	}
	seg.size += need
	seg.last, seg.lastCum = r.Seq, r.Cumulative
	s.applyMarks(r)
	return nil
}

func (s *Spool) newSegment(r *Record) error {
	path := filepath.Join(s.dir, segmentName(r.Seq))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.WriteString(segmentMagic); err == nil {
		err = syncDir(s.dir)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(path)
		return err
	}
	before := r.Cumulative - uint64(r.Items)
	s.active = f
	s.segs = append(s.segs, &segment{path: path, first: r.Seq, last: r.Seq - 1, firstCum: before, lastCum: before, size: int64(len(segmentMagic))})
	return nil
}

func (s *Spool) closeActive() error {
	if s.active == nil {
		return nil
	}
	err := s.active.Close()
	s.active = nil
	return err
}

// makeRoom removes the oldest segments until need bytes fit. The caller holds mu.
func (s *Spool) makeRoom(need int64) error {
	var total int64
	for _, g := range s.segs {
		total += g.size
	}
	var dropped uint64
	for total+need > s.opts.MaxBytes && len(s.segs) > 0 {
		seg := s.segs[0]
		if len(s.segs) == 1 {
			if err := s.closeActive(); err != nil {
				return err
			}
		}
		if seg.last > s.acked {
			n := seg.lastCum - max(seg.firstCum, s.ackedCum)
			dropped += n
			s.st.DroppedItems += n
			s.acked, s.ackedCum = seg.last, seg.lastCum
		}
		total -= seg.size
		s.removeOldest()
	}
	if dropped > 0 && !s.full {
		s.full = true
		s.opts.Log.Error("spool is full; the oldest batches leave until the receiver takes batches again",
			slog.String("dir", s.dir), slog.Int64("max_bytes", s.opts.MaxBytes), slog.Uint64("items_dropped", dropped))
	}
	return nil
}

// removeOldest deletes the first segment after the state says that it is not needed. If the state cannot be written (full disk), the
// segment goes nevertheless: a lost mark costs duplicates after a crash, a full disk costs everything. The caller holds mu.
func (s *Spool) removeOldest() {
	seg := s.segs[0]
	if s.readSeg == seg {
		_ = s.reading.Close()
		s.reading, s.readSeg = nil, nil
	}
	s.st.Floor = max(s.st.Floor, seg.last)
	if !s.saveState() {
		_ = os.Remove(seg.path)
		s.saveState()
	}
	_ = os.Remove(seg.path)
	s.segs = append(s.segs[:0], s.segs[1:]...)
}

// collect removes delivered segments. The caller holds mu.
func (s *Spool) collect() {
	for len(s.segs) > 0 && s.segs[0].last <= s.acked {
		if len(s.segs) == 1 && s.active != nil {
			if s.segs[0].size < earlyRoll {
				break
			}
			if err := s.closeActive(); err != nil {
				break
			}
		}
		s.removeOldest()
	}
	if s.full && (len(s.segs) == 0 || s.segs[len(s.segs)-1].last <= s.acked) {
		s.full = false
		s.opts.Log.Info("spool is empty again", slog.String("dir", s.dir), slog.Uint64("items_dropped_total", s.st.DroppedItems))
	}
}

// oldestPending returns the first segment with a record to deliver, or nil. The caller holds mu.
func (s *Spool) oldestPending() *segment {
	for _, g := range s.segs {
		if g.last > s.acked && g.size > int64(len(segmentMagic)) {
			return g
		}
	}
	return nil
}

// readFrom returns the first record of seg that was not delivered. The caller holds mu.
func (s *Spool) readFrom(seg *segment) (*Record, error) {
	if s.readSeg != seg {
		if s.reading != nil {
			_ = s.reading.Close()
		}
		f, err := os.Open(seg.path)
		if err != nil {
			s.reading, s.readSeg = nil, nil
			return nil, err
		}
		s.reading, s.readSeg, s.readOff = f, seg, int64(len(segmentMagic))
	}
	for s.readOff < seg.size {
		var head [frameHeader]byte
		if _, err := s.reading.ReadAt(head[:], s.readOff); err != nil {
			return nil, err
		}
		n, ok := frameLength(head[:])
		if !ok || int64(n) > seg.size-s.readOff {
			return nil, errs.New(errs.Invalid, "length of the record at byte %d is damaged", s.readOff)
		}
		buf := make([]byte, n) // the sender keeps the payload beyond this call
		if _, err := s.reading.ReadAt(buf, s.readOff); err != nil {
			return nil, err
		}
		r, err := parseRecord(buf)
		if err != nil {
			return nil, err
		}
		if r.Seq > s.acked {
			return r, nil
		}
		s.readOff += int64(n)
	}
	return nil, io.ErrUnexpectedEOF
}

// giveUp passes over the rest of a segment that cannot be read and counts what was in it. The caller holds mu.
func (s *Spool) giveUp(seg *segment, err error) {
	lost := seg.lastCum - max(seg.firstCum, s.ackedCum)
	s.st.Damages++
	s.st.DamagedItems += lost
	s.opts.Log.Error("spool segment is damaged; its remaining batches are lost",
		slog.String("segment", seg.path), slog.Uint64("items_lost", lost), slog.String("error", err.Error()))
	s.acked, s.ackedCum = seg.last, seg.lastCum
	if s.active != nil && s.segs[len(s.segs)-1] == seg {
		_ = s.closeActive()
	}
	s.collect()
}
