// Package store names what the data path and the query API exchange with the store besides batches: ledger rows, disk state. It has
// no technology in it; package clickhouse implements what callers ask for.
package store

import "github.com/faultline-io/faultline/services/model"

// LedgerRow says what became of one bus message.
type LedgerRow struct {
	Tenant       model.TenantID
	Stream       string
	Epoch        uint64
	Seq          uint64
	ReceivedAtMS int64
	Signal       model.Signal
	Source       string
	Protocol     string
	// Accepted is what the gateway counted; Stored what the writer inserted; DeadLetter what it could not.
	Accepted   uint64
	Stored     uint64
	DeadLetter uint64
	// AgentBatch, AgentSent and AgentDropped are the agent's own figures; 0 for everybody else.
	AgentBatch   uint64
	AgentSent    uint64
	AgentDropped uint64
}

// RejectedRow counts items that the gateway refused within a minute.
type RejectedRow struct {
	Tenant   model.TenantID
	MinuteMS int64
	Signal   model.Signal
	Source   string
	Protocol string
	Reason   string
	Count    uint64
}

// Disk levels.
const (
	DiskOK   = "ok"
	DiskWarn = "warn"
	DiskFull = "full"
)

// DiskState is how full the data disk is and what is done about it; the upkeep part publishes it, every page shows it.
type DiskState struct {
	Path       string  `json:"path"`
	TotalBytes uint64  `json:"total_bytes"`
	UsedBytes  uint64  `json:"used_bytes"`
	FreeBytes  uint64  `json:"free_bytes"`
	UsedRatio  float64 `json:"used_ratio"`
	// State is DiskOK, DiskWarn or DiskFull; Message says in one sentence what is happening when it is not DiskOK.
	State   string `json:"state"`
	Message string `json:"message"`
	// CheckedAtMS is when this was read, in Unix milliseconds.
	CheckedAtMS int64 `json:"checked_at_ms"`
}

// StatusBucket is the control-state bucket with what parts publish about themselves; DiskStateKey holds a DiskState as JSON.
const (
	StatusBucket = "status"
	DiskStateKey = "disk"
)

// Partition is one droppable piece of history.
type Partition struct {
	Table string
	// ID is the partition's name as ClickHouse has it; Day its first day as YYYYMMDD.
	ID    string
	Day   uint32
	Bytes uint64
}

// What happened to an alert.
const (
	AlertFiring   = "firing"
	AlertResolved = "resolved"
)

// AlertRow is one event in the life of an alert: it began to fire, or it was over.
type AlertRow struct {
	Tenant model.TenantID
	// TimeMS is when it happened: the start for AlertFiring, the end for AlertResolved.
	TimeMS      int64
	Fingerprint uint64
	Name        string
	Status      string
	StartsAtMS  int64
	// EndsAtMS is 0 while it fires.
	EndsAtMS     int64
	Labels       map[string]string
	Annotations  map[string]string
	Source       string
	GeneratorURL string
	// RecordedAtMS is when the row was made; of equal rows the latest stays.
	RecordedAtMS int64
}

// MarkRow is one mark of event time, as the correlator had it.
type MarkRow struct {
	Seq         uint64
	AtMS        int64
	WatermarkMS int64
}

// AsideRow is a sample that was set aside when it was judged.
type AsideRow struct {
	SeriesID uint64
	TimeMS   int64
	// Bits are those of the value (math.Float64bits).
	Bits  uint64
	Stale bool
	// Reason is eventtime.Reason; Mark the number of the mark before which it came.
	Reason uint8
	Mark   uint64
}

// CommandRow is a command of a person with what became of it.
type CommandRow struct {
	model.Command
	// AppliedAtMS is when, in event time, and Mark after which mark.
	AppliedAtMS int64
	Mark        uint64
	// Outcome is applied or refused, Detail why.
	Outcome, Detail string
}
