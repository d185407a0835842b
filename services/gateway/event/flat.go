package event

import (
	"github.com/valyala/fastjson"

	"github.com/faultline-io/faultline/services/model"

	"github.com/faultline-io/faultline/services/gateway/limits"
)

const (
	// maxDepth is how deep objects are flattened; what is deeper stays JSON.
	maxDepth = 12
	// maxFields bounds what one event is flattened into, before the limit on attributes: the rest is counted as dropped.
	maxFields = 1024
)

// flattener walks JSON objects. Its visit function is made once, so that walking allocates nothing.
type flattener struct {
	w      *Writer
	prefix []byte
	value  []byte
	depth  int
	fields int
	visit  func(k []byte, v *fastjson.Value)
}

func (f *flattener) init(w *Writer) {
	f.w = w
	f.visit = f.one
}

// Object adds the fields of a JSON object, nested ones with the path in dots, under prefix where it is not empty.
func (w *Writer) Object(o *fastjson.Object, prefix string) {
	f := &w.flat
	f.prefix, f.depth, f.fields = append(f.prefix[:0], prefix...), 0, 0
	o.Visit(f.visit)
	if f.fields > maxFields {
		w.req.Note(model.SignalLogs, limits.AttributesDropped, 1)
	}
}

func (f *flattener) one(k []byte, v *fastjson.Value) {
	at := len(f.prefix)
	defer func() { f.prefix = f.prefix[:at] }()
	if at > 0 {
		f.prefix = append(f.prefix, '.')
	}
	f.prefix = append(f.prefix, k...)
	if v.Type() == fastjson.TypeObject && f.depth < maxDepth {
		f.depth++
		if o, err := v.Object(); err == nil {
			o.Visit(f.visit)
		}
		f.depth--
		return
	}
	if f.fields++; f.fields > maxFields {
		return
	}
	var number bool
	f.value, number = AppendText(f.value[:0], v)
	f.w.Set(f.prefix, f.value, number)
}

// AppendText appends a JSON value as text: a string as it is, null as nothing, all else as JSON. It reports whether it is a number.
func AppendText(dst []byte, v *fastjson.Value) (text []byte, number bool) {
	switch v.Type() {
	case fastjson.TypeNull:
		return dst, false
	case fastjson.TypeString:
		if b, err := v.StringBytes(); err == nil {
			return append(dst, b...), false
		}
	case fastjson.TypeNumber:
		return v.MarshalTo(dst), true
	}
	return v.MarshalTo(dst), false
}
