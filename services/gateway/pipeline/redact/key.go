package redact

import "strings"

// strength says how much a name alone makes its value a secret.
type strength uint8

const (
	notKey strength = iota
	// long values only: a signature, a token; the words have other meanings too.
	weakKey
	// any value.
	strongKey
	// the value is a scheme and credentials.
	authorizationKey
)

// maxKey bounds how far back a name is followed.
const maxKey = 48

// keyEnd reports whether a name that ends before s[j] may be one of those below, by its last letters: most separators are done with
// after this.
func keyEnd(s string, j int) bool {
	return j >= 3 && endLast[s[j-1]]&endSecond[s[j-2]]&endThird[s[j-3]] != 0
}

// strongNames are the ends of names whose values are secrets; weakNames those whose long values are.
var (
	strongNames = []string{
		"password", "passwd", "pwd", "secret", "apikey", "accesskey", "secretkey", "privatekey", "accountkey", "encryptionkey", "authkey",
		"signingkey", "licensekey", "accesstoken", "refreshtoken", "authtoken", "idtoken", "sessiontoken", "bearertoken", "apitoken",
		"securitytoken", "csrftoken", "passphrase", "passwords",
	}
	weakNames = []string{"token", "sessionid", "sessid", "signature"}
)

// Least lengths of values of weak names, and of credentials that are a word of their own.
const (
	leastCredentials    = 3
	leastTokenValue     = 10
	leastSignatureValue = 20
)

// keyStrength judges a name.
func (r *Redactor) keyStrength(name string) strength {
	if !keyEnd(name, len(name)) && r.keys == nil {
		return notKey
	}
	if len(name) > maxKey {
		name = name[len(name)-maxKey:]
	}
	var buf [maxKey]byte
	n := 0
	for i := range len(name) {
		if c := name[i]; c != '_' && c != '-' && c != '.' {
			buf[n] = lower(c)
			n++
		}
	}
	has := func(end string) bool { return n >= len(end) && string(buf[n-len(end):n]) == end }
	for _, end := range strongNames {
		if has(end) {
			return strongKey
		}
	}
	if has("authorization") {
		return authorizationKey
	}
	for _, end := range weakNames {
		if has(end) {
			return weakKey
		}
	}
	for _, end := range r.keys {
		if has(end) {
			return strongKey
		}
	}
	return notKey
}

// assignment handles name=value and name: value, quoted or not, also within an escaped string; i is at the separator.
func (w *walk) assignment(i int) {
	s := w.s
	j := i
	for j > w.done && s[j-1] == ' ' && i-j < 2 {
		j--
	}
	// A quote that closes the name, escaped when the whole is a string within JSON.
	quoted, escaped := false, 0
	if j > w.done && (s[j-1] == '"' || s[j-1] == '\'') {
		quoted = true
		j--
		for j > w.done && s[j-1] == '\\' && escaped < 3 {
			j--
			escaped++
		}
	}
	if j <= w.done || !keyEnd(s, j) && w.r.keys == nil {
		return
	}
	a := j
	for a > w.done && j-a < maxKey && (wordDash(s[a-1]) || s[a-1] == '.') {
		a--
	}
	name := s[a:j]
	strength := w.r.keyStrength(name)
	if strength == notKey {
		return
	}
	v := value{sep: s[i], quotedKey: quoted, escaped: escaped}
	if !v.find(s, i+1) {
		return
	}
	w.assign(name, strength, v)
}

