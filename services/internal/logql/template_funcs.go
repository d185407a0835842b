package logql

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// templateFuncs are the functions that Loki documents for templates.
func templateFuncs() template.FuncMap {
	f := template.FuncMap{}
	for _, part := range []template.FuncMap{stringFuncs(), numberFuncs(), timeFuncs()} {
		for k, v := range part {
			f[k] = v
		}
	}
	return f
}

func stringFuncs() template.FuncMap {
	return template.FuncMap{
		"ToLower": strings.ToLower, "ToUpper": strings.ToUpper, "Replace": replaceN, "Trim": strings.Trim, "TrimLeft": strings.TrimLeft,
		"TrimRight": strings.TrimRight, "TrimPrefix": strings.TrimPrefix, "TrimSuffix": strings.TrimSuffix, "TrimSpace": strings.TrimSpace,
		"lower": strings.ToLower, "upper": strings.ToUpper, "title": title, "trim": strings.TrimSpace,
		"trimAll":    func(cut, s string) string { return strings.Trim(s, cut) },
		"trimPrefix": func(p, s string) string { return strings.TrimPrefix(s, p) },
		"trimSuffix": func(p, s string) string { return strings.TrimSuffix(s, p) },
		"contains":   func(sub, s string) bool { return strings.Contains(s, sub) },
		"hasPrefix":  func(p, s string) bool { return strings.HasPrefix(s, p) },
		"hasSuffix":  func(p, s string) bool { return strings.HasSuffix(s, p) },
		"replace":    func(old, with, s string) (string, error) { return replaceN(s, old, with, -1) },
		"repeat":     repeat,
		"indent":     func(n int, s string) string { return indent(n, s) },
		"nindent":    func(n int, s string) string { return "\n" + indent(n, s) },
		"substr":     substr, "trunc": trunc, "alignLeft": alignLeft, "alignRight": alignRight,
		"default":                defaultText,
		"b64enc":                 func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"b64dec":                 func(s string) (string, error) { b, err := base64.StdEncoding.DecodeString(s); return string(b), err },
		"urlencode":              url.QueryEscape,
		"urldecode":              url.QueryUnescape,
		"regexReplaceAll":        regexReplace(false),
		"regexReplaceAllLiteral": regexReplace(true),
		"count":                  countMatches,
		"fromJson":               fromJSON,
	}
}

func numberFuncs() template.FuncMap {
	return template.FuncMap{
		"add": func(a any, rest ...any) int64 { return foldInt(a, rest, func(x, y int64) int64 { return x + y }) },
		"sub": func(a, b any) int64 { return toInt(a) - toInt(b) },
		"mul": func(a any, rest ...any) int64 { return foldInt(a, rest, func(x, y int64) int64 { return x * y }) },
		"div": func(a, b any) (int64, error) { return divide(toInt(a), toInt(b), false) },
		"mod": func(a, b any) (int64, error) { return divide(toInt(a), toInt(b), true) },
		"addf": func(a any, rest ...any) float64 {
			return foldFloat(a, rest, func(x, y float64) float64 { return x + y })
		},
		"subf": func(a any, rest ...any) float64 {
			return foldFloat(a, rest, func(x, y float64) float64 { return x - y })
		},
		"mulf": func(a any, rest ...any) float64 {
			return foldFloat(a, rest, func(x, y float64) float64 { return x * y })
		},
		"divf": func(a any, rest ...any) float64 {
			return foldFloat(a, rest, func(x, y float64) float64 { return x / y })
		},
		"max":  func(a any, rest ...any) int64 { return foldInt(a, rest, func(x, y int64) int64 { return max(x, y) }) },
		"min":  func(a any, rest ...any) int64 { return foldInt(a, rest, func(x, y int64) int64 { return min(x, y) }) },
		"maxf": func(a any, rest ...any) float64 { return foldFloat(a, rest, math.Max) },
		"minf": func(a any, rest ...any) float64 { return foldFloat(a, rest, math.Min) },
		"ceil": func(a any) float64 { return math.Ceil(toFloat(a)) }, "floor": func(a any) float64 { return math.Floor(toFloat(a)) },
		"round": func(a any, places int, _ ...float64) float64 {
			p := math.Pow(10, float64(min(max(places, -15), 15)))
			return math.Round(toFloat(a)*p) / p
		},
		"int": toInt, "float64": toFloat,
		"bytes":            func(s string) (float64, error) { return parseBytes(strings.TrimSpace(s)) },
		"duration":         seconds,
		"duration_seconds": seconds,
	}
}

func timeFuncs() template.FuncMap {
	return template.FuncMap{
		"now":             time.Now,
		"date":            func(layout string, t time.Time) string { return t.Format(layout) },
		"toDate":          func(layout, s string) (time.Time, error) { return time.Parse(layout, s) },
		"toDateInZone":    toDateInZone,
		"unixEpoch":       func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
		"unixEpochMillis": func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
		"unixEpochNanos":  func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) },
		"unixToTime":      unixToTime,
	}
}

func seconds(s string) (float64, error) {
	d, err := parseDuration(s)
	return d.Seconds(), err
}

func toDateInZone(layout, zone, s string) (time.Time, error) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, err
	}
	return time.ParseInLocation(layout, s, loc)
}

