// Package errs gives errors a kind, so that one table maps them to HTTP and gRPC codes, and a hint, so that an operator knows the
// next step. It is a leaf: it imports the standard library only.
package errs

import (
	"context"
	"errors"
	"fmt"
)

// Kind classifies an error by what the caller can do about it.
type Kind string

// The kinds.
const (
	Invalid         Kind = "invalid"
	NotFound        Kind = "not_found"
	Conflict        Kind = "conflict"
	Unauthenticated Kind = "unauthenticated"
	Forbidden       Kind = "forbidden"
	Exhausted       Kind = "exhausted"
	Unavailable     Kind = "unavailable"
	Canceled        Kind = "canceled"
	Timeout         Kind = "timeout"
	Internal        Kind = "internal"
)

// Error is an error with a kind. Op says what was being done, Hint the next step for the operator; both may be empty.
type Error struct {
	Op   string
	Kind Kind
	Msg  string
	Hint string
	Err  error
}

// Error returns "op: msg: cause", leaving out what is empty.
func (e *Error) Error() string {
	s := e.Msg
	if e.Err != nil {
		if s != "" {
			s += ": "
		}
		s += e.Err.Error()
	}
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of kind k with a formatted message; %w wraps.
func New(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...)}
}

// WithHint returns an error of kind k with a message and the operator's next step.
func WithHint(k Kind, hint, format string, args ...any) error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// KindOf returns the kind of the outermost Error in err's chain, Canceled or Timeout for context errors, Internal for all others,
// and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) {
		return Canceled
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Timeout
	}
	return Internal
}

// HintOf returns the first hint in err's chain, or "".
func HintOf(err error) string {
	var e *Error
	for errors.As(err, &e) {
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
