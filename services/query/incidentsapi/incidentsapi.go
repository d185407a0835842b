// Package incidentsapi answers what the brain found and takes what people say to it: incidents with their causes and timelines, findings,
// the map of entities at a time, how the brain fares, and a live stream. It decides nothing: incidents have one writer, to which people's
// actions travel as commands over the bus, and this package says whether they were applied. Reads cost one or two queries of the store, or
// none where the open incidents on the bus have the answer.
package incidentsapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/incidents"
	"github.com/faultline-io/faultline/services/internal/incidents/board"
	"github.com/faultline-io/faultline/services/internal/store/clickhouse"
	"github.com/faultline-io/faultline/services/query/limits"
	"github.com/faultline-io/faultline/services/query/sse"
)

// Bus is what the handlers need of the bus.
type Bus interface {
	board.Bus
	bus.Commands
}

// Deps is what code passes in.
type Deps struct {
	DB  *clickhouse.DB
	Bus Bus
	Log *slog.Logger
	Now func() time.Time
}

// API is the handlers and the service that follows the open incidents.
type API struct {
	db      *clickhouse.DB
	changes *clickhouse.ChangeReader
	spans   *clickhouse.SpanReader
	bus     Bus
	view    *board.View
	log     *slog.Logger
	now     func() time.Time
}

// New returns an API. Register its routes and run it.
func New(deps Deps) *API {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	return &API{
		db: deps.DB, changes: clickhouse.NewChangeReader(deps.DB), spans: clickhouse.NewSpanReader(deps.DB), bus: deps.Bus,
		view: board.NewView(deps.Bus, deps.Log), log: deps.Log, now: deps.Now,
	}
}

// tagIncidents groups the operations in the description.
const tagIncidents = "incidents"

// Name returns the name of the service.
func (*API) Name() string { return "query-incidents" }

// Run follows the open incidents until ctx ends.
func (a *API) Run(ctx context.Context) error { return a.view.Run(ctx) }

// Register adds the operations.
func (a *API) Register(api huma.API) {
	incidentTags, findingTags := []string{tagIncidents}, []string{"findings"}
	huma.Register(api, huma.Operation{
		OperationID: "list-incidents", Method: http.MethodGet, Path: "/api/v1/incidents", Summary: "List incidents, the latest first", Tags: incidentTags,
		Description: "Incidents that lasted at any time between start and end, in one line each. Those that another took in are left out unless state asks for them.",
	}, a.list)
	huma.Register(api, huma.Operation{
		OperationID: "get-incident", Method: http.MethodGet, Path: "/api/v1/incidents/{id}", Summary: "One incident, with its causes and their evidence", Tags: incidentTags,
	}, a.get)
	huma.Register(api, huma.Operation{
		OperationID: "get-incident-timeline", Method: http.MethodGet, Path: "/api/v1/incidents/{id}/timeline", Summary: "What happened in an incident, in order", Tags: incidentTags,
		Description: "Findings, changes to what is concerned, what the brain knew when, and what people did, in one list by time.",
	}, a.timeline)
	sse.Register(api, huma.Operation{
		OperationID: "stream-incidents", Method: http.MethodGet, Path: "/api/v1/incidents/stream", Summary: "Follow incidents as they change", Tags: incidentTags,
		Description: "An event incident for each change, finding for each finding where findings=true asks for them, and resync when some may have been missed: ask for the list again then, and after every connect.",
	}, map[string]any{eventIncident: incidents.Brief{}, eventFinding: incidents.Finding{}, eventResync: Resync{}}, a.stream)
	a.registerCommands(api)
	huma.Register(api, huma.Operation{
		OperationID: "list-findings", Method: http.MethodGet, Path: "/api/v1/findings", Summary: "List findings, the latest first", Tags: findingTags,
		Description: "Signals that left their normal at any time between start and end, in their latest state.",
	}, a.listFindings)
	huma.Register(api, huma.Operation{
		OperationID: "get-finding", Method: http.MethodGet, Path: "/api/v1/findings/{id}", Summary: "One finding in its latest state", Tags: findingTags,
	}, a.getFinding)
	huma.Register(api, huma.Operation{
		OperationID: "get-topology", Method: http.MethodGet, Path: "/api/v1/topology", Summary: "Entities and how they hang together, at a time", Tags: []string{"topology"},
	}, a.topology)
	state := huma.Operation{OperationID: "get-brain", Method: http.MethodGet, Path: "/api/v1/brain", Summary: "How the brain fares", Tags: []string{"system"}}
	limits.Exempt(&state)
	huma.Register(api, state, a.brain)
}