// assign replaces the value of a name.
func (w *walk) assign(name string, strength strength, v value) {
	text := w.s[v.a:v.b]
	if strength == authorizationKey {
		if scheme, rest, ok := strings.Cut(text, " "); ok && isScheme(scheme) {
			v.a += len(text) - len(rest)
		} else if !v.quoted && isScheme(text) {
			// The credentials are the next word.
			next := v.b
			for next < len(w.s) && w.s[next] == ' ' {
				next++
			}
			v.a, v.b = next, run(w.s, next, token68)
			if v.b-v.a < leastCredentials {
				return // "send Basic or Bearer"
			}
		}
		if v.open {
			v.b = bareEnd(w.s, v.b, v.quotedKey)
		}
		if v.b > v.a && !strings.HasPrefix(w.s[v.a:v.b], redacted) {
			w.found(v.a, v.b, Password)
		}
		return
	}
	if v.prose || !secretValue(name, text, strength) {
		return
	}
	if v.open {
		v.b = bareEnd(w.s, v.b, v.quotedKey)
	}
	with := w.r.with[Password]
	if v.quotedKey && !v.quoted { // {"password":12345} stays JSON
		quote := strings.Repeat(`\`, v.escaped) + `"`
		with = quote + with + quote
	}
	w.replace(v.a, v.b, Password, with)
}

// isScheme reports whether a word names a scheme of the header Authorization.
func isScheme(t string) bool {
	switch len(t) {
	case 5:
		return strings.EqualFold(t, "basic") || strings.EqualFold(t, "token")
	case 6:
		return strings.EqualFold(t, "bearer") || strings.EqualFold(t, "digest") || strings.EqualFold(t, "apikey")
	case 9:
		return strings.EqualFold(t, "negotiate")
	case 16:
		return strings.EqualFold(t, "aws4-hmac-sha256")
	}
	return false
}

// value is where a value is.
type value struct {
	sep       byte
	quotedKey bool
	quoted    bool
	// escaped is how many backslashes stand before a quote.
	escaped int
	// prose says that more words follow a value after a colon, as in "invalid password: must be longer".
	prose bool
	// open says that the value goes on after b: only its beginning is judged.
	open bool
	a, b int
}

// maxJudged is how much of a value without quotes is looked at to judge it, so that a line of many names without an end costs no more
// than its length.
const maxJudged = 512

// find looks for the value after the separator, from i on.
func (v *value) find(s string, i int) bool {
	if v.sep == '=' && i < len(s) && (s[i] == '=' || s[i] == '>' || s[i] == '~') {
		i++ // == and =>
	}
	if v.sep == ':' && i < len(s) && s[i] == '=' {
		i++ // :=
	}
	spaces := 0
	for i < len(s) && s[i] == ' ' && spaces < 4 {
		i++
		spaces++
	}
	if i >= len(s) {
		return false
	}
	escaped := 0
	for i+escaped < len(s) && s[i+escaped] == '\\' && escaped < 4 {
		escaped++
	}
	if at := i + escaped; at < len(s) && (s[at] == '"' || s[at] == '\'') && (escaped > 0) == (v.escaped > 0 || escaped > 0) {
		v.quoted, v.escaped = true, escaped
		v.a = at + 1
		v.b = closing(s, v.a, s[at], escaped)
		return v.b > v.a
	}
	if s[i] == '{' || s[i] == '[' {
		return false // what is in it is looked at by itself
	}
	v.a, v.b = i, bareEnd(s[:min(len(s), i+maxJudged)], i, v.quotedKey)
	v.open = v.b == i+maxJudged
	if v.sep == ':' && !v.quotedKey && !v.open && spaces > 0 && v.b < len(s) {
		rest := strings.TrimLeft(s[v.b:], " ")
		v.prose = rest != "" && rest[0] != '\n' && rest[0] != '\r' && strings.IndexByte(",;}])&|", rest[0]) < 0
	}
	return v.b > v.a
}

// closing returns where the quote that closes a string is, or the end of s: a line that was cut has none.
func closing(s string, i int, quote byte, escaped int) int {
	for i < len(s) {
		switch s[i] {
		case '\\':
			n := 0
			for i+n < len(s) && s[i+n] == '\\' {
				n++
			}
			if i+n < len(s) && s[i+n] == quote && n == escaped {
				return i
			}
			i += n + 1
		case quote:
			return i // also when the string around it ends
		default:
			i++
		}
	}
	return len(s)
}

// bareEnd returns where a value without quotes ends. A comma or bracket within a password does not end it; one before a space,
// the end, or another name does.
func bareEnd(s string, i int, json bool) int {
	for ; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\r', '"', '\'', '&', '<', '\\':
			return i
		case ',', ';', ')', '}', ']', '|':
			if json || i+1 == len(s) || strings.IndexByte(" \t\r\n,;)}]\"'", s[i+1]) >= 0 {
				return i
			}
			if n := run(s, i+1, func(c byte) bool { return wordDash(c) || c == '.' }); n > i+1 && n < len(s) && (s[n] == '=' || s[n] == ':') {
				return i
			}
		}
	}
	return i
}

// harmless are values of secrets' names that give nothing away.
var harmless = map[string]bool{
	"null": true, "nil": true, "none": true, "true": true, "false": true, "undefined": true, "empty": true, "missing": true, "required": true,
	"invalid": true, "yes": true, "no": true, "ok": true, "not": true, "redacted": true, "masked": true, "hidden": true, "n/a": true, "<nil>": true,
	"unset": true, "set": true, "%s": true, "%v": true, "%q": true, "-": true, "...": true, "expired": true, "changed": true,
}

// secretValue reports whether a value of a name with this strength is one.
func secretValue(name, v string, strength strength) bool {
	if v == "" || strings.HasPrefix(v, redacted) {
		return false
	}
	if len(v) <= len("undefined") && harmless[strings.ToLower(v)] {
		return false
	}
	if strings.Trim(v, "*") == "" || len(v) > 2 && strings.Trim(v, "xX") == "" || strings.HasPrefix(v, "${") || strings.HasPrefix(v, "$(") || strings.HasPrefix(v, "{{") || strings.HasPrefix(v, "<redacted") {
		return false
	}
	last := lower(name[len(name)-1])
	switch {
	case strength == weakKey:
		if last == 'e' || last == 'd' {
			return len(v) >= leastSignatureValue && strings.IndexByte(v, ' ') < 0
		}
		return len(v) >= leastTokenValue && strings.ContainsAny(v, "0123456789") && strings.IndexByte(v, ' ') < 0
	case last == 'd' && (v[0] == '/' || len(v) > 2 && v[1] == ':' && v[2] == '\\'):
		return len(name) > 3 && !hasSuffixFold(name, "oldpwd") // PWD is where a process is
	case last == 't':
		return !objectName(v)
	}
	return true
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// objectName reports whether a value is namespace/name, as Kubernetes' components log which secret they mean.
func objectName(v string) bool {
	ns, name, ok := strings.Cut(v, "/")
	return ok && dnsName(ns) && dnsName(name)
}

func dnsName(t string) bool {
	for i := range len(t) {
		if c := t[i]; !('a' <= c && c <= 'z' || digit(c) || c == '-' || c == '.') {
			return false
		}
	}
	return t != ""
}
