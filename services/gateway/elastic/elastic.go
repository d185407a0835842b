// Package elastic takes logs as Elasticsearch's bulk API does, from Filebeat, Logstash, Fluent Bit, Vector and all that write to
// Elasticsearch, and answers what these ask before they send. It stores no indexes and searches nothing: an index name becomes an attribute.
// A bulk request is read line by line, whatever its size; each item costs the answer that it gets.
package elastic

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/faultline-io/faultline/services/gateway/event"
	"github.com/faultline-io/faultline/services/gateway/frames"
	"github.com/faultline-io/faultline/services/gateway/intake"
	"github.com/faultline-io/faultline/services/gateway/limits"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// maxLineBytes is the longest document; Filebeat's own default limit for an event is 10 MiB.
const maxLineBytes = 10 << 20

// Receiver handles bulk requests. It is safe for several goroutines.
type Receiver struct {
	core *intake.Core
}

// New returns a receiver.
func New(core *intake.Core) *Receiver { return &Receiver{core: core} }

// bulk is one request on its way.
type bulk struct {
	core  *intake.Core
	req   *intake.Request
	w     *event.Writer
	in    *frames.Reader
	grow  func(int64) error
	res   *Result
	index string // of the path

	actions fastjson.Parser
	docs    fastjson.Parser
	// last is the last action line and what it says: shippers send the same for every document.
	last   []byte
	action item
	// services are those that index names stand for.
	services map[string]string
	// failed is why the bus does not take more; the rest of the request is answered with it.
	failed error
	// waiting is the first item that is not published yet.
	waiting int
}

// Bulk publishes the documents of a bulk request, read from body; index is that of the path, which an action may override.
// grow is asked for the memory of long lines and of the answer. The result has one item for each action, in order, also when the bus
// took only some: the others say that they may be sent again. Errors: errs.Invalid, and those of the sink when it took nothing at all.
func (r *Receiver) Bulk(ctx context.Context, req *intake.Request, index string, body io.Reader, grow func(int64) error) (*Result, error) {
	w := event.New(r.core, req, event.Options{})
	defer w.Close()
	base := int64(streamBase)
	b := &bulk{
		core: r.core, req: req, w: w, grow: grow, res: &Result{start: time.Now()}, index: index, services: map[string]string{},
		in: frames.New(body, '\n', maxLineBytes, func(n int64) error { return grow(base + 3*n) }), // the line, its copy in the parser, its values
	}
	if err := b.run(ctx); err != nil {
		return nil, err
	}
	if b.failed == nil {
		b.settle(w.Flush(ctx))
	}
	if b.failed != nil && b.res.stored == 0 {
		return nil, b.failed
	}
	return b.res, nil
}

// streamBase is what a request holds before its lines are long.
const streamBase = 2 << 20

func (b *bulk) run(ctx context.Context) error {
	for {
		line, err := b.in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := b.one(ctx, line); err != nil {
			return err
		}
		if len(b.res.items) == 0 {
			return errs.New(errs.Internal, "bulk: a line without an item")
		}
		if len(b.res.items)%4096 == 0 {
			if err := b.grow(streamBase + int64(len(b.res.items))*itemBytes); err != nil {
				return err
			}
		}
	}
}

// one handles an action line and the document after it.
func (b *bulk) one(ctx context.Context, line []byte) error {
	if why := b.readAction(line); why != "" {
		b.refuse(item{verb: verbIndex}, errMalformed, why)
		return nil
	}
	it := b.action
	if it.verb == verbDelete {
		b.refuse(it, errOnlyCreate, "documents can be created, not deleted")
		return nil
	}
	doc, err := b.in.Next()
	if errors.Is(err, io.EOF) {
		b.refuse(it, errMalformed, "the document is missing")
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case it.verb == verbUpdate:
		b.refuse(it, errOnlyCreate, "documents can be created, not updated")
	case b.in.Cut():
		b.refuse(it, errTooLarge, "the document is longer than 10 MiB")
	case b.failed != nil:
		b.res.add(it, codeBusy)
	default:
		b.document(ctx, it, doc)
	}
	return nil
}

