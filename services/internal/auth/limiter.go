package auth

import (
	"container/list"
	"net"
	"sync"
	"time"
)

// Bounds of failed attempts: a person mistypes a few times; afterwards one try in refill is far too slow for guessing.
const (
	burst        = 8
	refill       = 10 * time.Second
	maxAddresses = 10_000
)

// limiter counts failures by address, as a bucket that empties with time. It forgets the address not seen for longest when it is full.
type limiter struct {
	now func() time.Time

	// mu guards what is below.
	mu    sync.Mutex
	order *list.List // Of *bucket, the latest used in front.
	byKey map[string]*list.Element
}

// bucket has the failures of one address.
type bucket struct {
	key   string
	level float64 // Failures that still count.
	at    time.Time
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, order: list.New(), byKey: map[string]*list.Element{}}
}

// wait returns how long an address must wait until its next attempt; 0 is none.
func (l *limiter) wait(addr string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[addressKey(addr)]
	if !ok {
		return 0
	}
	b := e.Value.(*bucket)
	l.drain(b)
	if b.level <= burst-1 {
		return 0
	}
	return time.Duration((b.level - (burst - 1)) * float64(refill))
}

// failed notes a failure.
func (l *limiter) failed(addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := addressKey(addr)
	e, ok := l.byKey[key]
	if !ok {
		if l.order.Len() >= maxAddresses {
			oldest := l.order.Back()
			delete(l.byKey, l.order.Remove(oldest).(*bucket).key)
		}
		e = l.order.PushFront(&bucket{key: key, at: l.now()})
		l.byKey[key] = e
	}
	b := e.Value.(*bucket)
	l.drain(b)
	b.level = min(b.level+1, burst)
	l.order.MoveToFront(e)
}

// succeeded forgets the failures of an address.
func (l *limiter) succeeded(addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := addressKey(addr)
	if e, ok := l.byKey[key]; ok {
		l.order.Remove(e)
		delete(l.byKey, key)
	}
}

// drain lowers the level by the time that has passed. It needs mu.
func (l *limiter) drain(b *bucket) {
	now := l.now()
	b.level = max(0, b.level-float64(now.Sub(b.at))/float64(refill))
	b.at = now
}

// addressKey drops the port, and the lower half of an IPv6 address: a whole /64 belongs to one customer.
func addressKey(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip := net.ParseIP(host)
	if ip == nil || ip.To4() != nil {
		return host
	}
	return ip.Mask(net.CIDRMask(64, 128)).String()
}
