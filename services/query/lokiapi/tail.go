package lokiapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/gin-gonic/gin"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/internal/logql"
	"github.com/faultline-io/faultline/services/model"
	"github.com/faultline-io/faultline/services/query/reqctx"
)

const (
	// tailBuffer bounds the lines that wait for a reader, tailBytes their size; a reader that falls behind further is closed.
	tailBuffer = 10_000
	tailBytes  = 16 << 20
	// tailWrite is how long a reader may take for one message.
	tailWrite = 10 * time.Second
	// tailEvery is how often what came is sent; Loki's clients expect about as much delay.
	tailEvery = 250 * time.Millisecond
	// tailPing keeps proxies from closing a quiet tail.
	tailPing = 30 * time.Second
)

// tail follows a log query over a websocket: first the newest lines since start, then what is accepted, through the same pipeline.
func (a *API) tail(c *gin.Context) {
	r := c.Request
	e, err := logql.ParseLog(r.URL.Query().Get("query"))
	if err != nil {
		a.fail(c, status(err), err)
		return
	}
	limit, err := limitOf(r, "limit", defaultEntries, maxEntries)
	if err != nil {
		a.fail(c, status(err), err)
		return
	}
	select {
	case a.tails <- struct{}{}:
		defer func() { <-a.tails }()
	default:
		a.fail(c, http.StatusTooManyRequests, errs.WithHint(errs.Exhausted, "close another live tail first", "%d live tails are open already (max_tails)", maxTails))
		return
	}
	conn, err := websocket.Accept(c.Writer, r, nil)
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithCancel(conn.CloseRead(r.Context()))
	defer cancel()
	t := &tailer{api: a, src: a.source(reqctx.Tenant(ctx)), expr: e, p: logql.NewPipeline(e), levels: levels(e.Matchers), resources: map[uint64]*resource{}}
	// A tail that ends for a reason stops listening, and the message under way is still sent, so that the reason can follow it.
	listen, stop := context.WithCancel(ctx)
	defer stop()
	t.stop = stop
	var live sync.WaitGroup
	live.Go(func() {
		if err := a.deps.Live.Subscribe(listen, model.SignalLogs, t.take); err != nil && listen.Err() == nil {
			t.end(err)
		}
	})
	var history []line
	if r.FormValue("start") != "" {
		if sp, err := a.spanOf(r); err == nil {
			history, err = t.src.lines(ctx, logQuery{expr: e, span: sp, limit: limit})
			if err != nil {
				t.end(err)
			}
		}
	}
	err = t.pump(ctx, listen, conn, history)
	cancel()
	live.Wait()
	t.close(conn, err)
}

// tailer runs a query over what comes. mu guards what waits.
type tailer struct {
	api       *API
	src       *source
	expr      *logql.LogExpr
	p         *logql.Pipeline
	levels    uint8
	resources map[uint64]*resource
	batch     model.Logs
	entry     logql.Entry

	stop context.CancelFunc

	mu      sync.Mutex
	waiting []line
	bytes   int
	reason  error
}

var errSlow = errors.New("the reader is too slow: more than " + strconv.Itoa(tailBuffer) + " lines or 16 MiB wait (max_tail_buffer)")

// end stops the tail for a reason; the first counts.
func (t *tailer) end(err error) {
	t.mu.Lock()
	if t.reason == nil {
		t.reason = err
	}
	t.waiting = nil
	t.mu.Unlock()
	t.stop()
}

// take runs the query over one batch; the bus calls it with one at a time and is never held up.
func (t *tailer) take(m *bus.Message) {
	if m.Tenant != t.src.tenant {
		return
	}
	l := &t.batch // used again: lines copy what they keep
	if err := bus.DecodeLogs(m.Data, l); err != nil {
		return // the writer reports batches that cannot be read
	}
	for i := range l.TimesNS {
		t.record(l, i)
	}
}

