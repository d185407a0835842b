package redact

import (
	"encoding/base64"
	"strings"
)

// alphabet says which bytes may be in a token.
type alphabet func(c byte) bool

func upperDigit(c byte) bool { return digit(c) || 'A' <= c && c <= 'Z' }
func wordDash(c byte) bool   { return alnum(c) || c == '_' || c == '-' }
func word(c byte) bool       { return alnum(c) || c == '_' }
func token68(c byte) bool {
	return wordDash(c) || c == '.' || c == '~' || c == '+' || c == '/' || c == '='
}

// run returns where the bytes of an alphabet from i on end.
func run(s string, i int, in alphabet) int {
	for i < len(s) && in(s[i]) {
		i++
	}
	return i
}

// starts reports whether a word may begin at i.
func (w *walk) starts(i int) bool { return i >= w.done && (i == 0 || !word(w.s[i-1])) }

// token replaces s[a:end] when between least and most bytes of in follow from, and a word begins at a. It reports whether it did.
func (w *walk) token(a, from, least, most int, in alphabet) bool {
	if !w.starts(a) {
		return false
	}
	end := run(w.s[:min(len(w.s), from+most+1)], from, in)
	if n := end - from; n < least || n > most {
		return false
	}
	w.found(a, end, Token)
	return true
}

// maxToken bounds a token without a fixed length; real ones have at most a few hundred bytes.
const maxToken = 1024

// prefixed handles tokens that begin with a word of their maker: gh?_ and github_pat_ (GitHub), glpat- (GitLab), sk-
// (OpenAI, Anthropic and others), sk_live_ and rk_live_ (Stripe), flk_ (our own ingest key), xox?- and xapp- (Slack), AKIA and ASIA
// (AWS), AIza (Google), SG. (SendGrid). i is at the byte that asked for the check.
func (w *walk) prefixed(c class, i int) {
	s := w.s
	rest := s[i:]
	switch c {
	case classG:
		switch {
		case len(rest) > 4 && rest[1] == 'h' && rest[3] == '_' && strings.IndexByte("pousr", rest[2]) >= 0:
			w.token(i, i+4, 36, 255, alnum)
		case strings.HasPrefix(rest, "glpat-"):
			w.token(i, i+6, 20, 255, wordDash)
		case strings.HasPrefix(rest, "github_pat_"):
			w.token(i, i+11, 22, 255, word)
		}
	case classK:
		switch {
		case i > 0 && s[i-1] == 's' && rest[1] == '-' && w.starts(i-1):
			if end := run(s[:min(len(s), i+2+maxToken)], i+2, wordDash); end-i-2 >= 20 && mixed(s[i+2:end]) {
				w.found(i-1, end, Token)
			}
		case i > 0 && s[i-1] != 'l' && strings.HasPrefix(rest, "k_live_"):
			w.token(i-1, i+7, 16, 255, alnum)
		case i > 1 && s[i-1] == 'l' && s[i-2] == 'f' && rest[1] == '_':
			w.token(i-2, i+2, 16, 128, wordDash)
		}
	case classX:
		switch {
		case len(rest) > 5 && rest[1] == 'o' && rest[2] == 'x' && rest[4] == '-':
			w.token(i, i+5, 10, 255, wordDash)
		case strings.HasPrefix(rest, "xapp-"):
			w.token(i, i+5, 10, 255, wordDash)
		}
	case classCapI:
		switch {
		case i > 1 && s[i-2] == 'A' && rest[1] == 'A':
			w.token(i-2, i+2, 16, 16, upperDigit)
		case i > 0 && strings.HasPrefix(rest, "Iza"):
			w.token(i-1, i+3, 35, 35, wordDash)
		}
	case classCapG:
		if mid := run(s[:min(len(s), i+25)], i+2, wordDash); mid-i-2 == 22 && mid < len(s) && s[mid] == '.' {
			w.token(i-1, mid+1, 43, 43, wordDash)
		}
	}
}

// mixed reports whether text has capitals, small letters and digits, as random keys do and names do not.
func mixed(t string) bool {
	var has uint8
	for i := range len(t) {
		switch c := t[i]; {
		case digit(c):
			has |= 1
		case 'a' <= c && c <= 'z':
			has |= 2
		case 'A' <= c && c <= 'Z':
			has |= 4
		}
	}
	return has == 7
}

// jwt replaces header.payload.signature in base64url; a is at the e of eyJ. Both the header and the payload are JSON objects.
func (w *walk) jwt(a int) {
	s := w.s
	if !w.starts(a) {
		return
	}
	const least = 8 // bytes of a part; the shortest header, {"alg":"x"}, has more
	dot := run(s[:min(len(s), a+maxToken)], a, wordDash)
	if dot-a < least || dot+3 >= len(s) || s[dot] != '.' {
		return
	}
	end := run(s, dot+1, wordDash)
	if end-dot-1 < least {
		return
	}
	for end < len(s) && s[end] == '.' {
		next := run(s, end+1, wordDash)
		if next == end+1 {
			break
		}
		end = next
	}
	w.found(a, end, JWT)
}

// Least lengths of credentials behind a scheme, so that prose about bearers and basics stays: "bearer authentication is needed".
const (
	leastBearer = 16
	leastBasic  = 8
)

// scheme handles "Bearer <token>" and "Basic <base64 of user:password>"; i is at the B.
func (w *walk) scheme(i int) {
	s := w.s
	if i+7 > len(s) || i > 0 && word(s[i-1]) {
		return
	}
	switch {
	case i+7 < len(s) && s[i+6] == ' ' && strings.EqualFold(s[i:i+6], "bearer"):
		a := i + 7
		end := run(s, a, token68)
		if end-a >= leastBearer && strings.ContainsAny(s[a:end], "0123456789") {
			w.found(a, end, Bearer)
		}
	case s[i+5] == ' ' && strings.EqualFold(s[i:i+5], "basic"):
		a := i + 6
		end := run(s, a, token68)
		if end-a >= leastBasic && end-a <= maxToken && basicPair(s[a:end]) {
			w.found(a, end, Bearer)
		}
	}
}

// basicPair reports whether text is the base64 of user:password.
func basicPair(t string) bool {
	if len(t)%4 != 0 {
		return false
	}
	var buf [maxToken]byte
	n, err := base64.StdEncoding.Decode(buf[:], []byte(t))
	colon := false
	for _, c := range buf[:n] {
		if c < ' ' {
			return false
		}
		colon = colon || c == ':'
	}
	return err == nil && colon
}

// privateKey handles -----BEGIN … PRIVATE KEY-----, with the B at i. A key without an end reaches to the end of the text.
func (w *walk) privateKey(i int) {
	const ruler, begin, key = "-----", "BEGIN ", "PRIVATE KEY"
	s := w.s
	if !w.r.on[PrivateKey] || !strings.HasSuffix(s[w.done:i], ruler) || !strings.HasPrefix(s[i:], begin) {
		return
	}
	// The label has at most 40 bytes: "BEGIN ENCRYPTED PRIVATE KEY", "BEGIN PGP PRIVATE KEY BLOCK".
	label := s[i:min(len(s), i+40)]
	at := strings.Index(label, key)
	if at < 0 || strings.Contains(label[:at], "--") {
		return
	}
	stop := len(s)
	if e := strings.Index(s[i:], ruler+"END "); e >= 0 {
		stop = i + e + len(ruler+"END ")
		if e = strings.Index(s[stop:], ruler); e >= 0 {
			stop += e + len(ruler)
		}
	}
	w.found(i-len(ruler), stop, PrivateKey)
}
