package otlp

import (
	"math"

	"github.com/faultline-io/faultline/services/gateway/wire"
)

// maxBuckets bounds the buckets of one histogram point; SDKs send 160 at most by default.
const maxBuckets = 10_000

// attr adds an attribute of the point.
func (p *point) attr(m *wire.Reader) error {
	a, err := attribute(m.Data)
	p.attrs = append(p.attrs, a)
	return err
}

func (p *point) readNumber(data []byte) error {
	m := wire.Read(data)
	for m.Next() {
		var err error
		switch {
		case m.Is(3, wire.Fixed64):
			p.ms = int64(m.Num / 1e6)
		case m.Is(4, wire.Fixed64):
			p.value, p.hasValue = m.Float(), true
		case m.Is(5, wire.Bytes):
			p.exemplars = append(p.exemplars, m.Data)
		case m.Is(6, wire.Fixed64):
			p.value, p.hasValue = float64(m.Int()), true
		case m.Is(7, wire.Bytes):
			err = p.attr(&m)
		case m.Is(8, wire.Varint):
			p.stale = m.Num&flagNoRecordedValue != 0
		}
		if err != nil {
			return err
		}
	}
	return m.Err()
}

func (p *point) readHistogram(data []byte) error {
	m := wire.Read(data)
	for m.Next() {
		var err error
		switch {
		case m.Is(3, wire.Fixed64):
			p.ms = int64(m.Num / 1e6)
		case m.Is(4, wire.Fixed64):
			p.count = m.Num
		case m.Is(5, wire.Fixed64):
			p.sum, p.hasSum = m.Float(), true
		case m.Field == 6:
			err = m.Fixed64s(func(v uint64) { p.counts = append(p.counts, v) })
		case m.Field == 7:
			err = m.Fixed64s(func(v uint64) { p.bounds = append(p.bounds, math.Float64frombits(v)) })
		case m.Is(8, wire.Bytes):
			p.exemplars = append(p.exemplars, m.Data)
		case m.Is(9, wire.Bytes):
			err = p.attr(&m)
		case m.Is(10, wire.Varint):
			p.stale = m.Num&flagNoRecordedValue != 0
		}
		if err != nil {
			return err
		}
	}
	return m.Err()
}

func (p *point) readExponential(data []byte) error {
	m := wire.Read(data)
	for m.Next() {
		var err error
		switch {
		case m.Is(1, wire.Bytes):
			err = p.attr(&m)
		case m.Is(3, wire.Fixed64):
			p.ms = int64(m.Num / 1e6)
		case m.Is(4, wire.Fixed64):
			p.count = m.Num
		case m.Is(5, wire.Fixed64):
			p.sum, p.hasSum = m.Float(), true
		case m.Is(6, wire.Varint):
			p.scale = int32(m.Sint())
		case m.Is(7, wire.Fixed64):
			p.zero = m.Num
		case m.Is(8, wire.Bytes):
			err = p.pos.read(m.Data)
		case m.Is(9, wire.Bytes):
			err = p.neg.read(m.Data)
		case m.Is(10, wire.Varint):
			p.stale = m.Num&flagNoRecordedValue != 0
		case m.Is(11, wire.Bytes):
			p.exemplars = append(p.exemplars, m.Data)
		case m.Is(14, wire.Fixed64):
			p.zeroWidth = m.Float()
		}
		if err != nil {
			return err
		}
	}
	return m.Err()
}

func (d *dense) read(data []byte) error {
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Varint):
			d.offset = int32(m.Sint())
		case m.Field == 2:
			if err := m.Uvarints(func(v uint64) { d.counts = append(d.counts, v) }); err != nil {
				return err
			}
		}
	}
	return m.Err()
}

func (p *point) readSummary(data []byte) error {
	m := wire.Read(data)
	for m.Next() {
		var err error
		switch {
		case m.Is(3, wire.Fixed64):
			p.ms = int64(m.Num / 1e6)
		case m.Is(4, wire.Fixed64):
			p.count = m.Num
		case m.Is(5, wire.Fixed64):
			p.sum = m.Float()
		case m.Is(6, wire.Bytes):
			err = p.readQuantile(m.Data)
		case m.Is(7, wire.Bytes):
			err = p.attr(&m)
		case m.Is(8, wire.Varint):
			p.stale = m.Num&flagNoRecordedValue != 0
		}
		if err != nil {
			return err
		}
	}
	return m.Err()
}

func (p *point) readQuantile(data []byte) error {
	var q, v float64
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Is(1, wire.Fixed64):
			q = m.Float()
		case m.Is(2, wire.Fixed64):
			v = m.Float()
		}
	}
	p.bounds = append(p.bounds, q)
	p.quantile = append(p.quantile, v)
	return m.Err()
}
