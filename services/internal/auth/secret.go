package auth

import "log/slog"

// hidden is what a secret looks like everywhere outside.
const hidden = "***"

// Secret is text that must not get into logs, answers or error messages. Only Reveal gives it back.
type Secret struct{ text string }

// NewSecret wraps text.
func NewSecret(text string) Secret { return Secret{text: text} }

// Reveal returns the text, for the one place that needs it.
func (s Secret) Reveal() string { return s.text }

// String returns "***", or "" when there is no secret.
func (s Secret) String() string {
	if s.text == "" {
		return ""
	}
	return hidden
}

// GoString returns the same as String, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue returns the same as String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns the same as String, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON returns the same as String in quotes.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }
