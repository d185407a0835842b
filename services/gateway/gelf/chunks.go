package gelf

import (
	"net/netip"
	"time"
)

// Bounds of messages in chunks, as the format gives them, and of what waits: a sender may never send the last chunk.
const (
	maxChunks   = 128
	headerBytes = 12
	chunkWait   = 5 * time.Second
	maxWaiting  = 1024
	maxBytes    = 16 << 20
)

type chunkKey struct {
	from netip.Addr
	id   [8]byte
}

type partial struct {
	since time.Time
	parts [][]byte
	have  int
	bytes int
}

// Chunks puts the chunks of messages together. It belongs to one goroutine.
type Chunks struct {
	waiting map[chunkKey]*partial
	order   []chunkKey // oldest first, with those that are done already
	bytes   int
	lost    int
}

// NewChunks returns an empty set.
func NewChunks() *Chunks { return &Chunks{waiting: map[chunkKey]*partial{}} }

// Add takes a datagram. It returns a message that is whole: the datagram itself when it is no chunk, nil while chunks are missing.
func (c *Chunks) Add(data []byte, from netip.Addr, now time.Time) []byte {
	if len(data) < 2 || data[0] != 0x1e || data[1] != 0x0f {
		return data
	}
	c.expire(now)
	if len(data) <= headerBytes {
		c.lost++
		return nil
	}
	seq, n := int(data[10]), int(data[11])
	if n == 0 || n > maxChunks || seq >= n {
		c.lost++
		return nil
	}
	k := chunkKey{from: from, id: [8]byte(data[2:10])}
	p := c.waiting[k]
	if p == nil {
		for len(c.waiting) >= maxWaiting || c.bytes+len(data) > maxBytes {
			if !c.dropOldest() {
				break
			}
		}
		p = &partial{since: now, parts: make([][]byte, n)}
		c.waiting[k] = p
		c.order = append(c.order, k)
	}
	if n != len(p.parts) || p.parts[seq] != nil {
		return nil // A repetition, or one that contradicts its others.
	}
	p.parts[seq] = append([]byte(nil), data[headerBytes:]...)
	p.have++
	p.bytes += len(data)
	c.bytes += len(data)
	if p.have < n {
		for c.bytes > maxBytes && c.dropOldest() {
		}
		return nil
	}
	c.remove(k)
	whole := make([]byte, 0, p.bytes)
	for _, part := range p.parts {
		whole = append(whole, part...)
	}
	return whole
}

// Lost returns how many messages and chunks were given up since the last call.
func (c *Chunks) Lost() int {
	n := c.lost
	c.lost = 0
	return n
}

func (c *Chunks) remove(k chunkKey) {
	c.bytes -= c.waiting[k].bytes
	delete(c.waiting, k)
}

// Expire gives up what waited too long.
func (c *Chunks) Expire(now time.Time) { c.expire(now) }

func (c *Chunks) expire(now time.Time) {
	for len(c.order) > 0 {
		p := c.waiting[c.order[0]]
		if p != nil && now.Sub(p.since) < chunkWait {
			return
		}
		c.pop()
	}
}

// pop takes the oldest off the list, and gives it up when it is not done.
func (c *Chunks) pop() {
	k := c.order[0]
	c.order = c.order[1:]
	if c.waiting[k] != nil {
		c.lost++
		c.remove(k)
	}
	if len(c.order) == 0 {
		c.order = nil
	}
}

func (c *Chunks) dropOldest() bool {
	for len(c.order) > 0 {
		was := len(c.waiting)
		if c.pop(); len(c.waiting) < was {
			return true
		}
	}
	return false
}
