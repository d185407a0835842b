package limits

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/query/problem"
)

// exemptKey marks operations in their metadata.
const exemptKey = "faultline.no_query_gate"

// Exempt marks an operation that is not a query of the store, or lasts as long as its reader (a live stream): it takes no slot and has
// no time limit. Use it as an operation handler: huma.Get(api, path, h, limits.Exempt), or call it on the operation.
func Exempt(op *huma.Operation) {
	if op.Metadata == nil {
		op.Metadata = map[string]any{}
	}
	op.Metadata[exemptKey] = true
}

// Huma is the middleware that puts every operation that is not exempt through the gate.
func (g *Gate) Huma(ctx huma.Context, next func(huma.Context)) {
	if ctx.Operation().Metadata[exemptKey] == true {
		next(ctx)
		return
	}
	qctx, leave, err := g.Enter(ctx.Context())
	if err != nil {
		problem.Write(humagin.Unwrap(ctx), err)
		return
	}
	defer leave()
	next(huma.WithContext(ctx, qctx))
}

// Gin is the same for plain gin handlers; refuse answers in the dialect of the route.
func (g *Gate) Gin(refuse func(*gin.Context, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		qctx, leave, err := g.Enter(c.Request.Context())
		if err != nil {
			refuse(c, err)
			c.Abort()
			return
		}
		defer leave()
		c.Request = c.Request.WithContext(qctx)
		c.Next()
	}
}
