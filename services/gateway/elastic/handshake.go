package elastic

import (
	"net/http"
	"strings"
)

// Version is the version of Elasticsearch that we answer as: shippers refuse much older and unknown ones.
const Version = "8.19.0"

// about is what GET / says.
const about = `{"name":"faultline","cluster_name":"faultline","cluster_uuid":"ZmF1bHRsaW5lLWVsYXN0aWM","version":{"number":"` + Version + `","build_flavor":"default","build_type":"tar",` +
	`"build_hash":"0000000000000000000000000000000000000000","build_date":"2025-07-23T00:00:00.000Z","build_snapshot":false,"lucene_version":"9.12.2",` +
	`"minimum_wire_compatibility_version":"7.17.0","minimum_index_compatibility_version":"7.0.0"},"tagline":"You Know, for Search"}`

const (
	license = `{"license":{"status":"active","uid":"00000000-0000-0000-0000-000000000000","type":"basic","issue_date":"2025-01-01T00:00:00.000Z","issue_date_in_millis":1735689600000,` +
		`"max_nodes":1000,"max_resource_units":null,"issued_to":"faultline","issuer":"faultline","start_date_in_millis":-1}}`
	xpack = `{"build":{"hash":"0","date":"2025-07-23T00:00:00.000Z"},"license":{"uid":"00000000-0000-0000-0000-000000000000","type":"basic","mode":"basic","status":"active"},` +
		`"features":{"ilm":{"available":true,"enabled":true},"data_streams":{"available":true,"enabled":true},"monitoring":{"available":false,"enabled":false},"security":{"available":false,"enabled":false}},"tagline":"You know, for X"}`
	health = `{"cluster_name":"faultline","status":"green","timed_out":false,"number_of_nodes":1,"number_of_data_nodes":1,"active_primary_shards":1,"active_shards":1,` +
		`"relocating_shards":0,"initializing_shards":0,"unassigned_shards":0,"delayed_unassigned_shards":0,"number_of_pending_tasks":0,"number_of_in_flight_fetch":0,` +
		`"task_max_waiting_in_queue_millis":0,"active_shards_percent_as_number":100.0}`
	nodes        = `{"_nodes":{"total":1,"successful":1,"failed":0},"cluster_name":"faultline","nodes":{}}`
	acknowledged = `{"acknowledged":true}`
)

// notHere is said of everything that is not part of sending logs.
const notHere = `{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"Faultline takes bulk requests, and has no indexes"}],"type":"index_not_found_exception","reason":"Faultline takes bulk requests, and has no indexes"},"status":404}`

// Answer returns status and JSON for what shippers ask before they send: what server this is, its license, whether policies, templates, pipelines
// and data streams are there, which they always are. What they set up is acknowledged and not kept. path is without a prefix.
func Answer(method, path string) (status int, body string) {
	head, rest, _ := strings.Cut(strings.Trim(path, "/"), "/")
	read := method == http.MethodGet || method == http.MethodHead
	switch head {
	case "":
		return http.StatusOK, about
	case "_license":
		return http.StatusOK, license
	case "_xpack":
		return http.StatusOK, xpack
	case "_cluster":
		if strings.HasPrefix(rest, "health") {
			return http.StatusOK, health
		}
		return http.StatusOK, `{"cluster_name":"faultline","persistent":{},"transient":{}}`
	case "_nodes":
		return http.StatusOK, nodes
	case "_cat":
		return http.StatusOK, `[]`
	case "_ilm", "_index_template", "_component_template", "_template", "_ingest", "_data_stream", "_alias":
	default:
		return http.StatusNotFound, notHere
	}
	if !read {
		return http.StatusOK, acknowledged
	}
	return setUp(head, rest)
}

// setUp answers who asks whether something is set up: it is, so that shippers do not set it up again.
func setUp(head, rest string) (int, string) {
	_, name, _ := strings.Cut(rest, "/")
	switch head {
	case "_ilm": // /_ilm/policy/name, /_ilm/status
		if name == "" {
			return http.StatusOK, `{"operation_mode":"RUNNING"}`
		}
		return http.StatusOK, `{` + quote(name) + `:{"version":1,"modified_date":"2025-01-01T00:00:00.000Z","policy":{"phases":{}}}}`
	case "_ingest": // /_ingest/pipeline/name
		if name == "" {
			return http.StatusOK, `{}`
		}
		return http.StatusOK, `{` + quote(name) + `:{"processors":[]}}`
	case "_index_template":
		return http.StatusOK, `{"index_templates":[{"name":` + quote(rest) + `,"index_template":{"index_patterns":[` + quote(rest) + `],"composed_of":[],"data_stream":{}}}]}`
	case "_component_template":
		return http.StatusOK, `{"component_templates":[{"name":` + quote(rest) + `,"component_template":{"template":{}}}]}`
	case "_data_stream":
		return http.StatusOK, `{"data_streams":[{"name":` + quote(rest) + `,"timestamp_field":{"name":"@timestamp"},"indices":[],"generation":1,"status":"GREEN","template":"faultline"}]}`
	case "_template":
		return http.StatusOK, `{` + quote(rest) + `:{"index_patterns":[` + quote(rest) + `],"settings":{},"mappings":{},"aliases":{}}}`
	}
	return http.StatusOK, `{}`
}

// quote returns a name of a path as JSON.
func quote(s string) string { return string(appendQuoted(nil, s)) }
