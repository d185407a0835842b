package promwrite

import (
	"context"
	"fmt"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/gateway/wire"
	"github.com/faultline-io/faultline/services/model"
)

// WriteV2 is WriteV1 for an io.prometheus.write.v2.Request. Start timestamps are not kept: the store has no column for them.
func (r *Receiver) WriteV2(ctx context.Context, req *intake.Request, body []byte) (Written, error) {
	b := r.core.Metrics(req)
	defer b.Close()
	w := writerV2{writer: writer{b: b, req: req}}
	if err := w.readSymbols(body); err != nil {
		return w.written, wrap(err)
	}
	m := wire.Read(body)
	for m.Next() {
		if !m.Is(5, wire.Bytes) {
			continue
		}
		if err := w.series(m.Data); err != nil {
			return w.written, wrap(err)
		}
		if err := b.Split(ctx); err != nil {
			return w.written, err
		}
	}
	return w.written, b.Flush(ctx)
}

type writerV2 struct {
	writer
	symbols []string
	refs    []uint32
}

// readSymbols collects the strings of the request; they alias body.
func (w *writerV2) readSymbols(body []byte) error {
	m := wire.Read(body)
	sawV1 := false
	for m.Next() {
		switch {
		case m.Is(4, wire.Bytes):
			w.symbols = append(w.symbols, m.String())
		case m.Field <= 3:
			sawV1 = true
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if sawV1 && len(w.symbols) == 0 {
		return fmt.Errorf("%w: this is a version 1 message under the content type of version 2", wire.ErrMalformed)
	}
	return nil
}

func (w *writerV2) symbol(ref uint64) (string, error) {
	if ref >= uint64(len(w.symbols)) {
		return "", fmt.Errorf("%w: symbol %d of %d", wire.ErrMalformed, ref, len(w.symbols))
	}
	return w.symbols[ref], nil
}

// pairs resolves the label references of field m.
func (w *writerV2) pairs(m *wire.Reader, add func(name, value string)) error {
	w.refs = w.refs[:0]
	if err := m.Uvarints(func(v uint64) { w.refs = append(w.refs, uint32(min(v, 1<<32-1))) }); err != nil {
		return err
	}
	if len(w.refs)%2 != 0 {
		return fmt.Errorf("%w: odd number of label references", wire.ErrMalformed)
	}
	for i := 0; i < len(w.refs); i += 2 {
		name, err := w.symbol(uint64(w.refs[i]))
		if err != nil {
			return err
		}
		value, err := w.symbol(uint64(w.refs[i+1]))
		if err != nil {
			return err
		}
		add(name, value)
	}
	return nil
}

func (w *writerV2) series(data []byte) error {
	w.b.Labels.Reset()
	items := 0
	var meta []byte
	m := wire.Read(data)
	for m.Next() {
		switch m.Field {
		case 1:
			if err := w.pairs(&m, w.b.Labels.Add); err != nil {
				return err
			}
		case 2, 3, 4:
			items++
		case 5:
			meta = m.Data
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if items == 0 {
		w.req.Reject(model.SignalMetrics, limits.InvalidData, 1) // the specification asks for at least one
		return nil
	}
	if reason := w.b.Begin(); reason != "" {
		w.req.Reject(model.SignalMetrics, reason, items)
		return nil
	}
	if err := w.metadata(meta); err != nil {
		return err
	}
	return w.values(data)
}

func (w *writerV2) values(data []byte) error {
	m := wire.Read(data)
	for m.Next() {
		if m.Type != wire.Bytes {
			continue
		}
		switch m.Field {
		case 2:
			ms, v, err := sample(m.Data)
			if err != nil {
				return err
			}
			if w.b.Sample(ms, v) {
				w.written.Samples++
			}
		case 3:
			if err := w.hist.read(m.Data); err != nil {
				return err
			}
			w.histogram()
		case 4:
			if err := w.exemplar(m.Data); err != nil {
				return err
			}
		}
	}
	return m.Err()
}

func (w *writerV2) exemplar(data []byte) error {
	e := model.Exemplar{}
	m := wire.Read(data)
	for m.Next() {
		switch {
		case m.Field == 1:
			err := w.pairs(&m, func(name, value string) {
				if len(e.Labels) < maxExemplarLabels {
					e.Labels = append(e.Labels, model.Label{Name: text([]byte(name)), Value: text([]byte(value))})
				}
			})
			if err != nil {
				return err
			}
		case m.Is(2, wire.Fixed64):
			e.Value = m.Float()
		case m.Is(3, wire.Varint):
			e.TimeMS = m.Int()
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	if w.b.Exemplar(e) {
		w.written.Exemplars++
	}
	return nil
}

// metadata adds what the series says of its family. In version 2 it hangs on each series, so the family is the series' name
// without the suffix that its type gives it.
func (w *writerV2) metadata(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	var kind, help, unit uint64
	m := wire.Read(data)
	for m.Next() {
		if m.Type != wire.Varint {
			continue
		}
		switch m.Field {
		case 1:
			kind = m.Num
		case 3:
			help = m.Num
		case 4:
			unit = m.Num
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	helpText, err := w.symbol(help)
	if err != nil {
		return err
	}
	unitText, err := w.symbol(unit)
	if err != nil {
		return err
	}
	md := model.MetricMetadata{Type: metricType(kind)}
	if md.Type == metricTypes[0] && helpText == "" && unitText == "" {
		return nil
	}
	family := familyOf(w.b.Labels.Get(model.LabelName), md.Type)
	if w.b.HasFamily(family) {
		return nil
	}
	md.Family, md.Help, md.Unit = text([]byte(family)), text([]byte(helpText)), text([]byte(unitText))
	w.b.Metadata(md)
	return nil
}

// familyOf strips what histograms and summaries add to the name of their family.
func familyOf(name, kind string) string {
	var suffixes []string
	switch kind {
	case "histogram", "gaugehistogram":
		suffixes = []string{"_bucket", "_sum", "_count", "_gsum", "_gcount"}
	case "summary":
		suffixes = []string{"_sum", "_count"}
	}
	for _, s := range suffixes {
		if len(name) > len(s) && name[len(name)-len(s):] == s {
			return name[:len(name)-len(s)]
		}
	}
	return name
}
