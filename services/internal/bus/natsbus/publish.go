package natsbus

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/faultline-io/faultline/services/internal/bus"
	"github.com/faultline-io/faultline/services/internal/errs"
	"github.com/faultline-io/faultline/services/model"
)

// Headers of a telemetry message (docs/formats/batch.md). Short, since they are stored with every message.
const (
	hdrSource   = "F-Source"
	hdrProtocol = "F-Protocol"
	hdrItems    = "F-Items"
	hdrReceived = "F-Received"
	hdrAgent    = "F-Agent"
	hdrBatch    = "F-Batch"
	hdrSent     = "F-Sent"
	hdrDropped  = "F-Dropped"
	hdrReason   = "F-Reason"
	hdrFrom     = "F-From"
)

func subject(t model.TenantID, s model.Signal, shard int) string {
	return "telemetry." + strconv.FormatUint(uint64(t), 10) + "." + string(s) + "." + strconv.Itoa(shard)
}

// Publish implements bus.Publisher. It returns when the stream has the message: written to the file, and synced to the disk when
// the server runs with "sync always".
func (b *Bus) Publish(ctx context.Context, m *bus.Message) (bool, error) {
	if m.Tenant == 0 {
		return false, errs.New(errs.Invalid, "message without a tenant")
	}
	msg := nats.NewMsg(subject(m.Tenant, m.Signal, m.Shard))
	msg.Data = m.Data
	setHeader(msg, m)
	if m.AgentID == "" {
		_, err := b.js.PublishMsg(ctx, msg)
		if err != nil {
			return false, busError("publish "+string(m.Signal), err)
		}
		return false, nil
	}
	key := agentKey(m)
	pos := b.agents.lock(key)
	defer pos.Unlock()
	if seen, err := b.agents.seen(ctx, key, pos, m.BatchSeq); err != nil || seen {
		return seen, err
	}
	msg.Header.Set(nats.MsgIdHdr, fmt.Sprintf("%s.%d.%d", key, m.BatchSeq, m.BatchPart))
	ack, err := b.js.PublishMsg(ctx, msg)
	if err != nil {
		return false, busError("publish "+string(m.Signal), err)
	}
	if m.BatchPart+1 >= m.BatchParts {
		if err := b.agents.advance(ctx, key, pos, m.BatchSeq); err != nil {
			return false, err
		}
	}
	return ack.Duplicate, nil
}

func setHeader(msg *nats.Msg, m *bus.Message) {
	h := msg.Header
	h[hdrSource] = []string{m.Source}
	h[hdrProtocol] = []string{m.Protocol}
	h[hdrItems] = []string{strconv.Itoa(m.Items)}
	h[hdrReceived] = []string{strconv.FormatInt(m.ReceivedAtMS, 10)}
	if m.AgentID != "" {
		h[hdrAgent] = []string{m.AgentID}
		h[hdrBatch] = []string{strconv.FormatUint(m.BatchSeq, 10)}
		h[hdrSent] = []string{strconv.FormatUint(m.AgentSent, 10)}
		h[hdrDropped] = []string{strconv.FormatUint(m.AgentDropped, 10)}
	}
}

// readMessage is the inverse of setHeader. Headers that cannot be read count as absent: the data decides, not they.
func readMessage(subject string, h nats.Header, data []byte) bus.Message {
	m := bus.Message{Data: data}
	if p := splitSubject(subject); len(p) == 4 {
		t, _ := strconv.ParseUint(p[1], 10, 32)
		m.Tenant, m.Signal = model.TenantID(t), model.Signal(p[2])
		m.Shard, _ = strconv.Atoi(p[3])
	}
	m.Source, m.Protocol, m.AgentID = get(h, hdrSource), get(h, hdrProtocol), get(h, hdrAgent)
	m.Items, _ = strconv.Atoi(get(h, hdrItems))
	m.ReceivedAtMS, _ = strconv.ParseInt(get(h, hdrReceived), 10, 64)
	m.BatchSeq, _ = strconv.ParseUint(get(h, hdrBatch), 10, 64)
	m.AgentSent, _ = strconv.ParseUint(get(h, hdrSent), 10, 64)
	m.AgentDropped, _ = strconv.ParseUint(get(h, hdrDropped), 10, 64)
	return m
}

func get(h nats.Header, key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func splitSubject(s string) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '.' {
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// agentPositions remembers the last batch of each agent and signal, in memory and in a bucket, so that a batch that was spooled
// for longer than the stream's own window is still known.
type agentPositions struct {
	kv bus.KV
	// mu guards last; each position has its own lock, held while one batch is published.
	mu   sync.Mutex
	last map[string]*agentPosition
}

type agentPosition struct {
	sync.Mutex
	loaded bool
	seq    uint64
}

// maxAgents bounds the positions kept in memory; past it they are forgotten and read from the bucket again.
const maxAgents = 50_000

func newAgentPositions(kv bus.KV) *agentPositions {
	return &agentPositions{kv: kv, last: map[string]*agentPosition{}}
}

func agentKey(m *bus.Message) string {
	return fmt.Sprintf("%d.%s.%016x", m.Tenant, m.Signal, model.Hash64(m.AgentID))
}

// lock returns the position of key, locked: batches of one agent and signal are published one after the other.
func (a *agentPositions) lock(key string) *agentPosition {
	a.mu.Lock()
	p, ok := a.last[key]
	if !ok {
		if len(a.last) >= maxAgents {
			clear(a.last)
		}
		p = &agentPosition{}
		a.last[key] = p
	}
	a.mu.Unlock()
	p.Lock()
	return p
}

func (a *agentPositions) seen(ctx context.Context, key string, p *agentPosition, seq uint64) (bool, error) {
	if !p.loaded {
		v, err := a.kv.Get(ctx, key)
		switch {
		case err == nil:
			p.seq, _ = strconv.ParseUint(string(v), 10, 64)
		case errs.KindOf(err) != errs.NotFound:
			return false, err
		}
		p.loaded = true
	}
	return seq <= p.seq && p.seq > 0, nil
}

func (a *agentPositions) advance(ctx context.Context, key string, p *agentPosition, seq uint64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := a.kv.Put(ctx, key, []byte(strconv.FormatUint(seq, 10))); err != nil {
		return err
	}
	p.seq = seq
	return nil
}
