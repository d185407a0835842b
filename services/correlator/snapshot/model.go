package snapshot

import "github.com/faultline-io/faultline/services/model"

// Entity writes an entity.
func (w *Writer) Entity(e model.Entity) {
	w.String(string(e.Kind))
	w.String(e.Name)
}

// Labels writes labels in their order.
func (w *Writer) Labels(l []model.Label) {
	w.Uint(uint64(len(l)))
	for i := range l {
		w.String(l[i].Name)
		w.String(l[i].Value)
	}
}

// Finding writes a finding with all its fields.
func (w *Writer) Finding(f *model.Finding) {
	w.Fixed(f.ID)
	w.Entity(f.Entity)
	w.Fixed(f.Signal.SeriesID)
	w.String(f.Signal.Name)
	w.Labels(f.Signal.Labels)
	w.String(string(f.Signal.Role))
	w.String(f.Signal.Unit)
	w.String(string(f.Kind))
	w.Int(int64(f.Direction))
	w.Int(f.OnsetMS)
	w.Int(f.SeenMS)
	w.Int(f.EndMS)
	for _, v := range []float64{f.Value, f.Expected, f.Low, f.High, f.Score, f.PValue, f.Confidence} {
		w.Float(v)
	}
	w.Int(f.HistoryMS)
	w.String(f.Detector)
	w.String(f.Text)
}

// Entity reads an entity.
func (r *Reader) Entity() model.Entity {
	return model.Entity{Kind: model.EntityKind(r.String()), Name: r.String()}
}

// Labels reads labels, nil for none.
func (r *Reader) Labels() []model.Label {
	n := r.Count(2)
	if n == 0 {
		return nil
	}
	l := make([]model.Label, n)
	for i := range l {
		l[i] = model.Label{Name: r.String(), Value: r.String()}
	}
	return l
}

// Finding reads a finding.
func (r *Reader) Finding() *model.Finding {
	f := &model.Finding{ID: r.Fixed(), Entity: r.Entity()}
	f.Signal = model.SignalRef{SeriesID: r.Fixed(), Name: r.String(), Labels: r.Labels(), Role: model.Role(r.String()), Unit: r.String()}
	f.Kind = model.FindingKind(r.String())
	f.Direction = int8(max(-1, min(1, r.Int())))
	f.OnsetMS, f.SeenMS, f.EndMS = r.Int(), r.Int(), r.Int()
	for _, v := range []*float64{&f.Value, &f.Expected, &f.Low, &f.High, &f.Score, &f.PValue, &f.Confidence} {
		*v = r.Float()
	}
	f.HistoryMS = r.Int()
	f.Detector, f.Text = r.String(), r.String()
	return f
}
