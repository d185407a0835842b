package spool

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Options are the bounds of a spool and what it needs from outside.
type Options struct {
	// MaxBytes bounds the segment files together; SegmentBytes is the size at which a new one starts.
	MaxBytes     int64
	SegmentBytes int64
	// MemoryBytes bounds what waits in memory while the disk takes nothing.
	MemoryBytes int64
	Log         *slog.Logger
	Now         func() time.Time
}

// Stats is a snapshot of a spool's counters. Items are counted since the spool was made, not since the start of the process.
type Stats struct {
	Bytes       int64
	MemoryBytes int64
	Batches     int
	// Cumulative is the number of items appended; Dropped those the bound threw away; Damaged those lost to broken files.
	Cumulative uint64
	Dropped    uint64
	Damaged    uint64
	Damages    uint64
	// Pending is the number of items not yet delivered.
	Pending uint64
	// DiskFailing is set while batches can only be kept in memory.
	DiskFailing bool
}

// Spool is a queue of batches on disk.
type Spool struct {
	dir  string
	opts Options

	// mu guards everything below.
	mu       sync.Mutex
	st       state
	segs     []*segment
	active   *os.File // the file of the last segment, nil when the next Append starts a new one
	reading  *os.File // the file of readSeg
	readSeg  *segment
	readOff  int64
	writeBuf []byte
	mem      []*Record
	memBytes int64
	marks    map[string]string
	ack      *os.File
	acked    uint64
	ackedCum uint64
	failing  bool
	full     bool
	closed   bool
	wake     chan struct{}
}

// Append adds a batch and returns its number. It returns after the batch is on disk; when the disk takes nothing, after it is in
// memory, which Stats shows. When the spool is full the oldest batches leave.
func (s *Spool) Append(items int, enc Encoding, rawBytes int, payload []byte, marks map[string]string) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errs.New(errs.Unavailable, "append to closed spool %q", s.dir)
	}
	if int64(len(payload)) > min(s.opts.MaxBytes, maxRecordBytes)/2 {
		return 0, errs.New(errs.Invalid, "batch of %d bytes does not fit spool %q", len(payload), s.dir)
	}
	if s.st.Next >= s.st.Reserved {
		s.st.Reserved = s.st.Next + reserveBatch
		s.saveState() // should it fail, the clock still keeps numbers apart: see firstNumber
	}
	s.st.Cumulative += uint64(items)
	r := &Record{Seq: s.st.Next, Items: uint32(items), Cumulative: s.st.Cumulative, CreatedNS: s.opts.Now().UnixNano(), Encoding: enc,
		RawBytes: uint32(rawBytes), Payload: payload, Marks: marks}
	s.st.Next++
	if err := s.flushMemory(); err == nil {
		err = s.write(r)
		s.diskResult(err)
		if err != nil {
			s.keepInMemory(r)
		}
	} else {
		s.diskResult(err)
		s.keepInMemory(r)
	}
	s.notify()
	return r.Seq, nil
}

// Next returns the oldest batch that was not acknowledged, without removing it, or nil when there is none.
func (s *Spool) Next() *Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		seg := s.oldestPending()
		if seg == nil {
			break
		}
		r, err := s.readFrom(seg)
		if err == nil {
			return r
		}
		s.giveUp(seg, err)
	}
	if len(s.mem) > 0 {
		return s.mem[0]
	}
	return nil
}

// Ack says that the receiver has r, or refused it for good; r is what Next returned.
func (s *Spool) Ack(r *Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Seq <= s.acked {
		// The bound threw it away while it was being sent, and it arrived after all.
		s.st.DroppedItems -= min(s.st.DroppedItems, uint64(r.Items))
		return
	}
	s.acked, s.ackedCum = r.Seq, r.Cumulative
	if len(s.mem) > 0 && s.mem[0].Seq == r.Seq {
		s.popMemory()
		s.applyMarks(r)
	}
	if err := writeAck(s.ack, s.acked, s.ackedCum); err != nil {
		s.opts.Log.Debug("acknowledgement was not written; a restart sends the batch once more", slog.String("error", err.Error()))
	}
	s.collect()
}

