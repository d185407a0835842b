package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value reads and writes one field as text.
type value interface {
	String() string
	Set(text string) error
	Type() string
}

// field is a value made of two functions on a field of type T.
type field[T any] struct {
	dst    *T
	kind   string
	parse  func(string) (T, error)
	format func(T) string
}

func (f field[T]) String() string { return f.format(*f.dst) }
func (f field[T]) Type() string   { return f.kind }

// Set parses text; the field keeps its value when that fails.
func (f field[T]) Set(text string) error {
	v, err := f.parse(strings.TrimSpace(text))
	if err != nil {
		return err
	}
	*f.dst = v
	return nil
}

func str(dst *string) value {
	same := func(s string) string { return s }
	return field[string]{dst, "string", func(s string) (string, error) { return s, nil }, same}
}

func enum(dst *string, accepted ...string) value {
	parse := func(s string) (string, error) {
		if slices.Contains(accepted, s) {
			return s, nil
		}
		return "", fmt.Errorf("%q is not one of %s", s, strings.Join(accepted, ", "))
	}
	return field[string]{dst, "string", parse, func(s string) string { return s }}
}

func boolean(dst *bool) value {
	parse := func(s string) (bool, error) {
		switch strings.ToLower(s) {
		case "true", "yes", "on", "1":
			return true, nil
		case "false", "no", "off", "0":
			return false, nil
		}
		return false, fmt.Errorf("%q is not true or false", s)
	}
	return field[bool]{dst, "bool", parse, strconv.FormatBool}
}

func integer(dst *int) value {
	parse := func(s string) (int, error) {
		n, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
		if err != nil {
			return 0, fmt.Errorf("%q is not a whole number", s)
		}
		return n, nil
	}
	return field[int]{dst, "int", parse, strconv.Itoa}
}

func ratio(dst *float64) value {
	parse := func(s string) (float64, error) {
		scale := 1.0
		num := s
		if p, ok := strings.CutSuffix(s, "%"); ok {
			num, scale = strings.TrimSpace(p), 100
		}
		f, err := strconv.ParseFloat(num, 64)
		if f /= scale; err != nil || !(f >= 0 && f <= 1) { // Not a number fails the comparison too.
			return 0, fmt.Errorf("%q is not a ratio from 0 to 1, such as 0.8 or 80%%", s)
		}
		return f, nil
	}
	return field[float64]{dst, "ratio", parse, func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }}
}

// list takes values separated by commas.
func list(dst *[]string) value {
	parse := func(s string) ([]string, error) {
		var all []string
		for item := range strings.SplitSeq(s, ",") {
			if item = strings.TrimSpace(item); item != "" {
				all = append(all, item)
			}
		}
		return all, nil
	}
	return field[[]string]{dst, "list", parse, func(l []string) string { return strings.Join(l, ",") }}
}

// duration takes Go's form and days and weeks: 90s, 1h30m, 30d, 8w.
func duration(dst *time.Duration) value {
	return field[time.Duration]{dst, "duration", parseDuration, formatDuration}
}

func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a duration such as 10s, 12h or 30d", s)
	if s == "0" {
		return 0, nil
	}
	if s == "" {
		return 0, bad
	}
	for unit, length := range map[byte]time.Duration{'d': day, 'w': 7 * day} {
		if s[len(s)-1] != unit {
			continue
		}
		n, err := strconv.ParseFloat(s[:len(s)-1], 64)
		if err != nil || !(n >= 0 && n*float64(length) < math.MaxInt64) {
			return 0, bad
		}
		return time.Duration(n * float64(length)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, bad
	}
	return d, nil
}

func formatDuration(d time.Duration) string {
	if d > 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return d.String()
}

// units of sizes, the longer names first, because B ends all of them.
var units = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"B", 1},
}

// size takes bytes with an optional unit: 1048576, 512MiB, 2GB.
func size(dst *int64) value {
	return field[int64]{dst, "size", parseSize, formatSize}
}

func parseSize(s string) (int64, error) {
	bad := fmt.Errorf("%q is not a size such as 512MiB or 2GB", s)
	num, scale := s, int64(1)
	for _, u := range units {
		if len(s) > len(u.name) && strings.EqualFold(s[len(s)-len(u.name):], u.name) {
			num, scale = strings.TrimSpace(s[:len(s)-len(u.name)]), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(num, 64)
	if err != nil || !(n >= 0 && n*float64(scale) < math.MaxInt64) {
		return 0, bad
	}
	return int64(n * float64(scale)), nil
}

func formatSize(n int64) string {
	for _, u := range units[:4] {
		if n > 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}
