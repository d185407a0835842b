// Package reqctx carries what a request is about through its context: the request id, who asks, and for which tenant. It does no
// work; the server's middleware fills it and everything below reads it.
package reqctx

import (
	"context"

	"github.com/faultline-io/faultline/services/model"
)

type requestIDKey struct{}

type identityKey struct{}

// Identity is who asks.
type Identity struct {
	// User is the signed-in user's name; "" for nobody.
	User string
	// Tenant is the tenant whose data the request may see.
	Tenant model.TenantID
	// Session tells a browser's cookie from a token or a password: only the cookie needs the CSRF header.
	Session bool
}

// WithRequestID returns a context that carries the request id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the request id of ctx, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// WithIdentity returns a context that carries who asks.
func WithIdentity(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// IdentityOf returns who asks; ok is false when nobody signed in.
func IdentityOf(ctx context.Context) (id Identity, ok bool) {
	id, ok = ctx.Value(identityKey{}).(Identity)
	return id, ok
}

// Tenant returns the tenant whose data the request may see: the identity's, or the default tenant when nobody signed in.
func Tenant(ctx context.Context) model.TenantID {
	if id, ok := IdentityOf(ctx); ok && id.Tenant != 0 {
		return id.Tenant
	}
	return model.DefaultTenant
}
