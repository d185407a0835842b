package redact

import (
	"net/netip"
	"strings"
)

// Lengths of card numbers.
const (
	minCard = 14
	maxCard = 19
)

// digits handles a run of digits that begins at i, and moves past it.
func (w *walk) digits(i int) {
	s := w.s
	end := i + 1
	for end < len(s) && digit(s[end]) {
		end++
	}
	w.i = end
	n := end - i
	if i > w.done && joined(s[i-1]) {
		return
	}
	if w.r.on[Card] && (n == 4 || n >= minCard) && n <= maxCard && '2' <= s[i] && s[i] <= '6' && w.card(i, end) {
		return
	}
	if w.r.on[IPv4] && n <= 3 && end < len(s) && s[end] == '.' {
		w.ipv4(i)
	}
}

// joined reports whether a byte before a number makes it a part of something longer: an identifier, a fraction, a path.
func joined(c byte) bool { return word(c) || c == '.' || c == '-' || c == '+' || c >= 0x80 }

// card replaces a card number that begins at i; its first digits end at end. It reports whether it did.
func (w *walk) card(i, end int) bool {
	s := w.s
	var d [maxCard]byte
	n := 0
	if end-i >= minCard {
		n = copy(d[:], s[i:end])
	} else {
		var ok bool
		if n, end, ok = grouped(s, i, &d); !ok {
			return false
		}
	}
	if end < len(s) && (word(s[end]) || s[end] == '-' || s[end] == '.' && end+1 < len(s) && digit(s[end+1])) {
		return false
	}
	if !issued(d[:n]) || !luhn(d[:n]) {
		return false
	}
	w.found(i, end, Card)
	return true
}

// grouped reads 4-4-4-4 or 4-6-5 digits with the same separator throughout, a space or a dash, and returns where they end.
func grouped(s string, i int, d *[maxCard]byte) (n, end int, ok bool) {
	if i+4 >= len(s) {
		return 0, 0, false
	}
	sep := s[i+4]
	if sep != ' ' && sep != '-' {
		return 0, 0, false
	}
	var groups [5]int
	g := 0
	end = i
	for g < len(groups) {
		for end < len(s) && digit(s[end]) && n < maxCard {
			d[n] = s[end]
			n++
			end++
			groups[g]++
		}
		g++
		if end+1 >= len(s) || s[end] != sep || !digit(s[end+1]) || g == 4 || g == 3 && groups[1] == 6 {
			break
		}
		end++
	}
	return n, end, groups == [5]int{4, 4, 4, 4} || groups == [5]int{4, 6, 5}
}

// issued reports whether the first digits are those of a card network, with a length that it uses.
func issued(d []byte) bool {
	n := len(d)
	num := func(k int) int {
		v := 0
		for _, c := range d[:k] {
			v = v*10 + int(c-'0')
		}
		return v
	}
	two, three, four := num(2), num(3), num(4)
	switch {
	case d[0] == '4': // Visa
		return n == 16
	case 51 <= two && two <= 55, 2221 <= four && four <= 2720: // Mastercard
		return n == 16
	case two == 34, two == 37: // American Express
		return n == 15
	case four == 6011, 644 <= three && three <= 649, two == 65: // Discover
		return n == 16
	case 300 <= three && three <= 305, two == 36, two == 38, two == 39: // Diners
		return n == 14
	case 3528 <= four && four <= 3589: // JCB
		return n == 16
	case two == 62: // UnionPay
		return n >= 16
	}
	return false
}

// luhn checks the check digit.
func luhn(d []byte) bool {
	sum := 0
	for i := range d {
		v := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// ipv4 replaces a dotted address at i.
func (w *walk) ipv4(i int) {
	s := w.s
	end := i
	for end < len(s) && end-i < len("255.255.255.255") && (digit(s[end]) || s[end] == '.') {
		end++
	}
	text := strings.TrimRight(s[i:end], ".")
	end = i + len(text)
	if end < len(s) && (word(s[end]) || s[end] == '.' && end+1 < len(s) && digit(s[end+1])) {
		return
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Is4() {
		w.found(i, end, IPv4)
	}
}

// ipv6 replaces an address with a colon at i, when it has two colons and a digit: a::b is more often code.
func (w *walk) ipv6(i int) {
	s := w.s
	const most = 45 // the longest text of an address
	a, end := i, i
	for a > w.done && i-a < most && (hexDigit(s[a-1]) || s[a-1] == ':') {
		a--
	}
	for end < len(s) && end-a < most && (hexDigit(s[end]) || s[end] == ':' || s[end] == '.') {
		end++
	}
	text := strings.TrimRight(s[a:end], ".")
	if !strings.HasSuffix(text, "::") {
		text = strings.TrimRight(text, ":")
	}
	end = a + len(text)
	if a > 0 && word(s[a-1]) || end < len(s) && word(s[end]) || !strings.ContainsAny(text, "0123456789") {
		return
	}
	if ip, err := netip.ParseAddr(text); err == nil && ip.Is6() {
		w.found(a, end, IPv6)
	}
}

// Lengths of the parts of an e-mail address (RFC 5321, section 4.5.3.1).
const (
	maxLocal  = 64
	maxDomain = 255
)

// email replaces an address with its @ at i.
func (w *walk) email(i int) {
	s := w.s
	a := i
	for a > w.done && i-a <= maxLocal && (alnum(s[a-1]) || strings.IndexByte("._%+-", s[a-1]) >= 0) {
		a--
	}
	end, dot := i+1, -1
	for end < len(s) && end-i <= maxDomain && (alnum(s[end]) || s[end] == '-' || s[end] == '.') {
		if s[end] == '.' {
			dot = end
		}
		end++
	}
	for end > i+1 && !alnum(s[end-1]) {
		end--
		if dot >= end {
			dot = strings.LastIndexByte(s[:end], '.')
		}
	}
	if a == i || i-a > maxLocal || dot <= i+1 || end-dot-1 < 2 {
		return
	}
	for _, c := range []byte(s[dot+1 : end]) {
		if !letter(c) {
			return
		}
	}
	w.found(a, end, Email)
}
