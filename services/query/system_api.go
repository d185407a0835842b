package query

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/store"
)

// SystemInfo says what this installation is and how it is doing.
type SystemInfo struct {
	Version       string          `json:"version"`
	Commit        string          `json:"commit"`
	StartedAt     time.Time       `json:"started_at"`
	UptimeSeconds float64         `json:"uptime_seconds"`
	Mode          string          `json:"mode" enum:"all-in-one,cluster"`
	TimeZone      string          `json:"time_zone" doc:"The server's time zone; all times in answers are UTC"`
	Disk          DiskInfo        `json:"disk"`
	Engine        EngineInfo      `json:"engine"`
	Bus           BusInfo         `json:"bus"`
	Retention     []RetentionInfo `json:"retention"`
	Storage       []StorageInfo   `json:"storage"`
	Warnings      []Warning       `json:"warnings"`
}

// DiskInfo is how full the data disk is.
type DiskInfo struct {
	Path       string  `json:"path"`
	TotalBytes uint64  `json:"total_bytes"`
	UsedBytes  uint64  `json:"used_bytes"`
	FreeBytes  uint64  `json:"free_bytes"`
	UsedRatio  float64 `json:"used_ratio"`
	State      string  `json:"state" enum:"ok,warn,full"`
	Message    string  `json:"message" doc:"What is happening, when state is not ok"`
}

// EngineInfo is the state of ClickHouse.
type EngineInfo struct {
	Version     string `json:"version"`
	Ready       bool   `json:"ready"`
	Address     string `json:"address"`
	MemoryBytes uint64 `json:"memory_bytes" doc:"Resident memory; 0 when not known"`
}

// BusInfo is the state of the bus.
type BusInfo struct {
	Ready          bool   `json:"ready"`
	StreamBytes    uint64 `json:"stream_bytes"`
	StreamMaxBytes uint64 `json:"stream_max_bytes"`
}

// RetentionInfo says how long a signal is kept.
type RetentionInfo struct {
	Signal string `json:"signal"`
	Days   int    `json:"days" doc:"0 is for ever"`
}

// StorageInfo is what one table takes.
type StorageInfo struct {
	Signal    string `json:"signal"`
	Table     string `json:"table"`
	Rows      uint64 `json:"rows"`
	DiskBytes uint64 `json:"disk_bytes"`
	RawBytes  uint64 `json:"raw_bytes"`
}

// Warning is something that an operator should know.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

type systemOutput struct {
	Body SystemInfo
}

// systemTimeout bounds each part of the answer: the page is for when something is wrong, so it must not hang with it.
const systemTimeout = 3 * time.Second

func (q *Query) registerSystem() {
	huma.Register(q.api, huma.Operation{
		OperationID: "get-system", Method: http.MethodGet, Path: "/api/v1/system", Summary: "What this installation is and how it is doing", Tags: []string{"system"},
	}, func(ctx context.Context, _ *struct{}) (*systemOutput, error) {
		return &systemOutput{Body: q.system(ctx)}, nil
	})
}

// system collects what can be had; what cannot becomes a warning.
func (q *Query) system(ctx context.Context) SystemInfo {
	ctx, cancel := context.WithTimeout(ctx, systemTimeout)
	defer cancel()
	now := q.deps.Clock()
	info := SystemInfo{
		Version: q.deps.Build.Version, Commit: q.deps.Build.Commit, StartedAt: q.started.UTC(), UptimeSeconds: now.Sub(q.started).Seconds(),
		Mode: q.cfg.Mode, TimeZone: now.Location().String(), Retention: []RetentionInfo{}, Storage: []StorageInfo{}, Warnings: []Warning{},
	}
	for _, signal := range slices.Sorted(maps.Keys(q.cfg.Retention)) {
		info.Retention = append(info.Retention, RetentionInfo{Signal: signal, Days: q.cfg.Retention[signal]})
	}
	q.diskInfo(ctx, &info)
	q.engineInfo(ctx, &info)
	q.busInfo(ctx, &info)
	return info
}

