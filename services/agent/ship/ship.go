// Package ship delivers the batches of a spool to a gateway, in order, over OTLP/HTTP. A batch stays in the spool until the gateway
// answered 2xx, or refused it for a reason that repeating does not change.
package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/faultline-io/faultline/services/agent/spool"
)

// The headers by which the gateway recognises a batch of an agent and balances its ledger.
const (
	HeaderAgent   = "X-Faultline-Agent"   // the host id
	HeaderBatch   = "X-Faultline-Batch"   // decimal, rising, never repeated for one agent and signal
	HeaderSent    = "X-Faultline-Sent"    // items ever handed to the spool, up to and with this batch
	HeaderDropped = "X-Faultline-Dropped" // items ever lost in the spool, by its bound or by damage
)

// Config says where to send and how patiently.
type Config struct {
	// Signal is "metrics" or "logs"; it names the path.
	Signal string
	// Endpoint is the base address, such as http://127.0.0.1:4318; Key the ingest key, or empty.
	Endpoint string
	Key      string
	// AgentID is the host id; Version goes into the User-Agent.
	AgentID string
	Version string
	// Timeout bounds one request; MinBackoff and MaxBackoff the pause between attempts.
	Timeout    time.Duration
	MinBackoff time.Duration
	MaxBackoff time.Duration
}

// maxRetryAfter bounds how long a receiver may tell the agent to wait.
const maxRetryAfter = 5 * time.Minute

// maxReasons bounds the reasons that are counted apart.
const maxReasons = 16

// Stats are the counters of a Shipper since the start of the process.
type Stats struct {
	SentItems   uint64
	SentBatches uint64
	SentBytes   uint64
	Failures    uint64
	Rejected    map[string]uint64 // items by reason
	// Latency is the time of all delivered requests together; with SentBatches it gives the mean.
	Latency time.Duration
}

// Shipper sends the batches of one spool.
type Shipper struct {
	cfg    Config
	url    string
	client *http.Client
	spool  *spool.Spool
	log    *slog.Logger

	// mu guards the counters.
	mu    sync.Mutex
	stats Stats
}

// New returns a Shipper for the batches of sp. Redirects are not followed: a client turns the POST into a GET without its batch.
func New(cfg Config, client *http.Client, sp *spool.Spool, log *slog.Logger) *Shipper {
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Shipper{cfg: cfg, url: cfg.Endpoint + "/v1/" + cfg.Signal, client: &c, spool: sp, log: log.With(slog.String("signal", cfg.Signal)),
		stats: Stats{Rejected: map[string]uint64{}}}
}

// Run sends until ctx ends.
func (s *Shipper) Run(ctx context.Context) error {
	attempt := 0
	var failingSince time.Time
	for ctx.Err() == nil {
		r := s.spool.Next()
		if r == nil {
			select {
			case <-ctx.Done():
			case <-s.spool.Wake():
			}
			continue
		}
		v := s.send(ctx, r)
		if ctx.Err() != nil && v.kind != delivered {
			return nil
		}
		switch v.kind {
		case delivered:
			s.count(r, v)
			s.spool.Ack(r)
			if attempt > 0 {
				s.log.InfoContext(ctx, "batches are delivered again", slog.Duration("interrupted_for", time.Since(failingSince).Round(time.Millisecond)))
			}
			attempt = 0
			continue
		case refused:
			s.reject(ctx, r, v)
			s.spool.Ack(r)
			attempt = 0
			continue
		}
		s.failed(ctx, v, attempt)
		if attempt == 0 {
			failingSince = time.Now()
		}
		attempt++
		sleep(ctx, s.pause(attempt, v.retryAfter))
	}
	return nil
}

// Drain sends what is left until the spool is empty, an attempt fails or ctx ends; it is for a graceful stop.
func (s *Shipper) Drain(ctx context.Context) {
	for ctx.Err() == nil {
		r := s.spool.Next()
		if r == nil {
			return
		}
		v := s.send(ctx, r)
		if v.kind != delivered {
			return
		}
		s.count(r, v)
		s.spool.Ack(r)
	}
}

// Stats returns a copy of the counters.
func (s *Shipper) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Rejected = make(map[string]uint64, len(s.stats.Rejected))
	for reason, n := range s.stats.Rejected {
		out.Rejected[reason] = n
	}
	return out
}

type kind int

const (
	later kind = iota
	delivered
	refused
)

// verdict is what became of one attempt.
type verdict struct {
	kind       kind
	status     int
	retryAfter time.Duration
	partial    uint64 // items refused inside an accepted batch
	detail     string
	err        error
	took       time.Duration
}

