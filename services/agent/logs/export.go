package logs

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/faultline-io/faultline/services/internal/errs"
)

const (
	// maxJournalField is where a value is cut; maxJournalFields bounds the fields of one entry that are kept.
	maxJournalField  = maxLine
	maxJournalFields = 256
	// maxFieldName is longer than any name that journald accepts (64).
	maxFieldName = 256
	// maxBinaryField refuses lengths that only a broken stream can have; journald's own limit is 768 MiB.
	maxBinaryField = 1 << 30
)

// exportReader reads the journal export format: lines NAME=value, or NAME, a little-endian 64-bit length, that many bytes and a
// newline; an empty line ends an entry.
type exportReader struct {
	r    *bufio.Reader
	want func(name string) bool
	cut  uint64 // values that were longer than maxJournalField
}

func newExportReader(r io.Reader, want func(string) bool) *exportReader {
	return &exportReader{r: bufio.NewReaderSize(r, 32<<10), want: want}
}

// next returns the wanted fields of the next entry; io.EOF at the end. Of a field that repeats, the first value counts.
func (x *exportReader) next() (map[string]string, error) {
	fields := map[string]string{}
	started := false
	for {
		line, err := x.line()
		if err != nil {
			if errors.Is(err, io.EOF) && started {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if len(line.name) == 0 && !line.hasValue {
			if started {
				return fields, nil
			}
			continue
		}
		started = true
		value := line.value
		if !line.hasValue {
			if value, err = x.binaryValue(); err != nil {
				return nil, err
			}
		}
		if _, dup := fields[line.name]; !dup && len(fields) < maxJournalFields && x.want(line.name) {
			fields[line.name] = value
		}
	}
}

type exportLine struct {
	name     string
	value    string
	hasValue bool
}

// line reads one line; a value longer than the bound is cut and the rest passed over.
func (x *exportReader) line() (exportLine, error) {
	var out exportLine
	var kept []byte
	name := true
	for {
		part, err := x.r.ReadSlice('\n')
		whole := err == nil
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return out, err
		}
		if whole {
			part = part[:len(part)-1]
		}
		if name {
			for i, c := range part {
				if c == '=' {
					if len(kept)+i > maxFieldName {
						return out, errs.New(errs.Invalid, "journal export: name of a field is longer than %d bytes", maxFieldName)
					}
					out.name, out.hasValue = string(append(kept, part[:i]...)), true
					part, kept, name = part[i+1:], nil, false
					break
				}
			}
		}
		bound := maxJournalField
		if name {
			bound = maxFieldName
		}
		if room := bound - len(kept); len(part) > room {
			if name {
				return out, errs.New(errs.Invalid, "journal export: name of a field is longer than %d bytes", maxFieldName)
			}
			part = part[:max(room, 0)]
			x.cut++
		}
		kept = append(kept, part...)
		if whole {
			break
		}
	}
	if name {
		out.name = string(kept)
	} else {
		out.value = string(kept)
	}
	return out, nil
}

func (x *exportReader) binaryValue() (string, error) {
	var head [8]byte
	if _, err := io.ReadFull(x.r, head[:]); err != nil {
		return "", unexpected(err)
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > maxBinaryField {
		return "", errs.New(errs.Invalid, "journal export: field of %d bytes", n)
	}
	value, err := io.ReadAll(io.LimitReader(x.r, int64(min(n, maxJournalField))))
	if err != nil {
		return "", unexpected(err)
	}
	if rest := int64(n) - int64(len(value)); rest > 0 {
		if uint64(len(value)) < min(n, maxJournalField) {
			return "", io.ErrUnexpectedEOF
		}
		x.cut++
		if _, err := io.CopyN(io.Discard, x.r, rest); err != nil {
			return "", unexpected(err)
		}
	}
	end, err := x.r.ReadByte()
	if err != nil {
		return "", unexpected(err)
	}
	if end != '\n' {
		return "", errs.New(errs.Invalid, "journal export: no newline behind a binary field")
	}
	return string(value), nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
