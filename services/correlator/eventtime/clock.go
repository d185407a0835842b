package eventtime

import (
	"maps"
	"slices"

	"github.com/faultline-io/faultline/services/model"
)

// Mark is a tick with its watermark. It is published to all shards and recorded: shards and replays take it as input and never
// work it out themselves, since each would hear other sources.
type Mark struct {
	// Seq counts marks from 1 without gaps.
	Seq uint64
	// AtMS is the time of the tick.
	AtMS int64
	// WatermarkMS is the event time up to which everything on time has arrived. It never goes back.
	WatermarkMS int64
}

// ClockConfig bounds a Clock.
type ClockConfig struct {
	// LatenessMS is how far the watermark stays behind the slowest source.
	LatenessMS int64
	// HoldMS is how far behind the tick a source may be and still hold the watermark; beyond, its data is late. Without it one
	// clock that is behind, one slow interval or one backfill delays the findings of everybody.
	HoldMS int64
	// FirstIntervalMS is taken for the interval of a source that was heard once.
	FirstIntervalMS int64
	// MaxIntervalMS bounds the interval that a source can claim by sending rarely.
	MaxIntervalMS int64
	// MaxSources bounds the sources that are followed; those beyond do not hold the watermark.
	MaxSources int
}

// DefaultClockConfig returns ten seconds of lateness and twenty of hold, which together are half of the minute from a fault to an
// incident. On the day of the trial more hold made nothing less late; what it costs is in decision 0010.
func DefaultClockConfig() ClockConfig {
	return ClockConfig{LatenessMS: 10_000, HoldMS: 20_000, FirstIntervalMS: 60_000, MaxIntervalMS: 300_000, MaxSources: 100_000}
}

// source is what a Clock knows of a sender.
type source struct {
	lastMS     int64 // Greatest event time heard.
	heardMS    int64 // Tick at which it was last heard.
	intervalMS int64 // Running estimate of the time between two advances.
}

// Clock follows the event time of sources. The zero value is not usable; see NewClock.
type Clock struct {
	cfg     ClockConfig
	sources map[string]source
	// heard has the greatest event time of each source since the last tick. A maximum does not depend on order.
	heard map[string]int64
	mark  Mark
}

// NewClock returns a Clock that goes on after the last recorded mark, the zero Mark for none. It has no other state to keep: it
// hears its sources again within their intervals, and the marks that it made are recorded.
func NewClock(cfg ClockConfig, last Mark) *Clock {
	return &Clock{cfg: cfg, sources: map[string]source{}, heard: map[string]int64{}, mark: last}
}

// Batch hears a batch of metrics.
func (c *Clock) Batch(m *model.Metrics) {
	if len(m.TimesMS) > 0 {
		c.Hear(m.Source, slices.Max(m.TimesMS))
	}
}

// Hear notes that a source has sent data up to lastMS.
func (c *Clock) Hear(name string, lastMS int64) {
	if had, ok := c.heard[name]; ok {
		c.heard[name] = max(had, lastMS)
		return
	}
	if _, known := c.sources[name]; !known && len(c.heard) >= 2*c.cfg.MaxSources {
		return // More new names in one tick than could be followed.
	}
	c.heard[name] = lastMS
}

// Sources returns how many sources are followed.
func (c *Clock) Sources() int { return len(c.sources) }

// Tick makes the next mark. The watermark is the least event time of the live sources less the lateness. A source is live until
// it was silent for two of its intervals. A clock that is ahead counts as the tick's own time; with no live source the watermark
// stays where it is.
func (c *Clock) Tick(atMS int64) Mark {
	atMS = max(atMS, c.mark.AtMS)
	c.learn(atMS)
	least, live := atMS, false
	for name, s := range c.sources {
		switch {
		case atMS-s.heardMS > 2*c.cfg.MaxIntervalMS:
			delete(c.sources, name)
		case atMS-s.heardMS > 2*s.intervalMS || s.lastMS < atMS-c.cfg.HoldMS:
		default:
			live = true
			least = min(least, s.lastMS)
		}
	}
	c.mark.Seq, c.mark.AtMS = c.mark.Seq+1, atMS
	if live {
		c.mark.WatermarkMS = max(c.mark.WatermarkMS, least-c.cfg.LatenessMS)
	}
	return c.mark
}

// learn moves what was heard into sources; new ones are admitted by name, so that the bound does not depend on order.
func (c *Clock) learn(atMS int64) {
	for _, name := range slices.Sorted(maps.Keys(c.heard)) {
		lastMS := c.heard[name]
		s, known := c.sources[name]
		switch step := lastMS - s.lastMS; {
		case !known && len(c.sources) >= c.cfg.MaxSources:
			continue
		case !known:
			s = source{lastMS: lastMS, intervalMS: c.cfg.FirstIntervalMS}
		case step > 0:
			if atMS-s.heardMS <= 2*s.intervalMS { // Not a return from silence, which says nothing about the interval.
				s.intervalMS = min((3*s.intervalMS+step)/4+1, c.cfg.MaxIntervalMS)
			}
			s.lastMS = lastMS
		}
		s.heardMS = atMS
		c.sources[name] = s
	}
	clear(c.heard)
}