func (s *Shipper) send(ctx context.Context, r *spool.Record) verdict {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(r.Payload))
	if err != nil {
		return verdict{err: err}
	}
	h := req.Header
	h.Set("Content-Type", "application/x-protobuf")
	h.Set("User-Agent", "faultline-agent/"+s.cfg.Version)
	h.Set(HeaderAgent, s.cfg.AgentID)
	h.Set(HeaderBatch, strconv.FormatUint(r.Seq, 10))
	h.Set(HeaderSent, strconv.FormatUint(r.Cumulative, 10))
	st := s.spool.Stats()
	h.Set(HeaderDropped, strconv.FormatUint(st.Dropped+st.Damaged, 10))
	switch r.Encoding {
	case spool.Zstd:
		h.Set("Content-Encoding", "zstd")
	case spool.Gzip:
		h.Set("Content-Encoding", "gzip")
	}
	if s.cfg.Key != "" {
		h.Set("Authorization", "Bearer "+s.cfg.Key)
	}
	began := time.Now()
	resp, err := s.client.Do(req)
	if err != nil {
		return verdict{err: err, took: time.Since(began)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
	v := judge(resp, body)
	v.took = time.Since(began)
	if v.kind == delivered && err != nil {
		// The status line came, so the batch is accepted; what is lost is only the note on partial success.
		s.log.DebugContext(ctx, "answer was cut off", slog.String("error", err.Error()))
	}
	return v
}

// judge decides by the status. 401 and 403 are kept and tried again: a wrong key is repaired by a person, and throwing away all that
// was measured until then helps nobody; the bound of the spool ends it.
func judge(resp *http.Response, body []byte) verdict {
	v := verdict{status: resp.StatusCode, retryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	switch c := resp.StatusCode; {
	case c >= 200 && c < 300:
		v.kind = delivered
		if resp.Header.Get("Content-Type") == "application/x-protobuf" {
			v.partial, v.detail = partialSuccess(body)
		}
	case c == http.StatusRequestTimeout, c == http.StatusTooManyRequests, c == http.StatusUnauthorized, c == http.StatusForbidden, c < 400, c >= 500:
		v.detail = printable(body)
	default:
		v.kind, v.detail = refused, printable(body)
	}
	return v
}

// partialSuccess reads the field partial_success of an OTLP answer, whose shape is the same for all signals: {1: {1: rejected, 2: text}}.
func partialSuccess(body []byte) (rejected uint64, text string) {
	inner, ok := field(body, 1)
	if !ok {
		return 0, ""
	}
	for len(inner) > 0 {
		num, typ, n := protowire.ConsumeTag(inner)
		if n < 0 {
			return rejected, text
		}
		inner = inner[n:]
		switch {
		case num == 1 && typ == protowire.VarintType:
			if v, n := protowire.ConsumeVarint(inner); n > 0 && int64(v) > 0 {
				rejected = v
			}
		case num == 2 && typ == protowire.BytesType:
			if v, n := protowire.ConsumeBytes(inner); n > 0 {
				text = printable(v)
			}
		}
		if n = protowire.ConsumeFieldValue(num, typ, inner); n < 0 {
			return rejected, text
		}
		inner = inner[n:]
	}
	return rejected, text
}

func field(b []byte, want protowire.Number) ([]byte, bool) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, false
		}
		b = b[n:]
		n = protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return nil, false
		}
		if num == want && typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(b)
			return v, true
		}
		b = b[n:]
	}
	return nil, false
}

// retryAfter parses the header in seconds or as a date; what it cannot read is 0.
func retryAfter(h string, now time.Time) time.Duration {
	if h == "" {
		return 0
	}
	d := time.Duration(0)
	if secs, err := strconv.ParseFloat(h, 64); err == nil && secs > 0 && secs < 1e9 {
		d = time.Duration(secs * float64(time.Second))
	} else if t, err := http.ParseTime(h); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}

// pause is exponential with jitter over its upper half, and never shorter than what the receiver asked for.
func (s *Shipper) pause(attempt int, asked time.Duration) time.Duration {
	d := s.cfg.MinBackoff << min(attempt-1, 20)
	if d <= 0 || d > s.cfg.MaxBackoff {
		d = s.cfg.MaxBackoff
	}
	d = d/2 + rand.N(d/2+1)
	if asked > d {
		return asked + rand.N(asked/10+1) // agents that were sent away together come back apart
	}
	return d
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (s *Shipper) count(r *spool.Record, v verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.SentItems += uint64(r.Items)
	s.stats.SentBatches++
	s.stats.SentBytes += uint64(len(r.Payload))
	s.stats.Latency += v.took
	if v.partial > 0 {
		s.addRejected("partial", v.partial)
	}
}

// addRejected counts by reason, and under "other" when there are too many of them. The caller holds mu.
func (s *Shipper) addRejected(reason string, items uint64) {
	if _, ok := s.stats.Rejected[reason]; !ok && len(s.stats.Rejected) >= maxReasons {
		reason = "other"
	}
	s.stats.Rejected[reason] += items
}

func (s *Shipper) reject(ctx context.Context, r *spool.Record, v verdict) {
	s.mu.Lock()
	reason := "status_" + strconv.Itoa(v.status)
	first := s.stats.Rejected[reason] == 0
	s.addRejected(reason, uint64(r.Items))
	s.mu.Unlock()
	level := slog.LevelDebug
	if first { // the count is a metric; one line says what the receiver does not like
		level = slog.LevelError
	}
	s.log.Log(ctx, level, "receiver refused a batch for good", slog.Uint64("batch", r.Seq), slog.Int("items", int(r.Items)),
		slog.Int("status", v.status), slog.String("answer", v.detail))
}

func (s *Shipper) failed(ctx context.Context, v verdict, attempt int) {
	s.mu.Lock()
	s.stats.Failures++
	s.mu.Unlock()
	level := slog.LevelDebug
	if attempt == 0 || attempt%60 == 0 {
		level = slog.LevelWarn
	}
	err := v.err
	if err == nil {
		err = fmt.Errorf("status %d: %s", v.status, v.detail)
	} else if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", s.cfg.Timeout)
	}
	hint := "batches wait in the spool"
	if v.status == http.StatusUnauthorized || v.status == http.StatusForbidden {
		hint = "set the ingest key with --key or FAULTLINE_AGENT_KEY; batches wait in the spool"
	}
	s.log.Log(ctx, level, "batch cannot be delivered", slog.String("endpoint", s.cfg.Endpoint), slog.Int("attempt", attempt+1),
		slog.String("error", err.Error()), slog.String("hint", hint))
}

// printable returns the beginning of an answer for a log line.
func printable(b []byte) string {
	if len(b) > 256 {
		b = b[:256]
	}
	return string(bytes.ToValidUTF8(bytes.TrimSpace(b), []byte("?")))
}
