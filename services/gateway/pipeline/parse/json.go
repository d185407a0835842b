package parse

import (
	"strings"

	"github.com/valyala/fastjson"

	"github.com/faultline-io/faultline/services/model"
)

// JSON reads an object. Objects within it are flattened with dots; lists, and objects that are deeper than maxDepth, stay JSON.
type JSON struct {
	pool fastjson.ParserPool
}

const (
	// maxDepth is how deep objects are flattened: beyond it a name is longer than anybody types.
	maxDepth = 5
	// maxJSON bounds the text that is parsed; the parser needs several times that of memory.
	maxJSON = 256 << 10
)

// Append implements Parser.
func (j *JSON) Append(dst []model.Label, text string) ([]model.Label, bool) {
	text = strings.TrimSpace(text)
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' || len(text) > maxJSON {
		return dst, false
	}
	p := j.pool.Get()
	defer j.pool.Put(p)
	v, err := p.Parse(text)
	if err != nil {
		return dst, false
	}
	obj, err := v.Object()
	if err != nil {
		return dst, false
	}
	f := flattener{dst: dst, start: len(dst)}
	f.object("", obj, 1)
	return f.dst, true
}

type flattener struct {
	dst   []model.Label
	start int
	buf   []byte
}

func (f *flattener) object(prefix string, obj *fastjson.Object, depth int) {
	obj.Visit(func(k []byte, v *fastjson.Value) {
		if len(f.dst)-f.start >= maxFields || len(prefix)+len(k) > maxName {
			return
		}
		name := valid(prefix + string(k))
		switch v.Type() {
		case fastjson.TypeNull:
		case fastjson.TypeObject:
			if inner, err := v.Object(); err == nil && depth < maxDepth {
				f.object(name+".", inner, depth+1)
				return
			}
			f.add(name, v)
		case fastjson.TypeString:
			if b, err := v.StringBytes(); err == nil && len(b) > 0 {
				f.dst = append(f.dst, model.Label{Name: name, Value: valid(string(b))})
			}
		default:
			f.add(name, v)
		}
	})
}

// add adds a value as JSON writes it.
func (f *flattener) add(name string, v *fastjson.Value) {
	f.buf = v.MarshalTo(f.buf[:0])
	f.dst = append(f.dst, model.Label{Name: name, Value: valid(string(f.buf))})
}