func (b *bulk) refuse(it item, code uint8, why string) {
	b.res.fail(it, code, why)
	b.req.Reject(model.SignalLogs, limits.InvalidData, 1)
}

// readAction sets b.action to what the line says; otherwise it returns why not.
func (b *bulk) readAction(line []byte) string {
	if len(b.last) > 0 && bytes.Equal(line, b.last) {
		return ""
	}
	b.last = b.last[:0]
	if len(line) > 64<<10 {
		return "the action line is longer than 64 KiB"
	}
	v, err := b.actions.ParseBytes(line)
	if err != nil {
		return "the action line is not JSON"
	}
	o, err := v.Object()
	if err != nil || o.Len() != 1 {
		return "the action line is not an object with one action"
	}
	var it item
	known := false
	o.Visit(func(k []byte, v *fastjson.Value) {
		it.verb, known = verbOf(string(k))
		it.index = intake.Valid(intake.Cut(string(v.GetStringBytes("_index")), 255))
		it.id = intake.Valid(intake.Cut(string(v.GetStringBytes("_id")), 512))
	})
	if !known {
		return "the action is none of create, index, update and delete"
	}
	if it.index == "" {
		it.index = b.index
	}
	b.action = it
	if it.id == "" {
		b.last = append(b.last, line...)
	}
	return ""
}

// document adds one document.
func (b *bulk) document(ctx context.Context, it item, doc []byte) {
	v, err := b.docs.ParseBytes(doc)
	if err != nil {
		b.refuse(it, errParse, "failed to parse: "+intake.Cut(err.Error(), 200))
		return
	}
	o, err := v.Object()
	if err != nil {
		b.refuse(it, errParse, "failed to parse: the document is not an object")
		return
	}
	w := b.w
	w.Begin()
	w.Object(o, "")
	if v.Exists("@timestamp") && w.BadTime() {
		w.Begin()
		b.refuse(it, errParse, "failed to parse field [@timestamp]: neither ISO 8601 nor a number since 1970")
		return
	}
	if it.index != "" {
		w.SetAttribute("elastic.index", []byte(it.index))
		w.DefaultResource(model.AttrServiceName, []byte(b.service(it.index)))
	}
	ok, err := w.End(ctx, doc)
	if !ok {
		b.res.fail(it, errParse, "the time of the document is out of bounds: "+b.req.Reasons())
	} else {
		b.res.add(it, codeWaiting)
	}
	if err != nil {
		b.settle(err)
	} else if w.Pending() == 0 {
		b.settle(nil)
	}
}

// settle says what became of the items that waited to be published.
func (b *bulk) settle(err error) {
	code := uint8(codeStored)
	if err != nil {
		code, b.failed = codeBusy, err
	}
	for ; b.waiting < len(b.res.items); b.waiting++ {
		it := &b.res.items[b.waiting]
		if it.code != codeWaiting {
			continue
		}
		if it.code = code; code == codeStored {
			b.res.stored++
		}
	}
}

// service is what an index is named after: the dataset of a data stream, the name of an index without its date or number.
func (b *bulk) service(index string) string {
	if s, ok := b.services[index]; ok {
		return s
	}
	if len(b.services) >= 1024 {
		clear(b.services)
	}
	s := serviceOf(index)
	b.services[index] = s
	return s
}

func serviceOf(index string) string {
	index = strings.TrimPrefix(index, ".ds-")
	if parts := strings.SplitN(index, "-", 3); len(parts) == 3 && parts[0] == "logs" && parts[1] != "" {
		return parts[1]
	}
	s := strings.TrimRight(index, "0123456789.-_")
	if s == "" {
		return index
	}
	return s
}
