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

// Restore returns the brain of a snapshot.
func Restore(data []byte, cfg Config) (*Brain, error) {
	parts, err := split(data, 7)
	if err != nil {
		return nil, err
	}
	b := New(cfg)
	var small rest
	if err := json.Unmarshal(parts[0], &small); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	b.mark, b.changes, b.freshChanges, b.outside = small.Mark, small.Changes, small.Fresh, small.Outside
	if small.Ranked != nil {
		b.ranked = small.Ranked
	}
	if small.Names != nil {
		b.names = small.Names
	}
	var errOrder, errDetect, errSpans, errLogs, errTopology, errGroup error
	b.order, _, errOrder = eventtime.Restore(parts[1], cfg.Order)
	b.detect, errDetect = detect.Restore(parts[2], cfg.Detect)
	b.spans, errSpans = spanstage.Restore(parts[3], cfg.Spans)
	b.logs, errLogs = logstage.Restore(parts[4], cfg.Logs)
	b.topology, errTopology = topology.Restore(parts[5], cfg.Topology)
	b.group, errGroup = group.Restore(parts[6], cfg.Group)
	if err := errors.Join(errOrder, errDetect, errSpans, errLogs, errTopology, errGroup); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return b, nil
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
