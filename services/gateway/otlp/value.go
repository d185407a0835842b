package otlp

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/model"
)

// maxDepth bounds how deep a nested value is followed; deeper ones become null. The protocol sets no bound, the stack does.
const maxDepth = 16

// anyValue returns an AnyValue as text: strings as they are, without a copy where they are valid; numbers and booleans as JSON
// writes them; bytes as base64; lists and maps as compact JSON.
func anyValue(data []byte) (string, error) {
	m := wire.Read(data)
	out := ""
	for m.Next() {
		switch {
		case m.Is(1, wire.Bytes):
			out = intake.Valid(m.String())
		case m.Is(2, wire.Varint):
			out = strconv.FormatBool(m.Num != 0)
		case m.Is(3, wire.Varint):
			out = strconv.FormatInt(m.Int(), 10)
		case m.Is(4, wire.Fixed64):
			out = strconv.FormatFloat(m.Float(), 'g', -1, 64)
		case m.Is(7, wire.Bytes):
			out = base64.StdEncoding.EncodeToString(m.Data)
		case m.Is(5, wire.Bytes), m.Is(6, wire.Bytes):
			b, err := appendJSON(nil, data, 0)
			if err != nil {
				return "", err
			}
			return string(b), nil
		}
	}
	return out, m.Err()
}

// appendJSON appends an AnyValue as compact JSON.
func appendJSON(dst, data []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return append(dst, "null"...), nil
	}
	start := len(dst)
	m := wire.Read(data)
	for m.Next() {
		dst = dst[:start] // of a oneof the last one counts
		var err error
		switch {
		case m.Is(1, wire.Bytes):
			dst = appendQuoted(dst, m.String())
		case m.Is(2, wire.Varint):
			dst = strconv.AppendBool(dst, m.Num != 0)
		case m.Is(3, wire.Varint):
			dst = strconv.AppendInt(dst, m.Int(), 10)
		case m.Is(4, wire.Fixed64):
			dst = appendNumber(dst, m.Float())
		case m.Is(5, wire.Bytes):
			dst, err = appendArray(dst, m.Data, depth+1)
		case m.Is(6, wire.Bytes):
			dst, err = appendObject(dst, m.Data, depth+1)
		case m.Is(7, wire.Bytes):
			dst = append(dst, '"')
			dst = base64.StdEncoding.AppendEncode(dst, m.Data)
			dst = append(dst, '"')
		}
		if err != nil {
			return dst, err
		}
	}
	if len(dst) == start {
		dst = append(dst, "null"...)
	}
	return dst, m.Err()
}

func appendArray(dst, data []byte, depth int) ([]byte, error) {
	dst = append(dst, '[')
	m := wire.Read(data)
	n := 0
	for m.Next() {
		if !m.Is(1, wire.Bytes) {
			continue
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		n++
		var err error
		if dst, err = appendJSON(dst, m.Data, depth); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), m.Err()
}

func appendObject(dst, data []byte, depth int) ([]byte, error) {
	dst = append(dst, '{')
	m := wire.Read(data)
	n := 0
	for m.Next() {
		if !m.Is(1, wire.Bytes) {
			continue
		}
		key, value, err := keyValue(m.Data)
		if err != nil {
			return dst, err
		}
		if n > 0 {
			dst = append(dst, ',')
		}
		n++
		dst = append(appendQuoted(dst, key), ':')
		if dst, err = appendJSON(dst, value, depth); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), m.Err()
}

// keyValue splits a KeyValue into its key and its AnyValue.
func keyValue(data []byte) (key string, value []byte, err error) {
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Bytes):
			key = m.String()
		case m.Is(2, wire.Bytes):
			value = m.Data
		}
	}
	return key, value, m.Err()
}

// attribute reads a KeyValue into a label.
func attribute(data []byte) (model.Label, error) {
	key, value, err := keyValue(data)
	if err != nil {
		return model.Label{}, err
	}
	text, err := anyValue(value)
	return model.Label{Name: intake.Valid(key), Value: text}, err
}

// appendNumber writes what JSON has no number for as a string.
func appendNumber(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(strconv.AppendFloat(append(dst, '"'), v, 'g', -1, 64), '"')
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r) // a torn rune becomes U+FFFD
			i += size
			continue
		}
		i++
	}
	return append(dst, '"')
}
