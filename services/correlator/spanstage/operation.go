package spanstage

import "strings"

// maxOperation bounds the name of an operation. Longer ones are SQL texts and addresses, which say what they are at their beginning.
const maxOperation = 120

// operation returns the name of an operation with the parts that vary from call to call replaced by a star, so that a sender that puts
// identifiers into names does not make a series for each. It returns the name itself when nothing varies, without allocation.
func operation(name string) string {
	if len(name) > maxOperation {
		name = strings.ToValidUTF8(name[:maxOperation], "")
	}
	if i := strings.IndexByte(name, '?'); i > 0 && strings.IndexByte(name[:i], '/') >= 0 {
		name = name[:i] // What is behind it are the arguments of a URL.
	}
	if !varies(name) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		j := partEnd(name, i)
		if part := name[i:j]; variable(part) {
			b.WriteByte('*')
		} else {
			b.WriteString(part)
		}
		if j < len(name) {
			b.WriteByte(name[j])
		}
		i = j + 1
	}
	return b.String()
}

func varies(name string) bool {
	for i := 0; i < len(name); {
		j := partEnd(name, i)
		if variable(name[i:j]) {
			return true
		}
		i = j + 1
	}
	return false
}

// partEnd returns where the part of a name ends that begins at i.
func partEnd(s string, i int) int {
	for i < len(s) && strings.IndexByte("/ :=,;()[]{}<>'\"", s[i]) < 0 {
		i++
	}
	return i
}

// variable reports whether a part looks like a value: only digits, or many of them, or a hash or UUID. "v1", "s3" and "oauth2" are names.
func variable(part string) bool {
	digits, hex := 0, true
	for i := range len(part) {
		c := part[i]
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F', c == '-':
		default:
			hex = false
		}
	}
	switch {
	case digits == 0:
		return false
	case digits == len(part), digits >= 4:
		return true
	}
	return hex && len(part) >= 8
}
