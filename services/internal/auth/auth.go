// Package auth keeps the secrets of an installation: the first password of the admin user, the ingest key and the TLS certificate,
// all made at the first start. It checks them; sessions, cookies and HTTP belong to the query API.
package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/faultline-io/faultline/services/internal/datadir"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// AdminUser is the user that every installation has.
const AdminUser = "admin"

// Config is what a user may set about the secrets.
type Config struct {
	PasswordPath string // File with the admin password; it is the only truth: removing it makes a new one at the next start.
	KeyPath      string // File with the ingest key.
}

// Deps is what code passes in.
type Deps struct {
	Now func() time.Time // nil is time.Now.
}

// Store checks passwords and keys. Its methods may be called from several goroutines.
type Store struct {
	cfg     Config
	created bool
	hash    string   // Of the admin password.
	keyMAC  [32]byte // Of the ingest key, under secret.
	secret  [32]byte // Of this process: what it makes comparable is worthless elsewhere.
	limiter *limiter

	// mu lets one hash be computed at a time (each takes 19 MiB), and guards knownMAC.
	mu sync.Mutex
	// knownMAC is of the password that was verified last, so that a client with basic authentication does not cost 20 ms a request.
	knownMAC [32]byte
	known    bool
}

// LimitError is the cause of a refusal after too many failures.
type LimitError struct{ RetryAfter time.Duration }

// Error says how long to wait.
func (e *LimitError) Error() string {
	return fmt.Sprintf("too many failed attempts; try again in %s", e.RetryAfter.Round(time.Second))
}

// Open reads the secrets, and makes those that do not exist yet.
func Open(cfg Config, deps Deps) (*Store, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	for _, p := range []string{cfg.PasswordPath, cfg.KeyPath} {
		if err := datadir.Make(filepath.Dir(p)); err != nil {
			return nil, err
		}
	}
	password, created, err := datadir.Secret(cfg.PasswordPath, newPassword)
	if err != nil {
		return nil, err
	}
	const shortest = 8 // Less is guessed in an afternoon, in spite of the limiter.
	if len(password) < shortest || len(password) > maxPasswordBytes {
		return nil, errs.WithHint(errs.Invalid, "write a longer one into the file, or remove the file to have one generated",
			"the password in %s must have from %d to %d characters", cfg.PasswordPath, shortest, maxPasswordBytes)
	}
	key, _, err := datadir.Secret(cfg.KeyPath, func() string { return "flk_" + datadir.RandomToken() })
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, created: created, hash: Hash(password), limiter: newLimiter(deps.Now)}
	rand.Read(s.secret[:])
	s.keyMAC = s.mac(key)
	return s, nil
}

// Created reports whether this start generated the admin password.
func (s *Store) Created() bool { return s.created }

// PasswordPath returns the file with the admin password.
func (s *Store) PasswordPath() string { return s.cfg.PasswordPath }

// KeyPath returns the file with the ingest key.
func (s *Store) KeyPath() string { return s.cfg.KeyPath }

// FirstPassword returns the generated password right after it was made, so that it can be shown once; later it is empty.
func (s *Store) FirstPassword() (Secret, error) {
	if !s.created {
		return Secret{}, nil
	}
	p, _, err := datadir.Secret(s.cfg.PasswordPath, newPassword)
	return NewSecret(p), err
}

// VerifyPassword checks a user and a password that came from addr (host or host:port).
// Errors: errs.Unauthenticated if they are wrong; errs.Exhausted with a *LimitError after too many failures from that address,
// without a look at the password.
func (s *Store) VerifyPassword(addr, user, password string) error {
	if wait := s.limiter.wait(addr); wait > 0 {
		return &errs.Error{Kind: errs.Exhausted, Err: &LimitError{RetryAfter: wait}}
	}
	// The password is checked for an unknown user too: the time taken must not tell which users exist.
	ok, err := s.matches(password)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(user), []byte(AdminUser)) != 1 || !ok {
		s.limiter.failed(addr)
		return errs.WithHint(errs.Unauthenticated, "the first password of "+AdminUser+" is in "+filepath.Base(s.cfg.PasswordPath)+" in the data folder",
			"wrong user or password")
	}
	s.limiter.succeeded(addr)
	return nil
}

// matches compares with the admin password.
func (s *Store) matches(password string) (bool, error) {
	if len(password) > maxPasswordBytes {
		return false, nil
	}
	mac := s.mac(password)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known && hmac.Equal(mac[:], s.knownMAC[:]) {
		return true, nil
	}
	ok, err := Verify(s.hash, password)
	if ok {
		s.knownMAC, s.known = mac, true
	}
	return ok, err
}

// VerifyIngestKey returns the tenant of an ingest key. It takes the same time for each wrong one.
// Errors: errs.Unauthenticated if it is not a key.
func (s *Store) VerifyIngestKey(key string) (model.TenantID, error) {
	mac := s.mac(key)
	if !hmac.Equal(mac[:], s.keyMAC[:]) {
		return 0, errs.WithHint(errs.Unauthenticated, "the key is in "+filepath.Base(s.cfg.KeyPath)+" in the server's data folder", "wrong ingest key")
	}
	return model.DefaultTenant, nil
}

// mac makes secrets of any length comparable in constant time.
func (s *Store) mac(text string) [32]byte {
	h := hmac.New(sha256.New, s.secret[:])
	h.Write([]byte(text))
	return [32]byte(h.Sum(nil))
}
