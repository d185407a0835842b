package lokipush

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// PushJSON is Push for the JSON form:
//
//	{"streams":[{"stream":{"app":"x"},"values":[["1700000000000000000","line",{"meta":"data"}]]}]}
func (r *Receiver) PushJSON(ctx context.Context, req *intake.Request, body []byte) error {
	if err := shallow(body); err != nil {
		return err
	}
	var parser fastjson.Parser // not pooled: it would keep the largest request for ever
	root, err := parser.ParseBytes(body)
	if err != nil {
		return errs.New(errs.Invalid, "loki push: %w", err)
	}
	streams := root.Get("streams")
	if streams == nil || streams.Type() != fastjson.TypeArray {
		return errs.New(errs.Invalid, `loki push: there is no list "streams"`)
	}
	b := r.core.Logs(req)
	defer b.Close()
	p := pusher{b: b, core: r.core, req: req}
	for _, s := range streams.GetArray() {
		if err := p.jsonStream(ctx, s); err != nil {
			return malformed(err)
		}
	}
	return b.Flush(ctx)
}

// maxJSONDepth is more than the format needs; the parser recurses, so what nests deeper is refused first.
const maxJSONDepth = 16

func shallow(body []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxJSONDepth {
				return errs.New(errs.Invalid, "loki push: nested deeper than %d levels", maxJSONDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

func (p *pusher) jsonStream(ctx context.Context, s *fastjson.Value) error {
	obj := s.GetObject("stream")
	if obj == nil {
		return errors.New(`a stream has no object "stream"`)
	}
	p.setStream(jsonPairs(obj))
	values := s.Get("values")
	if values == nil || values.Type() != fastjson.TypeArray {
		return errors.New(`a stream has no list "values"`)
	}
	for _, v := range values.GetArray() {
		if err := p.jsonEntry(v); err != nil {
			return err
		}
		if err := p.b.Split(ctx); err != nil {
			return err
		}
	}
	return nil
}

func jsonPairs(obj *fastjson.Object) []model.Label {
	out := make([]model.Label, 0, obj.Len())
	obj.Visit(func(k []byte, v *fastjson.Value) {
		if text := jsonText(v); text != "" {
			out = append(out, model.Label{Name: string(k), Value: text})
		}
	})
	return out
}

// jsonText returns a string as it is and anything else as JSON.
func jsonText(v *fastjson.Value) string {
	if b, err := v.StringBytes(); err == nil {
		return string(b)
	}
	return string(v.MarshalTo(nil))
}

func (p *pusher) jsonEntry(v *fastjson.Value) error {
	fields, err := v.Array()
	if err != nil || len(fields) < 2 {
		return errors.New("a value is not a list of time and line")
	}
	p.rec = intake.Record{}
	p.attrs = p.attrs[:0]
	if p.rec.TimeNS, err = jsonTime(fields[0]); err != nil {
		return err
	}
	line, err := fields[1].StringBytes()
	if err != nil {
		return errors.New("a line is not a string")
	}
	p.rec.Body = string(line)
	if len(fields) > 2 {
		obj, err := fields[2].Object()
		if err != nil {
			return errors.New("structured metadata is not an object")
		}
		obj.Visit(func(k []byte, v *fastjson.Value) { p.metadata(string(k), jsonText(v)) })
	}
	p.add()
	return nil
}

// jsonTime reads nanoseconds in a string, as Loki wants them, or as a number, as some senders write them.
func jsonTime(v *fastjson.Value) (int64, error) {
	text := strings.Trim(string(v.MarshalTo(nil)), `"`)
	ns, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("time %q is not in nanoseconds", intake.Cut(text, 40))
	}
	return ns, nil
}