func (i *SystemInfo) warn(code, hint, format string, args ...any) {
	i.Warnings = append(i.Warnings, Warning{Code: code, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// diskInfo shows what the disk guard published, or a look of our own when that is old or cannot be had.
func (q *Query) diskInfo(ctx context.Context, info *SystemInfo) {
	info.Disk.State = store.DiskOK
	s, err := q.publishedDisk(ctx)
	if q.deps.Disk != nil && (err != nil || q.deps.Clock().UnixMilli()-s.CheckedAtMS > diskStaleMS) {
		s, err = q.readDisk()
	}
	if errs.KindOf(err) == errs.NotFound {
		return // the guard has not looked yet
	}
	if err != nil {
		info.warn("disk_unknown", "look at the log of the gateway", "how full the disk is cannot be said: %v", err)
		return
	}
	info.Disk = DiskInfo{
		Path: s.Path, TotalBytes: s.TotalBytes, UsedBytes: s.UsedBytes, FreeBytes: s.FreeBytes, UsedRatio: s.UsedRatio, State: s.State, Message: s.Message,
	}
	switch s.State {
	case store.DiskWarn:
		info.warn("disk_filling", "free space on "+s.Path+", or keep less history", "%s", s.Message)
	case store.DiskFull:
		info.warn("disk_full", "free space on "+s.Path+" now", "%s", s.Message)
	}
}

// diskStaleMS is the age from which a published state is not believed; the guard looks every ten seconds.
const diskStaleMS = 25_000

// publishedDisk returns what the disk guard published.
func (q *Query) publishedDisk(ctx context.Context) (s store.DiskState, err error) {
	kv, err := q.deps.Bus.KV(ctx, store.StatusBucket)
	if err != nil {
		return s, err
	}
	raw, err := kv.Get(ctx, store.DiskStateKey)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(raw, &s)
}

// readDisk looks at the disk itself.
func (q *Query) readDisk() (s store.DiskState, err error) {
	s.State = store.DiskOK
	if s.Path, s.TotalBytes, s.UsedBytes, s.FreeBytes, err = q.deps.Disk(); err != nil {
		return s, err
	}
	s.UsedRatio = float64(s.UsedBytes) / float64(max(1, s.UsedBytes+s.FreeBytes))
	switch {
	case s.UsedRatio >= q.cfg.DiskFullRatio:
		s.State = store.DiskFull
		s.Message = fmt.Sprintf("The disk of %s is %.0f %% full. Free space there: when it is full, senders are refused.", s.Path, 100*s.UsedRatio)
	case s.UsedRatio >= q.cfg.DiskWarnRatio:
		s.State = store.DiskWarn
		s.Message = fmt.Sprintf("The disk of %s is %.0f %% full. Free space or shorten the retention.", s.Path, 100*s.UsedRatio)
	}
	return s, nil
}

func (q *Query) engineInfo(ctx context.Context, info *SystemInfo) {
	info.Engine.Address = q.deps.Store.Addr()
	db := q.deps.System
	if db == nil {
		db = q.deps.Store
	}
	server, err := db.Server(ctx)
	if err != nil {
		info.warn("engine_down", "look at the log; it is started again by itself", "the store does not answer: %v", err)
		return
	}
	info.Engine.Version, info.Engine.MemoryBytes, info.Engine.Ready = server.Version, server.MemoryBytes, true
	if q.deps.System == nil {
		return
	}
	sizes, err := q.deps.System.TableSizes(ctx)
	if err != nil {
		info.warn("sizes_unknown", "", "the sizes of the tables cannot be read: %v", err)
		return
	}
	for _, t := range sizes {
		info.Storage = append(info.Storage, StorageInfo{Signal: signalOfTable(t.Table), Table: t.Table, Rows: t.Rows, DiskBytes: t.DiskBytes, RawBytes: t.RawBytes})
	}
	slices.SortFunc(info.Storage, func(a, b StorageInfo) int {
		return cmp.Or(cmp.Compare(a.Signal, b.Signal), cmp.Compare(a.Table, b.Table))
	})
}

// signalOfTable says which signal a table is for, by its name.
func signalOfTable(table string) string {
	for _, p := range []struct{ prefix, signal string }{
		{"samples", "metrics"}, {"series", "metrics"}, {"histograms", "metrics"}, {"exemplars", "metrics"}, {"metric_", "metrics"},
		{"log", "logs"}, {"span", "spans"}, {"trace", "spans"},
	} {
		if strings.HasPrefix(table, p.prefix) {
			return p.signal
		}
	}
	return "system"
}

func (q *Query) busInfo(ctx context.Context, info *SystemInfo) {
	if err := q.deps.Bus.Ready(ctx); err != nil {
		info.warn("bus_down", "look at the log", "the bus does not answer: %v", err)
		return
	}
	info.Bus.Ready = true
	streams, err := q.deps.Bus.State(ctx)
	if err != nil {
		info.warn("streams_unknown", "", "the streams cannot be read: %v", err)
		return
	}
	for _, s := range streams {
		info.Bus.StreamBytes += s.Bytes
		info.Bus.StreamMaxBytes += s.MaxBytes
		if s.MaxBytes > 0 && s.Bytes > s.MaxBytes*9/10 {
			info.warn("stream_full", "look whether the store answers; senders are told to wait", "stream %s is %d %% full", s.Stream, 100*s.Bytes/s.MaxBytes)
		}
	}
}