func (t *tailer) record(l *model.Logs, i int) {
	level := min((l.Severity[i]+3)/4, uint8(len(levelNames)-1))
	if t.levels&(1<<level) == 0 {
		return
	}
	r := t.resource(&l.Resources[l.ResourceIdx[i]])
	if !r.takes(t.expr.Matchers) {
		return
	}
	var attributes map[string]string
	if l.Attributes != nil {
		attributes = make(map[string]string, len(l.Attributes[i]))
		for _, a := range l.Attributes[i] {
			attributes[a.Name] = a.Value
		}
	}
	var trace, span string
	if l.TraceIDs != nil {
		trace = l.TraceIDs[i]
	}
	if l.SpanIDs != nil {
		span = l.SpanIDs[i]
	}
	e := &t.entry
	e.TimeNS, e.Line, e.Stream = l.TimesNS[i], l.Bodies[i], r.stream(level)
	e.Meta = withoutStream(metadata(e.Meta[:0], level, trace, span, attributes), e.Stream)
	out, ok := t.p.Run(e)
	if !ok {
		return
	}
	x := newLine(out)
	t.mu.Lock()
	full := t.reason == nil && (len(t.waiting) >= tailBuffer || t.bytes+x.size() > tailBytes)
	if t.reason == nil && !full {
		t.waiting = append(t.waiting, x)
		t.bytes += x.size()
	}
	t.mu.Unlock()
	if full {
		t.end(errSlow)
	}
}

// maxTailResources bounds the resources that a tail remembers.
const maxTailResources = 10_000

func (t *tailer) resource(m *model.Resource) *resource {
	if r := t.resources[m.ID]; r != nil {
		return r
	}
	if len(t.resources) >= maxTailResources {
		clear(t.resources)
	}
	r := newResource(strings.Clone(m.Service), strings.Clone(m.Host), func(take func(name, value string)) {
		for _, a := range m.Attributes {
			take(strings.Clone(a.Name), strings.Clone(a.Value))
		}
	})
	t.resources[m.ID] = r
	return r
}

type tailMessage struct {
	Streams []streamResult `json:"streams"`
	Dropped []any          `json:"dropped_entries,omitempty"`
}

// pump sends what waits until ctx or listen ends.
func (t *tailer) pump(ctx, listen context.Context, conn *websocket.Conn, history []line) error {
	for i, j := 0, len(history)-1; i < j; i, j = i+1, j-1 {
		history[i], history[j] = history[j], history[i] // oldest first
	}
	if err := send(ctx, conn, history); err != nil {
		return err
	}
	every, ping := time.NewTicker(tailEvery), time.NewTicker(tailPing)
	defer every.Stop()
	defer ping.Stop()
	for {
		select {
		case <-listen.Done():
			return nil
		case <-ping.C:
			pctx, done := context.WithTimeout(ctx, tailWrite)
			err := conn.Ping(pctx)
			done()
			if err != nil {
				return err
			}
		case <-every.C:
			t.mu.Lock()
			lines := t.waiting
			t.waiting, t.bytes = nil, 0
			t.mu.Unlock()
			if err := send(ctx, conn, lines); err != nil {
				return err
			}
		}
	}
}

func send(ctx context.Context, conn *websocket.Conn, lines []line) error {
	if len(lines) == 0 {
		return nil
	}
	data, err := json.Marshal(tailMessage{Streams: streamsOf(lines, false)})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, tailWrite)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, data)
}

// close says why the tail ends.
func (t *tailer) close(conn *websocket.Conn, err error) {
	t.mu.Lock()
	reason := t.reason
	t.mu.Unlock()
	switch {
	case reason != nil:
		_ = conn.Close(websocket.StatusTryAgainLater, shortReason(reason.Error()))
	case err != nil:
		_ = conn.Close(websocket.StatusTryAgainLater, "the reader took nothing for "+tailWrite.String())
	default:
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}
}

// shortReason keeps to the 123 bytes that a close frame has room for.
func shortReason(s string) string {
	if len(s) > 120 {
		return s[:120]
	}
	return s
}
