package query

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/auth"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/alertsapi"
	"github.com/faultline-io/faultline/services/query/lokiapi"
	"github.com/faultline-io/faultline/services/query/problem"
	"github.com/faultline-io/faultline/services/query/promapi"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

const (
	// cookieName is the cookie of the console's session.
	cookieName = "faultline_session"
	// csrfHeader proves that a write comes from our own page: another site's page can send the cookie but not the header.
	csrfHeader = "X-Faultline-CSRF"
)

// public are the paths of the API that need no sign-in. The session's own path answers for itself.
var public = map[string]bool{
	"/-/healthy": true, "/-/ready": true, "/api/openapi.json": true, "/api/openapi.yaml": true,
	"/api/openapi-3.0.json": true, "/api/openapi-3.0.yaml": true, "/api/v1/session": true,
	alertsapi.Prefix + "/-/healthy": true, alertsapi.Prefix + "/-/ready": true,
}

// authenticate finds out who asks, and ends requests of the API that nobody signed in for.
func (q *Query) authenticate(c *gin.Context) {
	path := c.Request.URL.Path
	if !isAPI(path) {
		c.Next()
		return
	}
	id, err := q.identify(c.Request)
	switch {
	case err == nil:
		c.Request = c.Request.WithContext(reqctx.WithIdentity(c.Request.Context(), id))
	case public[path], path == "/metrics" && fromLoopback(c.Request):
		// Nobody is fine here. A wrong password is not an error either: the path asks for none.
	default:
		problem.Write(c, err)
		return
	}
	c.Next()
}

// identify returns who asks. Errors: errs.Unauthenticated, errs.Forbidden for a write without the CSRF header, errs.Exhausted after too
// many wrong passwords, errs.Unavailable when sessions cannot be read.
func (q *Query) identify(r *http.Request) (reqctx.Identity, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		return q.identifyByHeader(r, header)
	}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return reqctx.Identity{}, errs.WithHint(errs.Unauthenticated, "sign in with POST /api/v1/session, or send Authorization: Basic or Bearer",
			"this needs a sign-in")
	}
	s, err := q.sessions.Find(r.Context(), cookie.Value)
	if err != nil {
		return reqctx.Identity{}, err
	}
	if changes(r) && !s.CSRFMatches(r.Header.Get(csrfHeader)) {
		return reqctx.Identity{}, errCSRF()
	}
	return reqctx.Identity{User: s.User, Tenant: s.Tenant, Session: true}, nil
}

func errCSRF() error {
	return problem.WithCode("csrf", errs.WithHint(errs.Forbidden,
		"send the session's csrf_token in the header "+csrfHeader, "the header %s is missing or wrong", csrfHeader))
}

// changes reports whether a request may change something.
func changes(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return !promapi.ReadsByPost(r.URL.Path) && !lokiapi.Reads(r.URL.Path) && r.URL.Path != "/api/v1/sql"
}

// identifyByHeader checks a password sent as basic authentication or as a bearer token.
func (q *Query) identifyByHeader(r *http.Request, header string) (reqctx.Identity, error) {
	user, password, ok := r.BasicAuth()
	if scheme, token, found := strings.Cut(header, " "); !ok && found && strings.EqualFold(scheme, "Bearer") {
		user, password, ok = auth.AdminUser, strings.TrimSpace(token), true
	}
	if !ok {
		return reqctx.Identity{}, errs.New(errs.Unauthenticated, "the Authorization header is neither Basic nor Bearer")
	}
	if err := q.verify(r.RemoteAddr, user, password); err != nil {
		return reqctx.Identity{}, err
	}
	return reqctx.Identity{User: user, Tenant: model.DefaultTenant}, nil
}

// verify checks a password and gives a refusal its stable code.
func (q *Query) verify(remoteAddr, user, password string) error {
	err := q.deps.Auth.VerifyPassword(remoteAddr, user, password)
	var limited *auth.LimitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limited):
		return problem.WithCode("too_many_failures", problem.WithRetryAfter(limited.RetryAfter, err))
	case errs.KindOf(err) == errs.Unauthenticated:
		return problem.WithCode("bad_credentials", errs.WithHint(errs.Unauthenticated,
			"the first password is in the file admin-password of the data folder", "the user or the password is wrong"))
	}
	return err
}
