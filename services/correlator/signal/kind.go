package signal

import (
	"strings"

	"github.com/faultline-io/faultline/services/model"
)

// Kind says how the samples of a series become what is judged.
type Kind uint8

// The kinds.
const (
	Unknown  Kind = iota // Neither name nor metadata say; the data has to.
	Gauge                // Judged as it is.
	Counter              // Judged as a rate a second.
	Sum                  // The sum of a histogram or summary: with its count it becomes a mean.
	Count                // The count of a histogram or summary: a rate.
	Bucket               // One bucket of a histogram: not judged.
	Constant             // A moment, an info, a version: not judged.
)

// constants are the ends of names whose values are labels, moments or settings rather than measurements.
var constants = []string{"_created", "_info", "_timestamp", "_timestamp_seconds", "_timestamp_ms", "_time_seconds_epoch", "_start_time_seconds", "_boot_time_seconds", "_last_seen", "_uptime_seconds", "_uptime"}

// KindOf returns the kind of a series. typ is MetricMetadata.Type, "" where nobody told.
func KindOf(name, typ string) Kind {
	for _, c := range constants {
		if strings.HasSuffix(name, c) {
			return Constant
		}
	}
	distribution := typ == "histogram" || typ == "summary" || typ == "gaugehistogram"
	switch {
	case typ == "info":
		return Constant
	case strings.HasSuffix(name, "_bucket") && typ != "gauge":
		return Bucket
	case strings.HasSuffix(name, "_sum") && typ != "gauge":
		return Sum
	case strings.HasSuffix(name, "_count") && (distribution || typ == "counter"):
		return Count
	case typ == "counter", strings.HasSuffix(name, "_total") && typ != "gauge":
		return Counter
	case typ == "gauge", typ == "stateset", typ == "summary":
		return Gauge
	}
	return Unknown
}

// Family returns the names under which metadata may speak of a series, the most exact first.
func Family(name string) []string {
	out := []string{name}
	for _, s := range []string{"_total", "_sum", "_count", "_bucket", "_created"} {
		if f, ok := strings.CutSuffix(name, s); ok {
			out = append(out, f)
		}
	}
	return out
}

// statusLabels name the outcome of what is counted.
var statusLabels = []string{"code", "status", "status_code", "http_status_code", "http_response_status_code", "response_code", "outcome", "result", "grpc_code", "rpc_grpc_status_code"}

// Of returns the role of a series from its name, labels, type and unit: a count of requests whose label says that they failed is one of
// errors.
func Of(name string, labels []model.Label, kind, unit string) model.Role {
	r := Classify(name, kind, unit)
	if r != model.RoleTraffic && r != model.RoleOther && r != model.RoleUsage {
		return r
	}
	for _, l := range statusLabels {
		if v := model.Lookup(labels, l); v != "" && failed(v) {
			return model.RoleErrors
		}
	}
	return r
}

func failed(v string) bool {
	if len(v) == 3 && v[0] == '5' {
		return true
	}
	switch strings.ToLower(v) {
	case "error", "failed", "failure", "5xx", "fail", "exception", "timeout", "unavailable", "internal", "deadlineexceeded", "status_code_error":
		return true
	}
	return false
}
