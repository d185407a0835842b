package redact

import "strings"

// class is the check that a byte asks for, and in its highest bit whether the byte may be in a card number.
type class uint8

const (
	plain class = iota
	classDigit
	classEquals
	classColon
	classAt
	classG
	classK
	classX
	classCapB
	classCapG
	classCapI
	classCapJ

	trigger class = 0x7f
	number  class = 0x80
)

// classify fills the table. The bytes are chosen so that there are few, that they are rare in logs, and that they stand in the middle
// of what they announce: a capital J for eyJ…, a g for ghp_… Digits are everywhere and therefore no trigger, unless addresses are
// asked for: that eight bytes in a row belong to numbers is rare enough.
func (r *Redactor) classify() {
	set := func(on bool, c class, bytes string) {
		for i := range len(bytes) {
			if on {
				r.class[bytes[i]] |= c
			}
		}
	}
	set(r.on[Token], classG, "g")
	set(r.on[Token], classK, "k")
	set(r.on[Token], classX, "x")
	set(r.on[Token], classCapG, "G")
	set(r.on[Token], classCapI, "I")
	set(r.on[JWT], classCapJ, "J")
	set(r.on[Bearer] || r.on[PrivateKey], classCapB, "B")
	set(r.on[Password], classEquals, "=")
	set(r.on[Password] || r.on[URLAuth] || r.on[IPv6] || r.on[Token], classColon, ":")
	set(r.on[Email], classAt, "@")
	set(r.on[IPv4], classDigit, "0123456789")
	set(r.on[Card], number, "0123456789 -")
}

// stride is how many bytes are looked up together.
const stride = 8

// run passes over the text.
func (w *walk) run() {
	s, t := w.s, &w.r.class
	i := 0
	for i+stride <= len(s) {
		b := s[i : i+stride]
		c0, c1, c2, c3, c4, c5, c6, c7 := t[b[0]], t[b[1]], t[b[2]], t[b[3]], t[b[4]], t[b[5]], t[b[6]], t[b[7]]
		any, all := c0|c1|c2|c3|c4|c5|c6|c7, c0&c1&c2&c3&c4&c5&c6
		if any&trigger|all&number == 0 {
			i += stride
			continue
		}
		i = w.block(i, i+stride, all&number != 0)
	}
	if i < len(s) {
		all := number
		for j := i; j < len(s); j++ {
			all &= t[s[j]]
		}
		w.block(i, len(s), all&number != 0 && len(s)-i >= stride-1)
	}
}

// block looks closer at s[i:end] and returns where to go on. numbers says that it may be the inside of a card number: any of at least
// 14 bytes has seven of them at the start of a block.
func (w *walk) block(i, end int, numbers bool) int {
	s, t := w.s, &w.r.class
	if numbers {
		if to := w.numbers(i); to >= end { // the block is within a number
			return to
		}
		i = max(i, w.done)
	}
	for i < end {
		c := t[s[i]] & trigger
		if c == plain || !w.near(c, i) {
			i++
			continue
		}
		w.i = i + 1
		w.check(c, i)
		i = w.i
	}
	return i
}

// numbers looks for card numbers around i, and returns where the last of the numbers ends: the bytes before it ask for nothing else.
func (w *walk) numbers(i int) int {
	const back = 24 // more than the longest number with its separators
	s := w.s
	a := i
	for a > w.done && i-a < back && w.r.class[s[a-1]]&number != 0 {
		a--
	}
	last := 0
	for a < len(s) && a < i+stride {
		if !digit(s[a]) {
			a++
			continue
		}
		w.i = a + 1
		w.digits(a)
		a = w.i
		last = a
	}
	return last
}

// near reports whether the neighbours of a byte let it be part of a secret. That rules out nearly everything.
func (w *walk) near(c class, i int) bool {
	s := w.s
	if i+1 == len(s) {
		return false // every secret has something after its trigger
	}
	prev, next := byte(0), s[i+1]
	if i > 0 {
		prev = s[i-1]
	}
	switch c {
	case classColon:
		return next == '/' || w.mayAssign(i) || w.r.on[IPv6]
	case classEquals:
		return w.mayAssign(i)
	case classG:
		return next == 'h' || next == 'i' || next == 'l'
	case classK:
		return (next == '-' || next == '_') && (prev == 's' || prev == 'r' || prev == 'l')
	case classX:
		return next == 'o' || next == 'a'
	case classCapB:
		return next|0x20 == 'e' || next|0x20 == 'a'
	case classCapG:
		return prev == 'S' && next == '.'
	case classCapI:
		return next == 'A' && (prev == 'K' || prev == 'S') || prev == 'A' && next == 'z'
	case classCapJ:
		return prev == 'y'
	}
	return true
}

