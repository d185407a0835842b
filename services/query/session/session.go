// Package session keeps who is signed in: a random token in a cookie, its hash in a bucket of the bus, so that a restart signs nobody
// out and a copy of the bucket lets nobody in. It checks no passwords itself.
package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Bucket is the control-state bucket with the sessions.
const Bucket = "sessions"

const (
	// lifetime is how long a session lasts: a working week, so that people sign in on Mondays.
	lifetime = 7 * 24 * time.Hour
	// memoryTTL is how long a process trusts its copy of a session: a sign-out elsewhere reaches it this much later at most.
	memoryTTL = 10 * time.Second
	// memoryMax bounds the copies.
	memoryMax = 10_000
	// sweepEvery is how often expired sessions are removed.
	sweepEvery = time.Hour
)

// Session is one signed-in browser.
type Session struct {
	User      string         `json:"user"`
	Tenant    model.TenantID `json:"tenant"`
	CSRF      string         `json:"csrf"`
	ExpiresAt time.Time      `json:"expires_at"`
}

// Opener opens buckets; bus.Bus is one.
type Opener interface {
	KV(ctx context.Context, bucket string) (bus.KV, error)
}

// Manager makes and finds sessions. It is safe for concurrent use.
type Manager struct {
	opener Opener
	now    func() time.Time
	log    *slog.Logger

	// mu guards what follows.
	mu     sync.Mutex
	kv     bus.KV
	memory map[string]remembered
}

type remembered struct {
	session Session
	until   time.Time
}

// NewManager returns a manager over the sessions bucket, which it opens when it is first needed.
func NewManager(opener Opener, now func() time.Time, log *slog.Logger) *Manager {
	return &Manager{opener: opener, now: now, log: log, memory: map[string]remembered{}}
}

// Create signs a user in and returns the token for the cookie.
func (m *Manager) Create(ctx context.Context, user string, tenant model.TenantID) (token string, s Session, err error) {
	kv, err := m.bucket(ctx)
	if err != nil {
		return "", Session{}, err
	}
	token = random()
	s = Session{User: user, Tenant: tenant, CSRF: random(), ExpiresAt: m.now().Add(lifetime).UTC().Truncate(time.Second)}
	raw, err := json.Marshal(s)
	if err != nil {
		return "", Session{}, errs.New(errs.Internal, "encode session: %w", err)
	}
	if err := kv.Put(ctx, keyOf(token), raw); err != nil {
		return "", Session{}, errs.New(errs.Unavailable, "keep session: %w", err)
	}
	return token, s, nil
}

// Find returns the session of a token. Errors: errs.Unauthenticated when there is none or it has expired, errs.Unavailable when the
// bus does not answer.
func (m *Manager) Find(ctx context.Context, token string) (Session, error) {
	key := keyOf(token)
	now := m.now()
	m.mu.Lock()
	r, ok := m.memory[key]
	m.mu.Unlock()
	if ok && now.Before(r.until) && now.Before(r.session.ExpiresAt) {
		return r.session, nil
	}
	kv, err := m.bucket(ctx)
	if err != nil {
		return Session{}, err
	}
	raw, err := kv.Get(ctx, key)
	if errs.KindOf(err) == errs.NotFound {
		m.forget(key)
		return Session{}, errs.New(errs.Unauthenticated, "the session has ended")
	}
	if err != nil {
		return Session{}, errs.New(errs.Unavailable, "read session: %w", err)
	}
	var s Session
	if err := json.Unmarshal(raw, &s); err != nil || !now.Before(s.ExpiresAt) {
		m.forget(key)
		return Session{}, errs.New(errs.Unauthenticated, "the session has ended")
	}
	m.remember(key, remembered{s, now.Add(memoryTTL)})
	return s, nil
}

// End signs the session of a token out; a token without one is fine.
func (m *Manager) End(ctx context.Context, token string) error {
	kv, err := m.bucket(ctx)
	if err != nil {
		return err
	}
	key := keyOf(token)
	m.forget(key)
	if err := kv.Delete(ctx, key); err != nil && errs.KindOf(err) != errs.NotFound {
		return errs.New(errs.Unavailable, "end session: %w", err)
	}
	return nil
}

// CSRFMatches compares the header of a write with the session's token, in constant time.
func (s *Session) CSRFMatches(header string) bool {
	return subtle.ConstantTimeCompare([]byte(s.CSRF), []byte(header)) == 1
}

// Name names the part that removes expired sessions.
func (m *Manager) Name() string { return "sessions" }

// Run removes expired sessions until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if n, err := m.Sweep(ctx); err != nil && ctx.Err() == nil {
				m.log.WarnContext(ctx, "expired sessions stay for now", slog.Any("error", err), slog.Int("removed", n))
			}
		}
	}
}

// Sweep removes expired sessions and returns how many.
func (m *Manager) Sweep(ctx context.Context) (int, error) {
	kv, err := m.bucket(ctx)
	if err != nil {
		return 0, err
	}
	keys, err := kv.Keys(ctx)
	if err != nil {
		return 0, errs.New(errs.Unavailable, "list sessions: %w", err)
	}
	removed := 0
	for _, k := range keys {
		raw, err := kv.Get(ctx, k)
		if errs.KindOf(err) == errs.NotFound {
			continue
		}
		if err != nil {
			return removed, errs.New(errs.Unavailable, "read session: %w", err)
		}
		var s Session
		if json.Unmarshal(raw, &s) == nil && m.now().Before(s.ExpiresAt) {
			continue
		}
		m.forget(k)
		if err := kv.Delete(ctx, k); err != nil {
			return removed, errs.New(errs.Unavailable, "remove session: %w", err)
		}
		removed++
	}
	return removed, nil
}

func (m *Manager) bucket(ctx context.Context) (bus.KV, error) {
	m.mu.Lock()
	kv := m.kv
	m.mu.Unlock()
	if kv != nil {
		return kv, nil
	}
	kv, err := m.opener.KV(ctx, Bucket)
	if err != nil {
		return nil, errs.WithHint(errs.Unavailable, "wait until the bus is ready", "open sessions: %v", err)
	}
	m.mu.Lock()
	m.kv = kv
	m.mu.Unlock()
	return kv, nil
}

func (m *Manager) remember(key string, r remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.memory) >= memoryMax {
		clear(m.memory) // they are read again
	}
	m.memory[key] = r
}

func (m *Manager) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.memory, key)
}

// keyOf hides the token: who reads the bucket cannot sign in with what is there.
func keyOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// random returns 256 bits that nobody can guess.
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}
