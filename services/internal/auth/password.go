package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Parameters of argon2id: 19 MiB and two passes are the least that OWASP advises, which takes about 20 ms here and fits a small machine.
const (
	argonTime    = 2
	argonKiB     = 19 << 10
	argonThreads = 1
	saltBytes    = 16
	hashBytes    = 32
)

// maxArgonKiB and maxArgonTime bound what a stored hash may ask of us, so that a bad one cannot take the memory.
const (
	maxArgonKiB  = 256 << 10
	maxArgonTime = 16
)

// maxPasswordBytes bounds the work for one attempt.
const maxPasswordBytes = 1024

// Hash returns the argon2id hash of a password with a fresh salt, in the PHC form $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func Hash(password string) string {
	salt := make([]byte, saltBytes)
	rand.Read(salt) // Never fails: crypto/rand ends the process when the kernel has no randomness.
	sum := argon2.IDKey([]byte(password), salt, argonTime, argonKiB, argonThreads, hashBytes)
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonKiB, argonTime, argonThreads, enc(salt), enc(sum))
}

// Verify reports whether password belongs to a hash made by Hash. It takes as long for a wrong password as for the right one.
// Errors: errs.Invalid if the hash cannot be read.
func Verify(hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	var version int
	var kib, passes uint32
	var threads uint8
	bad := errs.New(errs.Invalid, "unreadable password hash")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return false, bad
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, bad
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &kib, &passes, &threads); err != nil ||
		kib < 8 || kib > maxArgonKiB || passes < 1 || passes > maxArgonTime || threads < 1 {
		return false, bad
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(want) < 16 || len(want) > 128 {
		return false, bad
	}
	if len(password) > maxPasswordBytes {
		return false, nil
	}
	got := argon2.IDKey([]byte(password), salt, passes, kib, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// alphabet of generated passwords has no letters that look alike, because people type them: 31 letters, so 20 of them have 99 bits.
const alphabet = "abcdefghjkmnpqrstuvwxyz23456789"

// newPassword returns a password such as "k7wq2-m9xhd-tv3ep-c4ynz".
func newPassword() string {
	const groups, letters = 4, 5
	// A byte at or above the limit is thrown away: taking it modulo the length would prefer the first letters.
	limit := byte(256 / len(alphabet) * len(alphabet))
	var b strings.Builder
	var one [1]byte
	for n := 0; n < groups*letters; {
		rand.Read(one[:])
		if one[0] >= limit {
			continue
		}
		if n > 0 && n%letters == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[int(one[0])%len(alphabet)])
		n++
	}
	return b.String()
}
