package problem

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/faultline-io/faultline/services/internal/errs"
)

func TestFromMapsKinds(t *testing.T) {
	f := func(err error, status int, code string) {
		t.Helper()
		p := From(err, "req-1")
		if p.Status != status || p.Code != code || p.Instance != "req-1" || p.Title == "" || !strings.HasSuffix(p.Type, "#"+code) {
			t.Errorf("From(%v) = %+v, want status %d code %s", err, p, status, code)
		}
	}
	f(errs.New(errs.Invalid, "x"), 400, "invalid")
	f(fmt.Errorf("read: %w", errs.New(errs.NotFound, "x")), 404, "not_found")
	f(errs.New(errs.Conflict, "x"), 409, "conflict")
	f(errs.New(errs.Unauthenticated, "x"), 401, "unauthenticated")
	f(errs.New(errs.Forbidden, "x"), 403, "forbidden")
	f(errs.New(errs.Exhausted, "x"), 429, "exhausted")
	f(errs.New(errs.Unavailable, "x"), 503, "unavailable")
	f(fmt.Errorf("ask: %w", context.Canceled), 499, "canceled")
	f(fmt.Errorf("ask: %w", context.DeadlineExceeded), 504, "timeout")
	f(errors.New("boom"), 500, "internal")
	f(WithCode("bad_credentials", errs.New(errs.Unauthenticated, "x")), 401, "bad_credentials")
}

func TestInternalTextStaysInside(t *testing.T) {
	p := From(errors.New("password=hunter2"), "")
	if strings.Contains(p.Detail, "hunter2") || p.Hint == "" {
		t.Errorf("problem = %+v", p)
	}
}

func TestAnnotationsAddUp(t *testing.T) {
	p := From(WithRetryAfter(1500*time.Millisecond, WithCode("busy", errs.WithHint(errs.Exhausted, "wait", "too many"))), "")
	if p.RetryAfterMS != 1500 || p.Code != "busy" || p.Hint != "wait" || p.Detail != "too many" {
		t.Errorf("problem = %+v", p)
	}
	if got := p.headers()["Retry-After"]; got != "2" {
		t.Errorf("Retry-After = %q, want 2", got)
	}
	p = From(InvalidField("query.start", "is not a time", "x"), "")
	if p.Status != http.StatusBadRequest || len(p.Errors) != 1 || p.Errors[0].Location != "query.start" {
		t.Errorf("problem = %+v", p)
	}
}
