package lokipush

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

var errLabels = errors.New(`stream labels must look like {name="value", …}`)

// maxStreamLabels bounds the labels of one stream while they are parsed.
const maxStreamLabels = 1000

// parseLabels reads the labels of a stream as Loki and Prometheus write them: {name="value", other="quoted \"value\""}. Values
// without escapes alias s.
func parseLabels(s string) ([]model.Label, error) {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return nil, errLabels
	}
	s = strings.TrimSpace(s[1 : len(s)-1])
	var out []model.Label
	for s != "" {
		name, rest, ok := strings.Cut(s, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || len(out) >= maxStreamLabels {
			return nil, errLabels
		}
		rest = strings.TrimLeft(rest, " ")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return nil, fmt.Errorf("%w: value of %q", errLabels, name)
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("%w: value of %q", errLabels, name)
		}
		if value != "" {
			out = append(out, model.Label{Name: name, Value: value})
		}
		s = strings.TrimLeft(rest[len(quoted):], " ")
		if s == "" {
			break
		}
		if s[0] != ',' {
			return nil, errLabels
		}
		s = strings.TrimLeft(s[1:], " ")
	}
	return out, nil
}

// hexID returns the bytes of an id in hexadecimal; one of zeros only is none.
func hexID(s string) (string, bool) {
	b, err := hex.DecodeString(s)
	if err != nil || strings.Trim(string(b), "\x00") == "" {
		return "", false
	}
	return string(b), true
}