// Flush tries again to move what waits in memory to disk. Append does it too; this is for a signal that has become quiet.
func (s *Spool) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mem) > 0 && !s.closed {
		s.diskResult(s.flushMemory())
	}
}

// Wake returns a channel that receives after an Append; several Appends may make one receive.
func (s *Spool) Wake() <-chan struct{} { return s.wake }

// Marks returns a copy of the marks of all batches that were ever appended.
func (s *Spool) Marks() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.marks)
}

// Stats returns the counters.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{MemoryBytes: s.memBytes, Batches: len(s.mem), Cumulative: s.st.Cumulative, Dropped: s.st.DroppedItems,
		Damaged: s.st.DamagedItems, Damages: s.st.Damages, DiskFailing: s.failing}
	for _, g := range s.segs {
		st.Bytes += g.size
		if g.last > s.acked {
			st.Batches += int(g.last - max(g.first-1, s.acked)) // at most: numbers may have gaps
			st.Pending += g.lastCum - max(g.firstCum, s.ackedCum)
		}
	}
	for _, r := range s.mem {
		st.Pending += uint64(r.Items)
	}
	return st
}

// Close writes what is in memory to disk if it can and leaves the spool in a state that the next Open continues without a gap.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.flushMemory()
	if len(s.mem) == 0 {
		s.st.Clean = true
	}
	err = errors.Join(err, s.writeState(), s.ack.Sync(), s.ack.Close(), s.closeActive())
	if s.reading != nil {
		err = errors.Join(err, s.reading.Close())
	}
	return err
}

func (s *Spool) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// applyMarks makes r's marks current. The caller holds mu.
func (s *Spool) applyMarks(r *Record) {
	for name, value := range r.Marks {
		if value == "" {
			delete(s.marks, name)
		} else {
			s.marks[name] = value
		}
	}
	s.st.MarksSeq = max(s.st.MarksSeq, r.Seq)
}

// keepInMemory queues r until the disk takes it; the oldest leave at the bound. The caller holds mu.
func (s *Spool) keepInMemory(r *Record) {
	s.mem = append(s.mem, r)
	s.memBytes += recordCost(r)
	for s.memBytes > s.opts.MemoryBytes && len(s.mem) > 1 {
		old := s.popMemory()
		s.applyMarks(old)
		s.st.DroppedItems += uint64(old.Items)
		s.acked, s.ackedCum = max(s.acked, old.Seq), max(s.ackedCum, old.Cumulative)
	}
}

// popMemory removes the oldest batch in memory. The caller holds mu.
func (s *Spool) popMemory() *Record {
	r := s.mem[0]
	s.mem[0] = nil
	s.mem = s.mem[1:]
	s.memBytes -= recordCost(r)
	return r
}

func recordCost(r *Record) int64 { return int64(len(r.Payload)) + 256 + 128*int64(len(r.Marks)) }

// flushMemory moves what waits in memory to disk, in order. The caller holds mu.
func (s *Spool) flushMemory() error {
	for len(s.mem) > 0 {
		if err := s.write(s.mem[0]); err != nil {
			return err
		}
		s.popMemory()
	}
	return nil
}

// diskResult says once when the disk begins to refuse and once when it takes again. The caller holds mu.
func (s *Spool) diskResult(err error) {
	switch {
	case err != nil && !s.failing:
		s.opts.Log.Error("spool cannot be written; batches wait in memory, the oldest leave when it is full",
			slog.String("dir", s.dir), slog.Int64("memory_bytes", s.opts.MemoryBytes), slog.String("error", err.Error()))
	case err == nil && s.failing:
		s.opts.Log.Info("spool can be written again", slog.String("dir", s.dir))
	}
	s.failing = err != nil
}

// saveState writes the state and reports a failure through diskResult only when it changes something. The caller holds mu.
func (s *Spool) saveState() bool {
	err := s.writeState()
	if err != nil {
		s.diskResult(err)
	}
	return err == nil
}

func (s *Spool) writeState() error {
	s.st.Version = stateVersion
	s.st.Marks = s.marks
	data, err := json.Marshal(&s.st)
	if err != nil {
		return err
	}
	return writeFileAtomic(s.dir, stateFile, data)
}