// mayAssign reports whether the letters before a separator at i end a name whose value is a secret.
func (w *walk) mayAssign(i int) bool {
	s := w.s
	if i < 4 || w.r.keys != nil {
		return i >= 3
	}
	if c := s[i-1]; c == ' ' || c == '"' || c == '\'' {
		i--
		if c = s[i-1]; c == '\\' || c == '"' || c == '\'' || c == ' ' {
			return true // rare, and not worth a shortcut
		}
		if i < 4 {
			return i == 3
		}
	}
	return endLast[s[i-1]]&endSecond[s[i-2]]&endThird[s[i-3]] != 0
}

// The last three letters of the names in key.go, in bits: a name has the same bit in all three tables.
var endLast, endSecond, endThird = func() (a, b, c [256]uint16) {
	// password passwd pwd; jsessionid phpsessid; secret; …key; …token; authorization; passphrase; signature; passwords
	for bit, end := range []string{"ord", "swd", "pwd", "nid", "sid", "ret", "key", "ken", "ion", "ase", "ure", "rds"} {
		for k, t := range []*[256]uint16{&c, &b, &a} {
			t[end[k]] |= 1 << bit
			t[end[k]-'a'+'A'] |= 1 << bit
		}
	}
	return a, b, c
}()

// check looks closer at the byte at i. It moves w.i when it knows how far there is nothing, or replaces.
func (w *walk) check(c class, i int) {
	switch c {
	case classDigit:
		w.digits(i)
	case classEquals:
		w.assignment(i)
	case classColon:
		w.colon(i)
	case classAt:
		w.email(i)
	case classCapB:
		if i > 0 && w.s[i-1] == '-' {
			w.privateKey(i)
		} else {
			w.scheme(i)
		}
	case classCapJ:
		if i >= 2 && w.s[i-2] == 'e' {
			w.jwt(i - 2)
		}
	default:
		w.prefixed(c, i)
	}
}

// colon handles what a colon may be part of.
func (w *walk) colon(i int) {
	s := w.s
	if i+2 < len(s) && s[i+1] == '/' && s[i+2] == '/' {
		w.url(i)
		return
	}
	if w.r.on[Password] {
		w.assignment(i)
	}
	if w.r.on[IPv6] && w.i == i+1 {
		w.ipv6(i)
	}
}

// maxUserInfo bounds what is looked at for user and password of a URL.
const maxUserInfo = 512

// slackHook begins the URL of a Slack webhook; its path is all that is needed to post.
const slackHook = "hooks.slack.com/services/"

// url replaces the password in scheme://user:password@host; i is at the colon.
func (w *walk) url(i int) {
	s := w.s
	if w.r.on[Token] && strings.HasPrefix(s[i+3:], slackHook) {
		from := i + 3 + len(slackHook)
		if end := run(s, from, func(c byte) bool { return wordDash(c) || c == '/' }); end-from >= 20 {
			w.found(from, end, Token)
		}
		return
	}
	if !w.r.on[URLAuth] {
		return
	}
	end := min(len(s), i+3+maxUserInfo)
	if i+3 < len(s) && s[i+3] == '[' {
		return // an IPv6 address, or what was redacted before
	}
	sep := -1
	for j := i + 3; j < end; j++ {
		switch c := s[j]; {
		case c == ':' && sep < 0:
			sep = j
		case c == '@':
			if sep >= 0 {
				if j > sep+1 && s[sep+1] != '[' {
					w.found(sep+1, j, URLAuth)
				}
			} else if j-(i+3) >= minUserToken && opaque(s[i+3:j]) {
				w.found(i+3, j, URLAuth)
			}
			return
		case c <= ' ' || c == '/' || c == '"' || c == '\'' || c == '?' || c == '#' || c == '<' || c == '>':
			return
		}
	}
}

// minUserToken is the length from which a user without a password is taken for a token, as in https://<token>@github.com.
const minUserToken = 20

// opaque reports whether text looks made by a machine: it has a digit and no separator of words.
func opaque(t string) bool {
	digits := 0
	for i := range len(t) {
		switch c := t[i]; {
		case digit(c):
			digits++
		case !letter(c) && c != '_':
			return false
		}
	}
	return digits >= 2
}
