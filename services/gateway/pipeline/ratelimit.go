package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// rateLimitConfig is a stage that limits rates, as it is written.
type rateLimitConfig struct {
	PerSecond float64 `yaml:"per_second"`
	Burst     float64 `yaml:"burst"`
	By        texts   `yaml:"by"`
	Unit      string  `yaml:"unit"`
	Answer    string  `yaml:"answer"`
}

// rateLimit is a set of token buckets, one for each sender, service or whatever it counts by.
type rateLimit struct {
	perSecond, burst float64
	by               []string
	bytes            bool
	refuse           bool

	// mu guards buckets and what is in them.
	mu      sync.Mutex
	buckets map[string]*bucket
	// swept is when full buckets were last looked for: not more than once a second, since it takes a walk over all.
	swept time.Time
}

// bucket holds tokens; they come back with time. In a limit that refuses requests it may be in debt.
type bucket struct {
	tokens float64
	at     time.Time
}

// maxBuckets bounds the buckets of one stage: senders choose their names. Beyond it they share one.
const maxBuckets = 10_000

func (c *rateLimitConfig) compile(s *stage) error {
	r := &rateLimit{perSecond: c.PerSecond, burst: c.Burst, by: c.By, buckets: map[string]*bucket{}}
	if r.perSecond <= 0 {
		return errors.New("per_second must be above 0")
	}
	if r.burst == 0 {
		r.burst = max(r.perSecond, 1)
	}
	if r.burst < 1 {
		return errors.New("burst must be at least 1")
	}
	if len(r.by) == 0 {
		r.by = []string{"source"}
	}
	for _, b := range r.by {
		switch b {
		case "source", "protocol", "tenant":
		case "service", "host":
			if s.when.signals.metrics && !s.when.signals.logs && !s.when.signals.spans {
				return fmt.Errorf("by %s is for logs and spans", b)
			}
			s.when.signals.metrics = false
		default:
			return fmt.Errorf("by %q is none of source, protocol, tenant, service and host", b)
		}
	}
	switch c.Unit {
	case "", "items":
	case "bytes":
		r.bytes = true
	default:
		return fmt.Errorf("unit %q is neither items nor bytes", c.Unit)
	}
	switch c.Answer {
	case "", "drop":
	case "429":
		r.refuse = true
	default:
		return fmt.Errorf("answer %q is neither drop nor 429", c.Answer)
	}
	s.limit = r
	return nil
}

// admission is the decision of a limit that refuses requests, for one key of one request.
type admission struct {
	limit *rateLimit
	key   string
}

// limit takes an item's tokens and returns a reason when there are none.
func (x *processor) limit(s *stage, res *model.Resource, size int64) string {
	r := s.limit
	cost := 1.0
	if r.bytes {
		cost = float64(size)
	}
	var buf [128]byte
	key := r.key(buf[:0], x, res)
	if !r.refuse {
		if r.take(key, cost, x.req.ReceivedAt, false) {
			return ""
		}
		return limits.RateLimited
	}
	if slices.ContainsFunc(x.admitted, func(a admission) bool { return a.limit == r && a.key == string(key) }) {
		r.take(key, cost, x.req.ReceivedAt, true)
		return ""
	}
	if r.take(key, cost, x.req.ReceivedAt, false) {
		x.admitted = append(x.admitted, admission{r, string(key)})
		return ""
	}
	x.req.Refuse(&errs.Error{Kind: errs.Exhausted, Op: "pipeline stage " + s.name, Err: limits.ErrRateLimited, Hint: "send less, or raise per_second of the stage"})
	return limits.RateLimited
}

// key appends what the limit counts by; tenants never share.
func (r *rateLimit) key(b []byte, x *processor, res *model.Resource) []byte {
	b = strconv.AppendUint(b, uint64(x.req.Tenant), 10)
	for _, by := range r.by {
		b = append(b, 0)
		switch {
		case by == "source":
			b = append(b, x.req.Source...)
		case by == "protocol":
			b = append(b, x.req.Protocol...)
		case by == "service" && res != nil:
			b = append(b, res.Service...)
		case by == "host" && res != nil:
			b = append(b, res.Host...)
		}
	}
	return b
}

// take takes cost tokens of a key's bucket, also into debt when the request is let in already, and reports whether there were any.
// An item larger than the whole bucket passes when the bucket is full.
func (r *rateLimit) take(key []byte, cost float64, now time.Time, debt bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[string(key)]
	if b == nil {
		b = r.open(string(key), now)
	}
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(r.burst, b.tokens+d.Seconds()*r.perSecond)
		b.at = now
	}
	if !debt && b.tokens < min(cost, r.burst) {
		return false
	}
	b.tokens -= cost
	return true
}

// open makes a bucket; it needs the lock held. Full buckets make room, since a new one is full as well.
func (r *rateLimit) open(key string, now time.Time) *bucket {
	if len(r.buckets) >= maxBuckets && now.Sub(r.swept) >= time.Second {
		r.swept = now
		for k, b := range r.buckets {
			if b.tokens+now.Sub(b.at).Seconds()*r.perSecond >= r.burst {
				delete(r.buckets, k)
			}
		}
	}
	if len(r.buckets) >= maxBuckets {
		const other = "\x00other"
		if b := r.buckets[other]; b != nil {
			return b
		}
		key = other
	}
	b := &bucket{tokens: r.burst, at: now}
	r.buckets[key] = b
	return b
}
