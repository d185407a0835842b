package changes

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"strings"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// Signed reports whether a request carries a signature or token of a webhook, good or not.
func Signed(header func(string) string) bool {
	return header("X-Hub-Signature-256") != "" || header("X-Gitlab-Token") != "" || header("X-Signature") != ""
}

// Verify checks the signature of a webhook against the secret: GitHub's X-Hub-Signature-256 and Flux' X-Signature are an HMAC of the
// body, GitLab's X-Gitlab-Token is the secret itself. Errors: errs.Unauthenticated.
func Verify(secret string, header func(string) string, body []byte) error {
	ok := false
	switch {
	case secret == "":
	case header("X-Hub-Signature-256") != "":
		ok = signedBy(secret, header("X-Hub-Signature-256"), body)
	case header("X-Signature") != "":
		ok = signedBy(secret, header("X-Signature"), body)
	case header("X-Gitlab-Token") != "":
		ok = subtle.ConstantTimeCompare([]byte(header("X-Gitlab-Token")), []byte(secret)) == 1
	}
	if !ok {
		return errs.WithHint(errs.Unauthenticated, "the secret of the webhook must be what is in the file receivers.webhook_secret_file", "the signature of the webhook is missing or wrong")
	}
	return nil
}

// signedBy checks a signature such as sha256=<hexadecimal digits>.
func signedBy(secret, signature string, body []byte) bool {
	name, digits, ok := strings.Cut(signature, "=")
	if !ok {
		return false
	}
	var h func() hash.Hash
	switch name {
	case "sha256":
		h = sha256.New
	case "sha512":
		h = sha512.New
	default: // sha1 is not taken, although Flux can be told to use it.
		return false
	}
	want, err := hex.DecodeString(digits)
	if err != nil {
		return false
	}
	mac := hmac.New(h, []byte(secret))
	mac.Write(body)
	return hmac.Equal(mac.Sum(nil), want)
}
