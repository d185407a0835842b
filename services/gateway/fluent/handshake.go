package fluent

import (
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"

	"github.com/tinylib/msgp/msgp"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Handshake is our side of the exchange that opens a connection where a shared key is set: HELO with a number that is used once, the sender's
// PING that proves that it knows the key, and PONG that proves that we do. The key itself never travels. Users and passwords of the
// protocol are not asked for. It belongs to one connection.
//
// Source: Forward Protocol Specification v1, handshake messages.
type Handshake struct {
	key, host string
	nonce     []byte
}

// MaxHandshakeBytes is the longest PING: names and digests, from somebody of whom nothing is known yet.
const MaxHandshakeBytes = 4 << 10

// nonceBytes is the length of the number, as Fluentd has it.
const nonceBytes = 16

// NewHandshake returns the exchange of a connection; host is the name that we give ourselves. An empty key proves nothing and must not be used.
func NewHandshake(key, host string) *Handshake {
	h := &Handshake{key: key, host: host, nonce: make([]byte, nonceBytes)}
	_, _ = rand.Read(h.nonce) // It never fails: the process ends instead.
	return h
}

// Hello returns what we say first. auth is empty: no user is asked for.
func (h *Handshake) Hello() []byte {
	b := msgp.AppendArrayHeader(nil, 2)
	b = msgp.AppendString(b, "HELO")
	b = msgp.AppendMapHeader(b, 3)
	b = msgp.AppendString(b, "nonce")
	b = msgp.AppendBytes(b, h.nonce)
	b = msgp.AppendString(b, "auth")
	b = msgp.AppendBytes(b, nil)
	b = msgp.AppendString(b, "keepalive")
	return msgp.AppendBool(b, true)
}

// Answer reads the sender's PING and returns the PONG for it, which also says why when the sender is not taken.
// Errors: errs.Invalid without a PONG for what is no PING, errs.Unauthenticated with one for a sender that does not know the key.
func (h *Handshake) Answer(ping []byte) (pong []byte, err error) {
	var fields [4][]byte // PING, host name, salt, digest; what follows is a user's.
	n, b, err := msgp.ReadArrayHeaderBytes(ping)
	if err == nil && n < uint32(len(fields)) {
		err = errShape
	}
	for i := 0; i < len(fields) && err == nil; i++ {
		fields[i], b, err = textOf(b)
	}
	if err != nil || string(fields[0]) != "PING" {
		return nil, errs.WithHint(errs.Invalid, "set the shared key of receivers.fluent_shared_key_file in the sender", "fluent: the sender does not begin with a handshake")
	}
	host, salt, digest := fields[1], fields[2], fields[3]
	if subtle.ConstantTimeCompare([]byte(h.digest(salt, string(host))), digest) != 1 {
		return h.pong(false, "shared_key mismatch", ""), errs.New(errs.Unauthenticated, "fluent: the sender has another shared key")
	}
	return h.pong(true, "", h.digest(salt, h.host)), nil
}

func (h *Handshake) pong(ok bool, reason, digest string) []byte {
	b := msgp.AppendArrayHeader(nil, 5)
	b = msgp.AppendString(b, "PONG")
	b = msgp.AppendBool(b, ok)
	b = msgp.AppendString(b, reason)
	b = msgp.AppendString(b, h.host)
	return msgp.AppendString(b, digest)
}

// digest is what who calls itself host must know of the key, in hexadecimal.
func (h *Handshake) digest(salt []byte, host string) string {
	s := sha512.New()
	for _, part := range [][]byte{salt, []byte(host), h.nonce, []byte(h.key)} {
		_, _ = s.Write(part) // A hash takes everything.
	}
	return hex.EncodeToString(s.Sum(nil))
}
