package alertstate

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/faultline-io/faultline/services/internal/alerts"
	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// maxDecoded bounds what one value may unpack to.
const maxDecoded = 64 << 20

// reopenAfter is the wait before a watch that broke is opened again.
const reopenAfter = time.Second

// View is a reader's picture of what is published for a tenant. It is safe for concurrent use.
type View struct {
	prefix string
	kv     bus.KV
	log    *slog.Logger
	dec    *zstd.Decoder
	// onConfig is called with each configuration that is read.
	onConfig func(Config)

	// mu guards what is below.
	mu     sync.Mutex
	groups map[string]*Group
	config *Config
	status *Status

	loaded chan struct{}
	once   sync.Once
}

// NewView returns a view of kv, the bucket alerts.StateBucket; Run fills it.
func NewView(kv bus.KV, tenant model.TenantID, log *slog.Logger, onConfig func(Config)) (*View, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDecoded))
	if err != nil {
		return nil, errs.New(errs.Internal, "make a decoder: %w", err)
	}
	return &View{prefix: alerts.Prefix(tenant), kv: kv, log: log, dec: dec, onConfig: onConfig, groups: map[string]*Group{}, loaded: make(chan struct{})}, nil
}

// Loaded returns a channel that is closed when everything was read once.
func (v *View) Loaded() <-chan struct{} { return v.loaded }

// Run keeps the view equal to the bucket until ctx ends.
func (v *View) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := v.kv.Watch(ctx, v.take, func() { v.once.Do(func() { close(v.loaded) }) })
		if ctx.Err() != nil {
			return
		}
		v.log.WarnContext(ctx, "watch of the state of alerting broke and is opened again", slog.Any("error", err))
		select {
		case <-ctx.Done():
		case <-time.After(reopenAfter):
		}
	}
}

func (v *View) take(e bus.KVEntry) {
	key, ok := strings.CutPrefix(e.Key, v.prefix)
	if !ok || key == KeyLease {
		return
	}
	var err error
	switch {
	case strings.HasPrefix(key, GroupKeyPrefix):
		err = v.takeGroup(key, e)
	case e.Deleted:
	case key == keyConfig:
		var c Config
		if err = v.decode(e.Value, &c); err == nil {
			v.mu.Lock()
			v.config = &c
			v.mu.Unlock()
			if v.onConfig != nil {
				v.onConfig(c)
			}
		}
	case key == keyStatus:
		var s Status
		if err = v.decode(e.Value, &s); err == nil {
			v.mu.Lock()
			v.status = &s
			v.mu.Unlock()
		}
	}
	if err != nil {
		v.log.Warn("unreadable state of alerting", slog.String("key", e.Key), slog.Any("error", err))
	}
}

func (v *View) takeGroup(key string, e bus.KVEntry) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e.Deleted {
		delete(v.groups, key)
		return nil
	}
	g := &Group{}
	if err := v.decode(e.Value, g); err != nil {
		return err
	}
	v.groups[key] = g
	return nil
}

func (v *View) decode(b []byte, into any) error {
	plain, err := v.dec.DecodeAll(b, nil)
	if err == nil {
		err = json.Unmarshal(plain, into)
	}
	if err != nil {
		return errs.New(errs.Invalid, "decode: %w", err)
	}
	return nil
}

// Groups returns the groups by file and name. They must not be changed.
func (v *View) Groups() []*Group {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := make([]*Group, 0, len(v.groups))
	for _, g := range v.groups {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *Group) int { return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.Name, b.Name)) })
	return out
}

// Status returns the last status; ok is false when nobody ever led.
func (v *View) Status() (s Status, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.status == nil {
		return Status{}, false
	}
	return *v.status, true
}

// Config returns the configuration in force; ok is false when nobody ever led.
func (v *View) Config() (c Config, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.config == nil {
		return Config{}, false
	}
	return *v.config, true
}
