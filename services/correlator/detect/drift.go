package detect

import "math"

// Figures of the CUSUM over hourly means (Page, Biometrika 1954). Hours are far enough apart to be nearly independent, which minutes are not.
const (
	driftHours = 24   // Least history.
	driftTrial = 168  // A week, until which sums only show what the series does anyway, by day and night and at weekends.
	driftMore  = 1.5  // How much further than ever before.
	driftSlack = 1.25 // Spreads an hour that are let pass.
	driftLimit = 16   // Sum at which it is a drift: a spread beyond the slack for most of a day, or three for a quarter of one.
	driftClip  = 4    // One hour cannot decide.
	driftBase  = 168  // Hours of memory of the level that is drifted from.
)

// drift accumulates how far hourly means are away from a level of a week.
type drift struct {
	hour     uint32 // Since 1970.
	n        uint16 // Hours so far.
	steps    uint16
	sum      float64
	base     float64
	dev      float32
	up, down float32
	peak     float32 // Highest sum of the past, forgetting: what this series does anyway.
	sinceHr  uint32  // Hour in which the sum that is larger began to grow.
}

// add takes a step and returns +1 or -1 when the series has drifted. frozen keeps the level while an episode lasts, many is how many series
// the entity has: with more of them each needs more.
func (d *drift) add(ms int64, y, floor float64, frozen bool, many float64) int8 {
	h := uint32(ms / hourMS)
	if h == d.hour {
		d.sum += y
		d.steps++
		return 0
	}
	mean, n := d.sum, d.steps
	d.sum, d.steps = y, 1
	last := d.hour
	d.hour = h
	if n == 0 || last == 0 {
		return 0
	}
	mean /= float64(n)
	if d.n == 0 {
		d.base = mean
	}
	if d.n < math.MaxUint16 {
		d.n++
	}
	spread := math.Max(float64(d.dev), floor)
	r := mean - d.base
	if frozen {
		return 0
	}
	z := clip(r/spread, driftClip)
	if d.n > driftHours {
		if d.up == 0 && d.down == 0 {
			d.sinceHr = last
		}
		d.up = float32(math.Max(0, float64(d.up)+z-driftSlack))
		d.down = float32(math.Max(0, float64(d.down)-z-driftSlack))
		if d.n <= driftTrial {
			d.peak = max(d.peak, d.up, d.down)
		}
	}
	a := 1 / math.Min(float64(d.n), driftBase)
	if d.n > 4 {
		r = clip(r, 3*spread)
		d.dev += float32(math.Max(a, 1.0/driftBase) * (1.25*math.Abs(r) - float64(d.dev)))
	}
	d.base += a * r
	limit := max(driftLimit, driftMore*d.peak) * float32(1+math.Log(max(many, 1))/4)
	switch {
	case d.n <= driftTrial:
	case d.up > limit:
		d.peak = d.up
		return 1
	case d.down > limit:
		d.peak = d.down
		return -1
	}
	d.peak *= 1 - 1.0/(4*driftBase)
	return 0
}

// reset forgets what was accumulated, and takes the level of the last hour as the one to drift from.
func (d *drift) reset() {
	if d.steps > 0 {
		d.base = d.sum / float64(d.steps)
	}
	d.up, d.down = 0, 0
}

func (d *drift) code(c *codec) {
	c.u32(&d.hour)
	c.u16(&d.n)
	c.u16(&d.steps)
	c.f64(&d.sum)
	c.f64(&d.base)
	c.f32(&d.dev)
	c.f32(&d.up)
	c.f32(&d.down)
	c.f32(&d.peak)
	c.u32(&d.sinceHr)
}
