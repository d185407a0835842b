package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/query/reqctx"
)

// install guards huma's own settings, which it keeps in package variables.
var install sync.Once

// Install makes huma answer with Problem and describe lists as never null. It must run before the first operation is registered; it
// may run any number of times.
func Install() {
	install.Do(func() {
		huma.DefaultArrayNullable = false
		huma.NewError = func(status int, msg string, causes ...error) huma.StatusError {
			return fromHuma(status, msg, causes)
		}
		huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, causes ...error) huma.StatusError {
			return inContext(ctx, fromHuma(status, msg, causes))
		}
	})
}

// fromHuma translates what huma says of a request. A handler's own error arrives as the only cause of a 500.
func fromHuma(status int, msg string, causes []error) *Problem {
	if status == http.StatusInternalServerError && len(causes) == 1 && causes[0] != nil {
		return From(causes[0], "")
	}
	p := &Problem{Status: status, Detail: msg, Code: codeOf(status)}
	for _, c := range causes {
		var d huma.ErrorDetailer
		switch {
		case c == nil:
		case errors.As(c, &d):
			e := d.ErrorDetail()
			p.Errors = append(p.Errors, Field{Location: e.Location, Message: e.Message, Value: e.Value})
		default:
			p.Errors = append(p.Errors, Field{Message: c.Error()})
		}
	}
	return p.complete()
}

func codeOf(status int) string {
	switch status {
	case http.StatusUnprocessableEntity:
		return "validation"
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	case http.StatusUnsupportedMediaType:
		return "unsupported_media_type"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusNotAcceptable:
		return "not_acceptable"
	case http.StatusRequestTimeout:
		return "timeout"
	}
	if status >= http.StatusInternalServerError {
		return "internal"
	}
	return "invalid"
}

// inContext adds the request id and the headers, and leaves the cause for the server's log.
func inContext(ctx huma.Context, p *Problem) *Problem {
	p.Instance = reqctx.RequestID(ctx.Context())
	for name, value := range p.headers() {
		ctx.SetHeader(name, value)
	}
	if p.cause != nil && p.Status >= http.StatusInternalServerError {
		_ = humagin.Unwrap(ctx).Error(p.cause)
	}
	return p
}

func (p *Problem) headers() map[string]string {
	h := map[string]string{}
	if p.RetryAfterMS > 0 {
		h["Retry-After"] = strconv.FormatInt((p.RetryAfterMS+999)/1000, 10)
	}
	if p.Status == http.StatusUnauthorized && p.Code != "bad_credentials" {
		// Not "Basic": a browser would open its own password box over the console.
		h["WWW-Authenticate"] = `Bearer realm="faultline"`
	}
	return h
}

// Write answers a plain gin request with the problem of err and ends it.
func Write(c *gin.Context, err error) {
	p := From(err, reqctx.RequestID(c.Request.Context()))
	if p.Status >= http.StatusInternalServerError {
		_ = c.Error(err)
	}
	for name, value := range p.headers() {
		c.Header(name, value)
	}
	body, jsonErr := json.Marshal(p)
	if jsonErr != nil {
		p.Errors = nil // a value that JSON cannot hold
		body, _ = json.Marshal(p)
	}
	c.Abort()
	c.Data(p.Status, ContentType, body)
}
