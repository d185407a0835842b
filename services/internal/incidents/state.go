package incidents

import (
	"time"
)

// Names in control state. The bucket Bucket holds the heads of incidents that are not over, by Key; the bucket store.StatusBucket holds how
// each shard of the brain fares, by StateKey.
const (
	Bucket         = "incidents"
	stateKeyPrefix = "brain."
)

// StateKey is the key under which a process of the brain says how it fares.
func StateKey(process string) string { return stateKeyPrefix + process }

// IsStateKey reports whether a key of the status bucket is one of those.
func IsStateKey(key string) bool {
	return len(key) > len(stateKeyPrefix) && key[:len(stateKeyPrefix)] == stateKeyPrefix
}

// BrainState is how one process of the brain fares; it says so every few seconds.
type BrainState struct {
	Process     string    `json:"process" doc:"Name of the process, or of the shard"`
	Published   time.Time `json:"published" doc:"When it said so, by its clock"`
	Started     time.Time `json:"started"`
	Mark        uint64    `json:"mark" doc:"Number of the last mark that was decided on"`
	MarkAt      time.Time `json:"mark_at" doc:"When that mark was made"`
	Watermark   time.Time `json:"watermark" doc:"Event time up to which everything was judged"`
	LagMS       int64     `json:"lag_ms" doc:"How far the watermark is behind the clock"`
	Series      int64     `json:"series" doc:"Series that are held"`
	SeriesLimit int64     `json:"series_limit"`
	Unwatched   int64     `json:"unwatched" doc:"Series that are counted only, beyond the limit"`
	Entities    int64     `json:"entities"`
	Templates   int64     `json:"templates"`
	MemoryBytes int64     `json:"memory_bytes" doc:"State that is held"`
	// Rates are over the last minute.
	SamplesPerSecond   float64 `json:"samples_per_second"`
	DecisionsPerSecond float64 `json:"decisions_per_second"`
	LogsPerSecond      float64 `json:"logs_per_second"`
	SpansPerSecond     float64 `json:"spans_per_second"`
	OpenFindings       int64   `json:"open_findings"`
	OpenIncidents      int64   `json:"open_incidents"`
	Aside              uint64  `json:"aside" doc:"Samples that were set aside since the start: late or repeated"`
	Skipped            uint64  `json:"skipped" doc:"Messages that were skipped because the brain was too far behind"`
	Message            string  `json:"message,omitempty" doc:"What is wrong, in one sentence"`
}
