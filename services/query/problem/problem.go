// Package problem turns errors into answers: it is the one place where an error's kind becomes an HTTP status, and where the body of
// an error (RFC 9457, application/problem+json, with our code and hint) is made. Foreign dialects use its Status only.
package problem

import (
	"errors"
	"net/http"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

// StatusClientGone is the status of a request whose client went away; nobody reads it but logs and metrics.
const StatusClientGone = 499

// typeBase is where the codes are explained.
const typeBase = "https://github.com/faultline-io/faultline/blob/main/docs/api/errors.md#"

// ContentType is the media type of a Problem.
const ContentType = "application/problem+json"

// Field is one thing that was wrong with a request.
type Field struct {
	Location string `json:"location,omitempty" doc:"Where, as query.start or body.user"`
	Message  string `json:"message" doc:"What is wrong with it"`
	Value    any    `json:"value,omitempty" doc:"The value that was sent"`
}

// Problem is the body of every error of our own API.
type Problem struct {
	Type         string  `json:"type" doc:"Page that explains the code"`
	Title        string  `json:"title" doc:"The status in words"`
	Status       int     `json:"status" doc:"HTTP status"`
	Detail       string  `json:"detail,omitempty" doc:"What happened this time"`
	Instance     string  `json:"instance,omitempty" doc:"Request id, as in the log"`
	Code         string  `json:"code" doc:"Stable code of the error"`
	Hint         string  `json:"hint,omitempty" doc:"What to do next"`
	Errors       []Field `json:"errors,omitempty" doc:"What was wrong with the request"`
	RetryAfterMS int64   `json:"retry_after_ms,omitempty" doc:"When to try again"`

	cause error
}

// Error returns the detail, or the title when there is none.
func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// GetStatus returns the HTTP status; huma asks for it by this name.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the media type of the body; huma asks for it by this name.
func (p *Problem) ContentType(string) string { return ContentType }

// Unwrap returns the error that the problem was made of.
func (p *Problem) Unwrap() error { return p.cause }

// Status returns the HTTP status of an error's kind.
func Status(k errs.Kind) int {
	switch k {
	case errs.Invalid:
		return http.StatusBadRequest
	case errs.Unauthenticated:
		return http.StatusUnauthorized
	case errs.Forbidden:
		return http.StatusForbidden
	case errs.NotFound:
		return http.StatusNotFound
	case errs.Conflict:
		return http.StatusConflict
	case errs.Exhausted:
		return http.StatusTooManyRequests
	case errs.Unavailable:
		return http.StatusServiceUnavailable
	case errs.Canceled:
		return StatusClientGone
	case errs.Timeout:
		return http.StatusGatewayTimeout
	case errs.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// annotated adds to an error what only an answer needs.
type annotated struct {
	err    error
	code   string
	retry  time.Duration
	fields []Field
}

func (a *annotated) Error() string { return a.err.Error() }
func (a *annotated) Unwrap() error { return a.err }

// WithCode gives err a stable code that is finer than its kind.
func WithCode(code string, err error) error { return &annotated{err: err, code: code} }

// WithRetryAfter says when the request may be tried again.
func WithRetryAfter(d time.Duration, err error) error { return &annotated{err: err, retry: d} }

// InvalidField returns an errs.Invalid error about one part of the request, such as query.start.
func InvalidField(location, message string, value any) error {
	return &annotated{
		err:    errs.New(errs.Invalid, "%s: %s", location, message),
		fields: []Field{{Location: location, Message: message, Value: value}},
	}
}

// MethodNotAllowed returns the problem of a path that exists and does not take the method.
func MethodNotAllowed(method, path string) error {
	p := &Problem{
		Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: path + " does not take " + method,
		Hint: "GET /api/openapi.json lists what there is",
	}
	return p.complete()
}

// From returns the problem that err is answered with. instance is the request id. The text of internal errors stays out of it: the
// server's log has it under the same id.
func From(err error, instance string) *Problem {
	var ready *Problem
	if errors.As(err, &ready) {
		p := *ready
		p.Instance = instance
		return &p
	}
	kind := errs.KindOf(err)
	p := &Problem{Status: Status(kind), Code: string(kind), Detail: err.Error(), Hint: errs.HintOf(err), Instance: instance, cause: err}
	if kind == errs.Internal {
		p.Detail = "the server met an error it did not expect"
		if p.Hint == "" {
			p.Hint = "look for this request id in the server's log"
		}
	}
	var a *annotated
	for e := err; errors.As(e, &a); e = a.err {
		if a.code != "" {
			p.Code = a.code
		}
		if a.retry > 0 {
			p.RetryAfterMS = a.retry.Milliseconds()
		}
		p.Errors = append(p.Errors, a.fields...)
	}
	if p.RetryAfterMS == 0 && (kind == errs.Exhausted || kind == errs.Unavailable) {
		p.RetryAfterMS = 1000
	}
	return p.complete()
}

// complete fills what follows from the rest.
func (p *Problem) complete() *Problem {
	p.Title = http.StatusText(p.Status)
	if p.Status == StatusClientGone {
		p.Title = "Client Closed Request"
	}
	p.Type = typeBase + p.Code
	return p
}
