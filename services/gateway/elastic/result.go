package elastic

import (
	"bufio"
	"encoding/json"
	"io"
	"strconv"
	"time"
)

// Verbs of a bulk request.
const (
	verbIndex uint8 = iota
	verbCreate
	verbUpdate
	verbDelete
)

var verbs = [...]string{"index", "create", "update", "delete"}

func verbOf(s string) (uint8, bool) {
	for i, v := range verbs {
		if v == s {
			return uint8(i), true
		}
	}
	return 0, false
}

// What became of an item.
const (
	codeWaiting uint8 = iota
	codeStored
	codeBusy
	errMalformed
	errOnlyCreate
	errTooLarge
	errParse
)

// outcomes are the status and the type of error that Elasticsearch has for each code.
var outcomes = [...]struct {
	status int
	kind   string
}{
	codeWaiting: {503, "unavailable_shards_exception"}, codeStored: {201, ""}, codeBusy: {429, "es_rejected_execution_exception"},
	errMalformed: {400, "illegal_argument_exception"}, errOnlyCreate: {400, "illegal_argument_exception"},
	errTooLarge: {413, "content_too_long_exception"}, errParse: {400, "document_parsing_exception"},
}

// item is one action and what became of it.
type item struct {
	index string
	id    string
	code  uint8
	verb  uint8
	why   uint32 // into Result.reasons, counted from one
}

// itemBytes is what an item costs, with its share of a growing slice and an id.
const itemBytes = 128

// maxReasons bounds the different reasons of one request; the items beyond have their kind of error alone.
const maxReasons = 1000

// Result is the answer to a bulk request.
type Result struct {
	start   time.Time
	items   []item
	reasons []string
	byText  map[string]uint32
	stored  int
}

func (r *Result) add(it item, code uint8) {
	it.code = code
	r.items = append(r.items, it)
}

func (r *Result) fail(it item, code uint8, why string) {
	n, ok := r.byText[why]
	if !ok && len(r.reasons) < maxReasons {
		if r.byText == nil {
			r.byText = map[string]uint32{}
		}
		r.reasons = append(r.reasons, why)
		n = uint32(len(r.reasons))
		r.byText[why] = n
	}
	it.why = n
	r.add(it, code)
}

// Failed returns how many items were not stored.
func (r *Result) Failed() int { return len(r.items) - r.stored }

// WriteTo writes the answer as Elasticsearch does: one item for each action, in order.
func (r *Result) WriteTo(out io.Writer) (int64, error) {
	w := bufio.NewWriterSize(out, 32<<10)
	var n int64
	buf := make([]byte, 0, 512)
	buf = append(buf, `{"took":`...)
	buf = strconv.AppendInt(buf, time.Since(r.start).Milliseconds(), 10)
	buf = append(buf, `,"errors":`...)
	buf = strconv.AppendBool(buf, r.Failed() > 0)
	buf = append(buf, `,"items":[`...)
	for i := range r.items {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = r.appendItem(buf, &r.items[i])
		k, err := w.Write(buf)
		n += int64(k)
		if err != nil {
			return n, err
		}
		buf = buf[:0]
	}
	k, err := w.Write(append(buf, "]}\n"...))
	n += int64(k)
	if err != nil {
		return n, err
	}
	return n, w.Flush()
}

func (r *Result) appendItem(dst []byte, it *item) []byte {
	dst = append(dst, `{"`...)
	dst = append(dst, verbs[it.verb]...)
	dst = append(dst, `":{"_index":`...)
	dst = appendQuoted(dst, it.index)
	if it.id != "" {
		dst = append(dst, `,"_id":`...)
		dst = appendQuoted(dst, it.id)
	}
	o := outcomes[it.code]
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(o.status), 10)
	if o.kind == "" {
		return append(dst, `,"result":"created","_version":1,"_shards":{"total":1,"successful":1,"failed":0},"_seq_no":0,"_primary_term":1}}`...)
	}
	dst = append(dst, `,"error":{"type":"`...)
	dst = append(dst, o.kind...)
	dst = append(dst, `","reason":`...)
	why := "not stored; send it again"
	if it.why > 0 {
		why = r.reasons[it.why-1]
	}
	return append(appendQuoted(dst, why), `}}}`...)
}

func appendQuoted(dst []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			plain = false
			break
		}
	}
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	b, err := json.Marshal(s)
	if err != nil {
		return append(dst, `""`...)
	}
	return append(dst, b...)
}
