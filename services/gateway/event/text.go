package event

import (
	"encoding/hex"
	"strings"
	"unsafe"
)

// chunkBytes is what the arena grows by: a batch of logs is cut at a megabyte, so that a handful of chunks hold one.
const chunkBytes = 128 << 10

// maxChunks bounds what an arena keeps for its next use.
const maxChunks = 16

// arena holds the text of the events that wait to be published. What it gave out is valid until reset.
type arena struct {
	chunks [][]byte
	at     int
}

// room returns an empty slice with space for n bytes.
func (a *arena) room(n int) []byte {
	for ; a.at < len(a.chunks); a.at++ {
		if c := a.chunks[a.at]; cap(c)-len(c) >= n {
			return c[len(c):len(c):cap(c)]
		}
	}
	a.chunks = append(a.chunks, make([]byte, 0, max(n, chunkBytes)))
	return a.chunks[a.at]
}

// keep makes b, which grew in what room gave out, part of the arena.
func (a *arena) keep(b []byte) string {
	c := a.chunks[a.at]
	a.chunks[a.at] = c[:len(c)+len(b)]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (a *arena) copy(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return a.keep(append(a.room(len(b)), b...))
}

// hex returns the size bytes that text names; dashes of a UUID are left out. All zeros is no id.
func (a *arena) hex(text string, size int) (string, bool) {
	if len(text) == 36 {
		text = strings.ReplaceAll(text, "-", "")
	}
	if len(text) != 2*size {
		return "", false
	}
	b := a.room(size)[:size]
	if _, err := hex.Decode(b, unsafe.Slice(unsafe.StringData(text), len(text))); err != nil {
		return "", false
	}
	for _, c := range b {
		if c != 0 {
			return a.keep(b), true
		}
	}
	return "", false
}

func (a *arena) reset() {
	if len(a.chunks) > maxChunks {
		clear(a.chunks[maxChunks:])
		a.chunks = a.chunks[:maxChunks]
	}
	for i := range a.chunks {
		if cap(a.chunks[i]) > 4*chunkBytes { // The rare giant does not stay.
			a.chunks[i] = make([]byte, 0, chunkBytes)
		}
		a.chunks[i] = a.chunks[i][:0]
	}
	a.at = 0
}
