package query

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/limits"
	"github.com/faultline-io/faultline/services/query/session"
)

// SessionInfo says who is signed in.
type SessionInfo struct {
	User      string    `json:"user" doc:"Name of the user"`
	CSRFToken string    `json:"csrf_token" doc:"Send it in X-Faultline-CSRF with every write"`
	ExpiresAt time.Time `json:"expires_at" doc:"When the session ends"`
}

type signInInput struct {
	Body struct {
		User     string `json:"user" minLength:"1" maxLength:"128"`
		Password string `json:"password" minLength:"1" maxLength:"1024"`
	}
}

type sessionOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      SessionInfo
}

type sessionInfoOutput struct {
	Body SessionInfo
}

type signOutOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

// requestKey carries the request to handlers that set or read cookies.
type requestKey struct{}

// withRequest lets an operation's handler see the request itself.
func withRequest(ctx huma.Context, next func(huma.Context)) {
	next(huma.WithValue(ctx, requestKey{}, humagin.Unwrap(ctx).Request))
}

func requestOf(ctx context.Context) *http.Request {
	r, ok := ctx.Value(requestKey{}).(*http.Request)
	if !ok {
		panic("BUG: the operation does not use withRequest")
	}
	return r
}

func (q *Query) registerSession() {
	base := func(method, id, summary string, status int) huma.Operation {
		op := huma.Operation{
			OperationID: id, Method: method, Path: "/api/v1/session", Summary: summary, Tags: []string{"session"}, DefaultStatus: status,
			Middlewares: huma.Middlewares{withRequest}, Security: []map[string][]string{},
		}
		limits.Exempt(&op)
		return op
	}
	signIn := base(http.MethodPost, "sign-in", "Sign in", http.StatusOK)
	signIn.Errors = []int{http.StatusUnauthorized, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable}
	huma.Register(q.api, signIn, q.signIn)
	show := base(http.MethodGet, "get-session", "Who is signed in", http.StatusOK)
	show.Errors = []int{http.StatusUnauthorized}
	huma.Register(q.api, show, q.showSession)
	huma.Register(q.api, base(http.MethodDelete, "sign-out", "Sign out", http.StatusNoContent), q.signOut)
}

func (q *Query) signIn(ctx context.Context, in *signInInput) (*sessionOutput, error) {
	r := requestOf(ctx)
	if err := q.verify(r.RemoteAddr, in.Body.User, in.Body.Password); err != nil {
		return nil, err
	}
	token, s, err := q.sessions.Create(ctx, in.Body.User, model.DefaultTenant)
	if err != nil {
		return nil, err
	}
	return &sessionOutput{SetCookie: sessionCookie(r, token, s.ExpiresAt), Body: infoOf(s)}, nil
}

func (q *Query) showSession(ctx context.Context, _ *struct{}) (*sessionInfoOutput, error) {
	s, err := q.currentSession(ctx)
	if err != nil {
		return nil, err
	}
	return &sessionInfoOutput{Body: infoOf(s)}, nil
}

func (q *Query) signOut(ctx context.Context, _ *struct{}) (*signOutOutput, error) {
	r := requestOf(ctx)
	out := &signOutOutput{SetCookie: sessionCookie(r, "", time.Unix(0, 0))}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return out, nil // there is nothing to end
	}
	s, err := q.sessions.Find(ctx, cookie.Value)
	if errs.KindOf(err) == errs.Unauthenticated {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	if !s.CSRFMatches(r.Header.Get(csrfHeader)) {
		return nil, errCSRF()
	}
	return out, q.sessions.End(ctx, cookie.Value)
}

// currentSession returns the session of the cookie, whatever other credentials came with it.
func (q *Query) currentSession(ctx context.Context) (session.Session, error) {
	cookie, err := requestOf(ctx).Cookie(cookieName)
	if err != nil {
		return session.Session{}, errs.WithHint(errs.Unauthenticated, "sign in with POST /api/v1/session", "nobody is signed in")
	}
	return q.sessions.Find(ctx, cookie.Value)
}

func infoOf(s session.Session) SessionInfo {
	return SessionInfo{User: s.User, CSRFToken: s.CSRF, ExpiresAt: s.ExpiresAt}
}

// sessionCookie is out of reach of scripts and of other sites' requests; Secure as soon as there is TLS.
func sessionCookie(r *http.Request, token string, expires time.Time) http.Cookie {
	c := http.Cookie{
		Name: cookieName, Value: token, Path: "/", Expires: expires, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}
