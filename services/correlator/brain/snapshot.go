package brain

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/faultline-io/faultline/services/correlator/detect"
	"github.com/faultline-io/faultline/services/correlator/eventtime"
	"github.com/faultline-io/faultline/services/correlator/group"
	"github.com/faultline-io/faultline/services/correlator/logstage"
	"github.com/faultline-io/faultline/services/correlator/spanstage"
	"github.com/faultline-io/faultline/services/correlator/topology"
	"github.com/faultline-io/faultline/services/model"
)

// snapshotVersion changes when a snapshot cannot be read by older or newer code; the brain then begins anew.
const snapshotVersion = 1

// ErrSnapshot is the kind of every refusal of a snapshot.
var ErrSnapshot = errors.New("snapshot of the brain cannot be used")

// rest is what is small enough to be written as JSON.
type rest struct {
	Mark    eventtime.Mark
	Changes []model.Change
	Fresh   []model.Change
	Outside []model.Finding
	Ranked  map[string]ranking
	Names   names
}

// Snapshot returns the state between two marks as bytes.
func (b *Brain) Snapshot() ([]byte, error) {
	small, err := json.Marshal(rest{Mark: b.mark, Changes: b.changes, Fresh: b.freshChanges, Outside: b.outside, Ranked: b.ranked, Names: b.names})
	if err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	out := []byte{snapshotVersion}
	for _, part := range [][]byte{small, b.order.Snapshot(b.mark.Seq), b.detect.Snapshot(), b.spans.Snapshot(), b.logs.Snapshot(), b.topology.Snapshot(), b.group.Snapshot()} {
		out = binary.AppendUvarint(out, uint64(len(part)))
		out = append(out, part...)
	}
	return binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(out)), nil
}

// Restore returns the brain of a snapshot. A part that this build cannot read begins anew, and lost says which: what people did to incidents must
// not be forgotten because a detector keeps its numbers otherwise than before. Errors: ErrSnapshot when nothing of it can be used.
func Restore(data []byte, cfg Config) (b *Brain, lost []error, err error) {
	parts, err := split(data, 7)
	if err != nil {
		return nil, nil, err
	}
	b = New(cfg)
	var small rest
	if err := json.Unmarshal(parts[0], &small); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	b.mark, b.changes, b.freshChanges, b.outside = small.Mark, small.Changes, small.Fresh, small.Outside
	if small.Ranked != nil {
		b.ranked = small.Ranked
	}
	if small.Names != nil {
		b.names = small.Names
	}
	keep := func(what string, err error) bool {
		if err != nil {
			lost = append(lost, fmt.Errorf("%s: %w", what, err))
		}
		return err == nil
	}
	order, _, err := eventtime.Restore(parts[1], cfg.Order)
	if !keep("samples that wait", err) {
		return nil, nil, fmt.Errorf("%w: %w", ErrSnapshot, lost[0]) // Without the last mark nothing else has a time.
	}
	b.order = order
	if p, err := detect.Restore(parts[2], cfg.Detect); keep("detector", err) {
		b.detect = p
	}
	if p, err := spanstage.Restore(parts[3], cfg.Spans); keep("spans", err) {
		b.spans = p
	}
	if p, err := logstage.Restore(parts[4], cfg.Logs); keep("logs", err) {
		b.logs = p
	}
	if p, err := topology.Restore(parts[5], cfg.Topology); keep("topology", err) {
		b.topology = p
	}
	if p, err := group.Restore(parts[6], cfg.Group); keep("incidents", err) {
		b.group = p
	}
	return b, lost, nil
}

// split takes a snapshot apart.
func split(data []byte, n int) ([][]byte, error) {
	if len(data) < 5 || data[0] != snapshotVersion {
		return nil, fmt.Errorf("%w: not of version %d", ErrSnapshot, snapshotVersion)
	}
	body := data[:len(data)-4]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(data[len(body):]) {
		return nil, fmt.Errorf("%w: checksum differs", ErrSnapshot)
	}
	body = body[1:]
	parts := make([][]byte, n)
	for i := range parts {
		size, used := binary.Uvarint(body)
		if used <= 0 || size > uint64(len(body)-used) {
			return nil, fmt.Errorf("%w: ends early", ErrSnapshot)
		}
		parts[i], body = body[used:used+int(size)], body[used+int(size):]
	}
	if len(body) > 0 {
		return nil, fmt.Errorf("%w: bytes after the end", ErrSnapshot)
	}
	return parts, nil
}

// Last returns the last mark that was taken.
func (b *Brain) Last() eventtime.Mark { return b.mark }
