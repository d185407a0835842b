package sse

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/faultline-io/faultline/services/query/limits"
)

// Register adds a streaming operation. events maps an event's name to an example of its data, for the description; "dropped" is added.
// open checks the request: its error is answered as a problem before the stream begins.
func Register[I any](api huma.API, op huma.Operation, events map[string]any, open func(ctx context.Context, in *I) (Source, error)) {
	limits.Exempt(&op)
	op.Responses = map[string]*huma.Response{"200": {
		Description: "A stream of events",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: describe(api, events)}},
	}}
	huma.Register(api, op, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		source, err := open(ctx, in)
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(hctx huma.Context) {
			c := humagin.Unwrap(hctx)
			if err := Serve(c.Writer, c.Request, Options{}, source); err != nil {
				_ = c.Error(err) // the status is sent; only the log can still tell
			}
		}}, nil
	})
}

// describe returns the schema of a stream: one of the events at a time.
func describe(api huma.API, events map[string]any) *huma.Schema {
	all := maps.Clone(events)
	all["dropped"] = Dropped{}
	item := &huma.Schema{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		item.OneOf = append(item.OneOf, &huma.Schema{
			Title:    name,
			Type:     huma.TypeObject,
			Required: []string{"event", "data"},
			Properties: map[string]*huma.Schema{
				"event": {Type: huma.TypeString, Enum: []any{name}},
				"data":  huma.SchemaFromType(api.OpenAPI().Components.Schemas, reflect.TypeOf(all[name])),
			},
		})
	}
	return &huma.Schema{Type: huma.TypeArray, Items: item, Description: "Events in the order of the stream"}
}