// unixToTime reads days, seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their digits.
func unixToTime(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("unable to parse time '%s'", s)
	}
	switch len(s) {
	case 5:
		return time.Unix(n*86400, 0).UTC(), nil
	case 10:
		return time.Unix(n, 0).UTC(), nil
	case 13:
		return time.UnixMilli(n).UTC(), nil
	case 16:
		return time.UnixMicro(n).UTC(), nil
	case 19:
		return time.Unix(0, n).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("unable to parse time '%s': use 5, 10, 13, 16 or 19 digits", s)
}

func toInt(v any) int64 {
	switch v := v.(type) {
	case int:
		return int64(v)
	case int64:
		return v
	case float64:
		return int64(v)
	case bool:
		if v {
			return 1
		}
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n
		}
		f, _ := strconv.ParseFloat(v, 64)
		return int64(f)
	}
	return 0
}

func toFloat(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case string:
		f, _ := strconv.ParseFloat(v, 64)
		return f
	default:
		return float64(toInt(v))
	}
}

func foldInt(a any, rest []any, f func(x, y int64) int64) int64 {
	n := toInt(a)
	for _, r := range rest {
		n = f(n, toInt(r))
	}
	return n
}

func foldFloat(a any, rest []any, f func(x, y float64) float64) float64 {
	n := toFloat(a)
	for _, r := range rest {
		n = f(n, toFloat(r))
	}
	return n
}

func divide(a, b int64, rest bool) (int64, error) {
	switch {
	case b == 0:
		return 0, errors.New("division by zero")
	case rest:
		return a % b, nil
	default:
		return a / b, nil
	}
}

// bounded refuses what is larger than any line may be.
func bounded(n int) error {
	if n > maxFormatBytes {
		return errOutput
	}
	return nil
}

func replaceN(s, old, with string, n int) (string, error) {
	if err := bounded(len(s) + (strings.Count(s, old)+1)*len(with)); err != nil {
		return "", err
	}
	return strings.Replace(s, old, with, n), nil
}

func repeat(n int, s string) (string, error) {
	if n < 0 || len(s) > 0 && n > maxFormatBytes/len(s) {
		return "", errOutput
	}
	return strings.Repeat(s, n), nil
}

func indent(n int, s string) string {
	pad := strings.Repeat(" ", min(max(n, 0), 1000))
	return pad + strings.ReplaceAll(s, "\n", "\n"+pad)
}

func title(s string) string {
	up := true
	return strings.Map(func(r rune) rune {
		start := up
		up = unicode.IsSpace(r)
		if start {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

func substr(start, end int, s string) string {
	r := []rune(s)
	if start < 0 {
		start = 0
	}
	if end < 0 || end > len(r) {
		end = len(r)
	}
	if start > end {
		return ""
	}
	return string(r[start:end])
}

func trunc(n int, s string) string {
	r := []rune(s)
	switch {
	case n < 0 && len(r)+n > 0:
		return string(r[len(r)+n:])
	case n >= 0 && len(r) > n:
		return string(r[:n])
	}
	return s
}

func alignLeft(n int, s string) (string, error) {
	have := utf8.RuneCountInString(s)
	if have >= n {
		return trunc(max(n, 0), s), nil
	}
	return s + strings.Repeat(" ", min(n, maxFormatBytes)-have), bounded(n)
}

func alignRight(n int, s string) (string, error) {
	have := utf8.RuneCountInString(s)
	if have >= n {
		return trunc(-max(n, 0), s), nil
	}
	return strings.Repeat(" ", min(n, maxFormatBytes)-have) + s, bounded(n)
}

func defaultText(d string, v any) any {
	if v == nil || v == "" {
		return d
	}
	return v
}

func regexReplace(literal bool) func(re, s, with string) (string, error) {
	var last string
	var compiled *regexp.Regexp
	return func(re, s, with string) (string, error) {
		if compiled == nil || last != re {
			if len(re) > maxPatternBytes {
				return "", errors.New("the regular expression is too long")
			}
			c, err := regexp.Compile(re)
			if err != nil {
				return "", err
			}
			last, compiled = re, c
		}
		if err := bounded(len(s) + len(compiled.FindAllStringIndex(s, -1))*(len(with)+len(s)/8)); err != nil {
			return "", err
		}
		if literal {
			return compiled.ReplaceAllLiteralString(s, with), nil
		}
		return compiled.ReplaceAllString(s, with), nil
	}
}

func countMatches(re, s string) (int, error) {
	c, err := regexp.Compile(re)
	if err != nil {
		return 0, err
	}
	return len(c.FindAllStringIndex(s, -1)), nil
}

// fromJSON makes maps, slices, strings and numbers of JSON; nil when it is none.
func fromJSON(s string) any {
	v, err := fastjson.Parse(s)
	if err != nil {
		return nil
	}
	return jsonAny(v)
}

func jsonAny(v *fastjson.Value) any {
	switch v.Type() {
	case fastjson.TypeObject:
		out := map[string]any{}
		obj, _ := v.Object()
		obj.Visit(func(k []byte, v *fastjson.Value) { out[string(k)] = jsonAny(v) })
		return out
	case fastjson.TypeArray:
		list, _ := v.Array()
		out := make([]any, len(list))
		for i := range list {
			out[i] = jsonAny(list[i])
		}
		return out
	case fastjson.TypeNull:
		return nil
	case fastjson.TypeNumber:
		n, _ := v.Float64()
		return n
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return v.Type() == fastjson.TypeTrue
	default:
		return jsonText(v)
	}
}
