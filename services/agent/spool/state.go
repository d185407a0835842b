package spool

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// reserveBatch is how many numbers are reserved on disk at a time. After an unclean end the next number is the first one that was
// not reserved, so numbers may have gaps but never come back. At one batch a second a block lasts a day, also with a full disk.
const reserveBatch = 100_000

// state is what must survive the removal of segments. It is replaced as a whole and flushed.
type state struct {
	Version int `json:"version"`
	// Clean is set by Close; Next is then exact.
	Clean    bool   `json:"clean"`
	Next     uint64 `json:"next"`
	Reserved uint64 `json:"reserved"`
	// Floor is the highest number whose record may be thrown away: delivered, or counted in Dropped.
	Floor uint64 `json:"floor"`
	// Cumulative is the number of items ever appended; the others count what became of some of them.
	Cumulative   uint64 `json:"cumulative"`
	DroppedItems uint64 `json:"dropped_items"`
	DamagedItems uint64 `json:"damaged_items"`
	Damages      uint64 `json:"damages"`
	// MarksSeq is the last record whose marks are in Marks.
	MarksSeq uint64            `json:"marks_seq"`
	Marks    map[string]string `json:"marks"`
}

const (
	stateFile    = "state.json"
	ackFile      = "ack"
	stateVersion = 1
)

// loadState returns fs.ErrNotExist when there is no state, and an error of kind Invalid when it cannot be understood.
func loadState(dir string) (*state, error) {
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, err
	}
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, errs.New(errs.Invalid, "parse %s: %w", stateFile, err)
	}
	if s.Version != stateVersion {
		return nil, errs.New(errs.Invalid, "%s has version %d, this agent knows %d", stateFile, s.Version, stateVersion)
	}
	return s, nil
}

// writeFileAtomic replaces dir/name by data: after a crash there is the old content or the new one.
func writeFileAtomic(dir, name string, data []byte) error {
	tmp := filepath.Join(dir, name+".tmp")
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename or a new file durable where the system can flush directories; others do it with the file.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}

// ackSize is the number and the cumulative count of the last delivered record, and their checksum.
const ackSize = 20

// readAck returns zeros when the file is missing or torn: then batches are sent again under their old numbers.
func readAck(f *os.File) (seq, cumulative uint64) {
	var b [ackSize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil || crc32.Checksum(b[:16], castagnoli) != binary.LittleEndian.Uint32(b[16:]) {
		return 0, 0
	}
	return binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
}

func writeAck(f *os.File, seq, cumulative uint64) error {
	var b [ackSize]byte
	binary.LittleEndian.PutUint64(b[:], seq)
	binary.LittleEndian.PutUint64(b[8:], cumulative)
	binary.LittleEndian.PutUint32(b[16:], crc32.Checksum(b[:16], castagnoli))
	_, err := f.WriteAt(b[:], 0)
	return err
}
