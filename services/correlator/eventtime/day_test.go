package eventtime

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/faultline-io/faultline/services/model"
)

const (
	hosts         = 20
	perHost       = 10
	stepMS        = 15_000
	tickMS        = 5_000
	dayMS         = 24 * 3_600_000
	dayStart      = int64(1_790_000_000_000) // Some day; a multiple of neither step nor tick.
	aheadHost     = 18
	behindHost    = 17
	silentHost    = 19
	spooledHost   = 3
	scrapedHosts  = 10 // From this host on to 16, one source sends for all: it is on many shards.
	firstOwnAgain = 17
)

// message is one input: a batch, or a tick.
type message struct {
	arriveMS int64
	batch    *model.Metrics
}

// day is what one day of sending looks like to the gateway, in order of arrival, and what is in the tables after it.
type day struct {
	messages []message
	series   map[uint64]model.Series
	rows     []row // As stored: by series and time, each once.
}

type row struct {
	id     uint64
	timeMS int64
	value  float64
}

// theDay is made once: the tests only read it.
var theDay = sync.OnceValue(func() *day { return makeDay(1) })

func seriesOf(host, i int) model.Series {
	name := fmt.Sprintf("signal_%d", i)
	labels := []model.Label{{Name: "instance", Value: fmt.Sprintf("host-%d:9100", host)}, {Name: "job", Value: "node"}}
	return model.Series{
		ID: model.Hash64(fmt.Sprint(name, host)), MetricID: model.MetricID(name), Name: name, Labels: labels,
		ShardHash: model.ResourceHash(labels),
	}
}

func sourceOf(host int) string {
	if host >= scrapedHosts && host < firstOwnAgain {
		return "remote_write"
	}
	return fmt.Sprintf("agent:host-%d", host)
}

func makeDay(seed uint64) *day {
	rng := rand.New(rand.NewPCG(seed, 7))
	d := &day{series: map[uint64]model.Series{}}
	for h := range hosts {
		d.host(h, rng)
	}
	slices.SortStableFunc(d.messages, func(a, b message) int { return cmp.Compare(a.arriveMS, b.arriveMS) })
	d.announce()
	var all []message
	tick := dayStart + tickMS
	for _, m := range d.messages {
		for ; tick <= m.arriveMS; tick += tickMS {
			all = append(all, message{arriveMS: tick})
		}
		all = append(all, m)
	}
	for range 24 { // Two more minutes, which silence the sources.
		all = append(all, message{arriveMS: tick})
		tick += tickMS
	}
	d.messages = all
	slices.SortFunc(d.rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.timeMS, b.timeMS)) })
	d.rows = slices.Compact(d.rows)
	return d
}

// announce does what the gateway does: labels go with the first batch to arrive, and again after an hour.
func (d *day) announce() {
	last := map[uint64]int64{}
	for _, m := range d.messages {
		for _, id := range m.batch.SeriesIDs {
			if had, ok := last[id]; !ok || m.arriveMS-had >= 3_600_000 {
				m.batch.Announced = append(m.batch.Announced, d.series[id])
				last[id] = m.arriveMS
			}
		}
	}
}

// host sends the day of one host.
func (d *day) host(h int, rng *rand.Rand) {
	var all [perHost]model.Series
	var level [perHost]float64
	var fault [perHost][6]int64 // Starts.
	for i := range all {
		all[i] = seriesOf(h, i)
		d.series[all[i].ID] = all[i]
		for f := range fault[i] {
			fault[i][f] = dayStart + rng.Int64N(dayMS)
		}
	}
	phase, skew := rng.Int64N(stepMS), int64(0)
	switch h {
	case aheadHost:
		skew = 300_000
	case behindHost:
		skew = -120_000
	}
	for at := dayStart + phase; at < dayStart+dayMS; at += stepMS {
		hour := (at - dayStart) / 3_600_000
		if h == silentHost && hour >= 14 && at-dayStart < 63_000_000 || rng.IntN(200) == 0 {
			continue // Silent from 14:00 to 17:30; and gaps.
		}
		m := &model.Metrics{Header: model.Header{Origin: model.Origin{Tenant: 1, Source: sourceOf(h)}}}
		timeMS := at + skew + rng.Int64N(200)
		for i := range all {
			if rng.IntN(500) == 0 {
				continue
			}
			level[i] += rng.NormFloat64() * 0.01
			v := math.Round((10+level[i]+rng.NormFloat64())*1000) / 1000
			for _, start := range fault[i] {
				if at >= start && at < start+600_000 {
					v += 25
				}
			}
			m.SeriesIDs, m.MetricIDs = append(m.SeriesIDs, all[i].ID), append(m.MetricIDs, all[i].MetricID)
			m.TimesMS, m.Values = append(m.TimesMS, timeMS), append(m.Values, v)
			d.rows = append(d.rows, row{all[i].ID, timeMS, v})
		}
		d.send(h, at, m, rng)
	}
}

// send lets a batch arrive: mostly at once, some a little later, some too late, some twice; one host spools for twelve minutes.
func (d *day) send(h int, at int64, m *model.Metrics, rng *rand.Rand) {
	arrive := at + 50 + rng.Int64N(3000)
	switch n := rng.IntN(1000); {
	case n < 30:
		arrive += 5_000 + rng.Int64N(15_000)
	case n < 40:
		arrive += 60_000 + rng.Int64N(240_000)
	case n < 50:
		d.messages = append(d.messages, message{arrive + rng.Int64N(60_000), m})
	}
	if from := dayStart + 9*3_600_000; h == spooledHost && at >= from && at < from+720_000 {
		arrive = from + 720_000 + rng.Int64N(5_000)
	}
	d.messages = append(d.messages, message{arrive, m})
}
