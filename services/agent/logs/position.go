package logs

import (
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"os"
	"strconv"
	"strings"
)

// fingerprintBytes is how much of the beginning of a file identifies it. Logs begin with a time, so a kilobyte tells any two apart.
const fingerprintBytes = 1024

// fileID is what the system knows a file by, whatever its name.
type fileID struct {
	dev, ino uint64
}

func (id fileID) markName() string {
	return markFile + strconv.FormatUint(id.dev, 36) + ":" + strconv.FormatUint(id.ino, 36)
}

// markFile is the beginning of the names of positions in files.
const markFile = "file:"

// position is where a file was left. It is the value of a mark.
type position struct {
	Path   string `json:"p"`
	Offset int64  `json:"o"`
	// Length and Hash are the fingerprint: a hash over the first Length bytes.
	Length int    `json:"l"`
	Hash   uint64 `json:"h"`

	id fileID
}

// fileMark is a Marker: the identity of a file at one moment. A file that grows or is truncated gets another one, so that positions
// that still wait in a batch keep the fingerprint they belong to.
type fileMark struct {
	id     fileID
	name   string // of the mark
	path   string
	length int
	hash   uint64
}

// MarkName implements Marker.
func (m *fileMark) MarkName() string { return m.name }

// MarkValue implements Marker.
func (m *fileMark) MarkValue(offset int64) string {
	data, err := json.Marshal(position{Path: m.path, Offset: offset, Length: m.length, Hash: m.hash})
	if err != nil {
		panic("BUG: a position does not marshal: " + err.Error())
	}
	return string(data)
}

// parsePositions returns the positions among marks; what cannot be read is left out, which costs repeated lines, never lost ones.
func parsePositions(marks map[string]string) map[fileID]*position {
	out := map[fileID]*position{}
	for name, value := range marks {
		rest, ok := strings.CutPrefix(name, markFile)
		if !ok {
			continue
		}
		dev, ino, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		d, err1 := strconv.ParseUint(dev, 36, 64)
		i, err2 := strconv.ParseUint(ino, 36, 64)
		p := &position{id: fileID{d, i}}
		if err1 != nil || err2 != nil || json.Unmarshal([]byte(value), p) != nil || p.Offset < 0 || p.Length < 0 || p.Length > fingerprintBytes {
			continue
		}
		out[p.id] = p
	}
	return out
}

// fingerprint hashes the first n bytes of f, fewer when it is shorter, and returns how many there were.
func fingerprint(f *os.File, n int) (length int, hash uint64, err error) {
	var buf [fingerprintBytes]byte
	length, err = f.ReadAt(buf[:min(n, fingerprintBytes)], 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	h := fnv.New64a()
	_, _ = h.Write(buf[:length])
	return length, h.Sum64(), err
}

// matches says whether f begins as it did when p was taken.
func (p *position) matches(f *os.File) bool {
	if p.Length == 0 {
		return p.Offset == 0
	}
	n, hash, err := fingerprint(f, p.Length)
	return err == nil && n == p.Length && hash == p.Hash
}
